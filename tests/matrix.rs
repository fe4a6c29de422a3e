//! Every transport, kind of origin, kind of body and method: the bytes that the origin sees.

use std::convert::Infallible;
use std::path::PathBuf;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::origin::{self, Asked};
use adit_loopback::request::Request;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

use crate::registration::assert_clean;
use crate::world::{self, over_both_transports, soon};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "HEAD", "OPTIONS"];
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

over_both_transports!(
    a_plain_origin,
    a_tls_origin,
    a_unix_origin,
    a_multiplexed_plain_origin,
    a_multiplexed_tls_origin,
    a_multiplexed_unix_origin,
);

/// What a visitor says of the body and sends as one.
#[derive(Clone, Copy, Debug)]
enum Payload {
    Absent,
    Zero,
    Length,
    Chunks,
}

const PAYLOADS: [Payload; 4] = [Payload::Absent, Payload::Zero, Payload::Length, Payload::Chunks];

async fn a_plain_origin(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let rules = format!("ingress:\n- service: http://{address}\n");
    let accept = async || listener.accept().await.expect("a connection").0;
    judge(transport, &rules, accept).await;
}

async fn a_tls_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pool = folder.path().join("pool.pem");
    let acceptor = world::acceptor("origin.test", &pool, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let rules = format!(
        "ingress:\n- service: https://{address}\n  originRequest:\n    originServerName: origin.test\n    caPool: {}\n",
        pool.display()
    );
    let accept = async || {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.expect("a handshake")
    };
    judge(transport, &rules, accept).await;
}

async fn a_unix_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path: PathBuf = folder.path().join("origin.sock");
    let listener = UnixListener::bind(&path).expect("a new socket");
    let rules = format!("ingress:\n- service: unix:{}\n", path.display());
    let accept = async || listener.accept().await.expect("a connection").0;
    judge(transport, &rules, accept).await;
}

/// Sends everything through a connector and holds what the origin sees against the rules.
async fn judge<S>(transport: Transport, rules: &str, accept: impl AsyncFn() -> S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let edge = world::edge().await;
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    for method in METHODS {
        for payload in PAYLOADS {
            let origin = async {
                let mut stream = soon("the origin is asked", accept()).await;
                receive(&mut stream).await
            };
            let (seen, ()) = tokio::join!(origin, send(&edge, method, payload));
            let tag = tag(&seen);
            let expected = expected(method, payload, &tag);
            assert_eq!(seen, expected, "{method} {payload:?}");
        }
    }
    assert_clean(&edge);
}

async fn send(edge: &Edge, method: &str, payload: Payload) {
    let request = Request::new(method, "http://app.example.com/path?query")
        .header("User-Agent", "visitor/1")
        .header("X-Last", "z")
        .header("Accept-Encoding", "br");
    let request = match payload {
        Payload::Absent => request,
        Payload::Zero => request.full(""),
        Payload::Length => request.full("hello"),
        Payload::Chunks => request.chunked(chunks()),
    };
    let answer = soon("an answer", edge.visitor().send(request))
        .await
        .expect("an answer");
    assert_eq!(answer.head.status, 200, "{method} {payload:?}");
}

fn chunks() -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static {
    StreamBody::new(stream::iter([Ok(Frame::data(Bytes::from_static(b"hello")))]))
}

/// Reads a request to the end of its body, answers and closes.
async fn receive(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut seen = world::head(stream).await;
    let chunked = seen.contains("Transfer-Encoding: chunked\r\n");
    let length = seen
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    soon("the body", stream.read_exact(&mut body))
        .await
        .expect("the whole body");
    while chunked && !body.ends_with(b"0\r\n\r\n") {
        body.push(
            soon("a chunk", stream.read_u8())
                .await
                .expect("a byte of a chunk"),
        );
    }
    seen.push_str(&String::from_utf8(body).expect("a body of text"));
    stream.write_all(OK).await.expect("the connector listens");
    stream.shutdown().await.expect("the connector listens");
    seen
}

/// Returns the one value that the connector makes up.
fn tag(seen: &str) -> String {
    let tag = seen
        .lines()
        .find_map(|line| line.strip_prefix("Cf-Warp-Tag-Id: "));
    tag.expect("the connector names itself").to_owned()
}

/// The rule, the same on both transports: order of the head, framing of the body.
fn expected(method: &str, payload: Payload, tag: &str) -> String {
    let writes = matches!(method, "POST" | "PUT");
    let (framing, body) = match payload {
        Payload::Length => ("Content-Length: 5\r\n", "hello"),
        Payload::Chunks => ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        Payload::Absent | Payload::Zero if writes => ("Content-Length: 0\r\n", ""),
        Payload::Absent | Payload::Zero => ("", ""),
    };
    format!(
        "{method} /path?query HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: visitor/1\r\n{framing}\
         Accept-Encoding: br\r\nCf-Warp-Tag-Id: {tag}\r\nConnection: keep-alive\r\nX-Last: z\r\n\r\n{body}"
    )
}

async fn a_multiplexed_plain_origin(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let rules =
        format!("ingress:\n- service: http://{address}\n  originRequest: {{ http2PriorKnowledge: true }}\n");
    let accept = async move || listener.accept().await.expect("a connection").0;
    judge_multiplexed(transport, &rules, "http", accept).await;
}

async fn a_multiplexed_tls_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pool = folder.path().join("pool.pem");
    let acceptor = world::acceptor("origin.test", &pool, &[b"h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let rules = format!(
        "ingress:\n- service: https://{address}\n\
         \x20 originRequest: {{ http2Origin: true, originServerName: origin.test, caPool: {} }}\n",
        pool.display()
    );
    let accept = async move || {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.expect("a handshake")
    };
    judge_multiplexed(transport, &rules, "https", accept).await;
}

async fn a_multiplexed_unix_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("origin.sock");
    let listener = UnixListener::bind(&path).expect("a new socket");
    let rules = format!(
        "ingress:\n- service: unix:{}\n  originRequest: {{ http2PriorKnowledge: true }}\n",
        path.display()
    );
    let accept = async move || listener.accept().await.expect("a connection").0;
    judge_multiplexed(transport, &rules, "http", accept).await;
}

/// As [`judge`], of an origin that speaks HTTP/2: one connection carries everything.
async fn judge_multiplexed<S>(
    transport: Transport,
    rules: &str,
    scheme: &str,
    accept: impl AsyncFnOnce() -> S,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let edge = world::edge().await;
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    let (told, mut asked) = mpsc::channel(1);
    let origin = async {
        let stream = soon("the origin is asked", accept()).await;
        origin::multiplexed(stream, told).await
    };
    let visits = async {
        for method in METHODS {
            for payload in PAYLOADS {
                let asked = soon("the origin is asked", asked.recv());
                let (seen, ()) = tokio::join!(asked, send(&edge, method, payload));
                let seen = seen.expect("the origin runs");
                let tag = seen.headers.get("cf-warp-tag-id");
                let tag = tag.expect("the connector names itself");
                let expected = expected_multiplexed(method, payload, scheme, tag);
                assert_eq!(seen, expected, "{method} {payload:?}");
            }
        }
    };
    tokio::select! {
        ended = origin => panic!("the origin is left: {ended:?}"),
        () = visits => {}
    }
    assert_clean(&edge);
}

/// The rule for HTTP/2: the same fields but for those of a connection, and the length where there is
/// one to tell; the end of the stream frames the body.
fn expected_multiplexed(method: &str, payload: Payload, scheme: &str, tag: &HeaderValue) -> Asked {
    let writes = matches!(method, "POST" | "PUT");
    let (length, body) = match payload {
        Payload::Length => (Some("5"), "hello"),
        Payload::Chunks => (None, "hello"),
        Payload::Absent | Payload::Zero => (writes.then_some("0"), ""),
    };
    let own = [
        ("user-agent", "visitor/1"),
        ("accept-encoding", "br"),
        ("x-last", "z"),
    ];
    let length = length.map(|length| ("content-length", length));
    let mut headers: HeaderMap = own
        .into_iter()
        .chain(length)
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    headers.insert("cf-warp-tag-id", tag.clone());
    Asked {
        method: method.to_owned(),
        target: format!("{scheme}://app.example.com/path?query"),
        headers,
        body: Bytes::from_static(body.as_bytes()),
        ended_with_head: body.is_empty(),
        trailers: None,
    }
}
