//! The visitor's door: an HTTP/1.1 server on loopback that browsers and curl can use.
//!
//! `http://app.example.com.localhost:PORT/` reaches the tunnel as `app.example.com`: browsers and
//! most resolvers know that everything under `localhost` is this machine. A client that sends
//! `Host: app.example.com` to the port reaches the same.

mod page;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming as RequestBody;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::Head;
use crate::error::StreamError;
use crate::ports;
use crate::request::{Request, Target, Url};
use crate::tasks::Tasks;
use crate::visitor::{Response, TwoWay, Visitor, introduce};

type FrontBody = UnsyncBoxBody<Bytes, StreamError>;
type FrontRequest = http::Request<RequestBody>;
type FrontResponse = http::Response<FrontBody>;

/// Bytes read from a visitor's WebSocket at once.
const CHUNK: usize = 16 * 1024;
/// How many header fields a visitor may send.
const FIELDS: usize = 1000;
/// What a visitor's request head may take: above the 128 KiB that the edge lets through.
const HEAD: usize = 256 * 1024;

/// Serves visitors until it is stopped.
pub(crate) async fn serve(listener: TcpListener, visitor: Visitor, tasks: Tasks) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        let door = Door {
            visitor: visitor.clone(),
            tasks: tasks.clone(),
            peer,
        };
        tasks.start(door.serve(stream));
    }
}

/// One visitor's connection.
#[derive(Clone, Debug)]
struct Door {
    visitor: Visitor,
    tasks: Tasks,
    peer: SocketAddr,
}

impl Door {
    async fn serve(self, stream: TcpStream) {
        let peer = self.peer;
        let service = service_fn(move |request| {
            let door = self.clone();
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        let mut server = hyper::server::conn::http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .max_buf_size(HEAD)
            .max_headers(FIELDS)
            .half_close(true);
        let connection = server
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            tracing::debug!(%error, %peer, "a visitor's connection has failed");
        }
    }

    async fn answer(self, mut request: FrontRequest) -> FrontResponse {
        let for_browser = page::wanted(request.headers());
        let upgrade = is_websocket(request.headers()).then(|| hyper::upgrade::on(&mut request));
        let request = self.forward(request, upgrade.is_some());
        let answered = match upgrade {
            Some(upgrade) => self.upgrade(request, upgrade).await,
            None => self.visitor.send(request).await.map(respond),
        };
        match answered {
            Ok((head, body)) => finish(&head, body, for_browser),
            Err(error) => page::failure(&error.to_string(), for_browser),
        }
    }

    /// Puts a visitor's request into the terms of the tunnel.
    fn forward(&self, request: FrontRequest, websocket: bool) -> Request {
        let (parts, body) = request.into_parts();
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or(parts.uri.authority().map(|authority| authority.as_str()));
        let url = Url {
            method: parts.method.to_string(),
            scheme: "http".to_owned(),
            host: public_name(host.unwrap_or_default()),
            path: parts
                .uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        };
        let target = if websocket {
            Target::WebSocket(url)
        } else {
            Target::Http(url)
        };
        let mut forwarded = Request::to(target);
        for (name, value) in &parts.headers {
            if !is_of_connection(name, websocket) {
                forwarded = forwarded.header(spelled(name), Bytes::copy_from_slice(value.as_bytes()));
            }
        }
        introduce(forwarded.body(body), &self.peer.ip().to_string())
    }

    async fn upgrade(&self, request: Request, upgrade: OnUpgrade) -> Result<(Head, FrontBody), StreamError> {
        let TwoWay {
            head,
            outgoing,
            mut incoming,
        } = self.visitor.connect(request).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let stream = TwoWay {
                head: Head::default(),
                outgoing,
                incoming,
            };
            self.tasks.start(splice(upgrade, stream));
            return Ok((head, empty()));
        }
        // The origin declined; what it says instead is short and ends.
        let mut body = Vec::new();
        while let Some(chunk) = incoming.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok((head, full(body)))
    }
}

/// Copies both directions of a WebSocket until both have ended.
async fn splice(upgrade: OnUpgrade, stream: TwoWay) {
    let Ok(upgraded) = upgrade.await else {
        return;
    };
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    let TwoWay {
        mut outgoing,
        mut incoming,
        ..
    } = stream;
    let up = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            if outgoing
                .send(Bytes::copy_from_slice(&buffer[..length]))
                .await
                .is_err()
            {
                break;
            }
        }
        // A connector that is gone cannot be told.
        let _finished = outgoing.finish();
    };
    let down = async {
        while let Ok(Some(chunk)) = incoming.chunk().await {
            if writer.write_all(&chunk).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
        // A visitor that is gone cannot be told.
        let _ended = writer.shutdown().await;
    };
    tokio::join!(up, down);
}

fn respond(mut response: Response) -> (Head, FrontBody) {
    let head = std::mem::take(&mut response.head);
    let frames = unfold(Some(response), next_frame);
    (head, StreamBody::new(frames).boxed_unsync())
}

type Next = Option<(Result<Frame<Bytes>, StreamError>, Option<Response>)>;

async fn next_frame(response: Option<Response>) -> Next {
    let mut response = response?;
    match response.chunk().await {
        Ok(Some(chunk)) => Some((Ok(Frame::data(chunk)), Some(response))),
        Ok(None) => {
            let trailers = response.trailers().await.ok()??;
            Some((Ok(Frame::trailers(trailers)), None))
        }
        Err(error) => Some((Err(error), None)),
    }
}

/// Puts the connector's answer into the terms of HTTP/1.1.
fn finish(head: &Head, body: FrontBody, for_browser: bool) -> FrontResponse {
    if let Some(reason) = &head.refusal {
        return page::failure(reason, for_browser);
    }
    let Ok(status) = StatusCode::from_u16(head.status) else {
        return page::failure("the origin answered with an impossible status", for_browser);
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    let upgraded = status == StatusCode::SWITCHING_PROTOCOLS;
    for (name, value) in &head.headers {
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_maybe_shared(value.clone());
        if let (Ok(name), Ok(value)) = (name, value)
            && !is_of_connection(&name, upgraded)
        {
            response.headers_mut().append(name, value);
        }
    }
    if upgraded {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        response
            .headers_mut()
            .insert(UPGRADE, HeaderValue::from_static("websocket"));
        *response.version_mut() = Version::HTTP_11;
    }
    response.headers_mut().remove(TRANSFER_ENCODING);
    response
}

fn empty() -> FrontBody {
    full(Vec::new())
}

fn full(bytes: Vec<u8>) -> FrontBody {
    let body = Full::new(Bytes::from(bytes));
    body.map_err(|never| match never {}).boxed_unsync()
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let value = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Returns whether a field is about the connection to the visitor rather than about the request.
fn is_of_connection(name: &HeaderName, websocket: bool) -> bool {
    match name.as_str() {
        "connection" | "upgrade" => !websocket,
        "keep-alive" | "proxy-connection" | "host" => true,
        _ => false,
    }
}

/// Returns a name in the spelling that HTTP/1.1 is used to.
fn spelled(name: &HeaderName) -> Bytes {
    let mut spelled = name.as_str().as_bytes().to_vec();
    let mut starts_word = true;
    for byte in &mut spelled {
        if starts_word {
            byte.make_ascii_uppercase();
        }
        starts_word = *byte == b'-';
    }
    spelled.into()
}

/// Returns the name that a visitor means who writes `host`.
fn public_name(host: &str) -> String {
    let without_port = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = without_port.strip_suffix(".localhost").unwrap_or(without_port);
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_are_public_names() {
        let cases = [
            ("app.example.com.localhost:8080", "app.example.com"),
            ("app.example.com", "app.example.com"),
            ("app.example.com:80", "app.example.com"),
            ("localhost:1", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
        ];
        for (host, name) in cases {
            assert_eq!(public_name(host), name, "{host}");
        }
    }

    #[test]
    fn names_are_spelled_as_usual() {
        assert_eq!(
            spelled(&HeaderName::from_static("x-forwarded-for")),
            "X-Forwarded-For"
        );
    }
}
