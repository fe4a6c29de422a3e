//! Sans-IO. A visitor's request in the terms of each transport.

use adit_wire::connect::{ConnectRequest, ConnectionType, HEADER, Metadata};
use adit_wire::h2;
use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};

use crate::error::StreamError;
use crate::request::{Request, Target, Url};

/// Writes the first bytes of a QUIC stream.
pub(crate) fn quic(request: &Request, out: &mut BytesMut) -> Result<(), StreamError> {
    let (destination, kind, mut metadata) = match &request.target {
        Target::Http(url) => (url.whole(), ConnectionType::Http, named(url)),
        Target::WebSocket(url) => (url.whole(), ConnectionType::WebSocket, named(url)),
        Target::Tcp { destination, flow } => (
            destination.clone(),
            ConnectionType::Tcp,
            vec![Metadata::new("FlowID", flow.clone())],
        ),
    };
    match kind {
        ConnectionType::Http | ConnectionType::WebSocket => {
            metadata.extend(request.headers.iter().map(field));
        }
        ConnectionType::Tcp | ConnectionType::Unknown(_) => {
            metadata.extend(request.headers.iter().map(plain));
        }
    }
    let message = ConnectRequest {
        destination: destination.into(),
        kind,
        metadata,
    };
    message.put(out).map_err(unsendable)
}

fn named(url: &Url) -> Vec<Metadata> {
    vec![
        Metadata::new("HttpMethod", url.method.clone()),
        Metadata::new("HttpHost", url.host.clone()),
    ]
}

fn field((name, value): &(Bytes, Bytes)) -> Metadata {
    Metadata::new([HEADER.as_bytes(), name].concat(), value.clone())
}

fn plain((name, value): &(Bytes, Bytes)) -> Metadata {
    Metadata::new(name.clone(), value.clone())
}

/// Makes the head of an HTTP/2 request.
pub(crate) fn http2(request: &Request) -> Result<http::Request<()>, StreamError> {
    let mut head = match &request.target {
        Target::Http(url) => head(&url.method, &url.whole())?,
        Target::WebSocket(url) => {
            let mut head = head(&url.method, &url.whole())?;
            mark(&mut head, h2::name::UPGRADE, WEBSOCKET);
            head
        }
        Target::Tcp { destination, .. } => {
            let mut head = head("GET", &format!("https://{destination}/"))?;
            mark(&mut head, h2::name::SOURCE, VISITOR);
            head
        }
    };
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name).map_err(unsendable)?;
        if HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(value.clone()).map_err(unsendable)?;
        head.headers_mut().append(name, value);
    }
    Ok(head)
}

const WEBSOCKET: &str = "websocket";
/// Any value marks a TCP stream; the edge says who the visitor is.
const VISITOR: &str = "127.0.0.1";
/// What HTTP/2 forbids: it says these things in its own way.
const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "host",
];

fn head(method: &str, url: &str) -> Result<http::Request<()>, StreamError> {
    let head = http::Request::builder().version(http::Version::HTTP_2);
    head.method(method).uri(url).body(()).map_err(unsendable)
}

fn mark(head: &mut http::Request<()>, name: &'static str, value: &'static str) {
    head.headers_mut().insert(name, HeaderValue::from_static(value));
}

fn unsendable(error: impl std::fmt::Display) -> StreamError {
    StreamError::Unsendable(error.to_string())
}
