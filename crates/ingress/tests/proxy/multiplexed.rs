//! An origin that speaks HTTP/2 and HTTP/1.1, and notes what it saw line by line.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::server::TlsStream;

use crate::script::Seeing;

/// Serves one connection with the protocol that was agreed on.
pub(crate) async fn serve<S>(io: TlsStream<S>, seeing: &Seeing)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    if io.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_h2(io, seeing).await;
    } else {
        serve_h1(io, seeing).await;
    }
}

async fn serve_h2<S>(io: TlsStream<S>, seeing: &Seeing)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(io).await else {
        return;
    };
    let mut answering = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        answering.spawn(answer(request, respond, seeing.clone()));
    }
}

async fn answer(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, seeing: Seeing) {
    let (head, mut body) = request.into_parts();
    let ended = body.is_end_stream();
    let mut content = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        drop(body.flow_control().release_capacity(data.len()));
        content.extend_from_slice(&data);
    }
    let length = head
        .headers
        .get("content-length")
        .and_then(|value| value.to_str().ok());
    let length = match length {
        Some(length) => length.to_owned(),
        None => (if ended { "0" } else { "-1" }).to_owned(),
    };
    let host = head.uri.authority().map_or("", |authority| authority.as_str());
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let first = format!("{} {path} HTTP/2.0\nHost: {host}\n", head.method);
    note(&seeing, &first, &fields(&head.headers), &length, &content);
    let response = Response::builder()
        .header("content-length", "6")
        .header("content-type", "text/plain; charset=utf-8")
        .header("date", "Mon, 01 Jan 2024 00:00:00 GMT")
        .header("x-origin-proto", "HTTP/2.0")
        .body(())
        .expect("a response");
    let Ok(mut stream) = respond.send_response(response, false) else {
        return;
    };
    drop(stream.send_data(Bytes::from("h2body"), false));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-tr", "tv".parse().expect("a value"));
    drop(stream.send_trailers(trailers));
}

async fn serve_h1<S>(mut io: TlsStream<S>, seeing: &Seeing)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let Ok(byte) = io.read_u8().await else { return };
        read.push(byte);
    }
    let text = String::from_utf8_lossy(&read).into_owned();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let pairs = lines.filter_map(|line| line.split_once(": "));
    let (host, rest): (Vec<_>, Vec<_>) = pairs.partition(|(name, _)| *name == "Host");
    let mut fields: Vec<(String, String)> = rest
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    fields.sort();
    let host = host.first().map_or("", |(_, value)| value);
    note(seeing, &format!("{first}\nHost: {host}\n"), &fields, "0", b"");
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
                  Trailer: X-Tr\r\nX-Origin-Proto: HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                  6\r\nh2body\r\n0\r\nX-Tr: tv\r\n\r\n";
    drop(io.write_all(answer.as_bytes()).await);
    drop(io.flush().await);
    drop(io.read_u8().await);
}

/// Returns the fields as the recorded origin listed them: spelled canonically, cookies joined.
fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        let name = adit_dialect::header::canonical(Bytes::copy_from_slice(name.as_str().as_bytes()));
        let name = String::from_utf8_lossy(&name).into_owned();
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name).or_default().push(value);
    }
    if let Some(cookies) = all.get_mut("Cookie") {
        *cookies = vec![cookies.join("; ")];
    }
    let flat = all
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    flat.collect()
}

fn note(seeing: &Seeing, first: &str, fields: &[(String, String)], length: &str, body: &[u8]) {
    let mut text = first.to_owned();
    for (name, value) in fields {
        writeln!(text, "{name}: {value}").expect("a string takes everything");
    }
    let body = String::from_utf8_lossy(body);
    write!(text, "content_length={length}\nbody={body}\ntrailers=map[]").expect("a string takes everything");
    seeing.send_modify(|seen| seen.received.extend_from_slice(text.as_bytes()));
}
