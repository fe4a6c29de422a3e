//! What an origin answers.

use std::future::pending;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::json;

use crate::tasks::Tasks;
use crate::visitor::hex;

type OriginBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// A page of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// A text.
    Text(String),
    /// A status without a body.
    Status(u16),
    /// What the request was, as JSON: `method`, `target`, `headers` (pairs), `length` and `sha256`
    /// of its body.
    Echo,
    /// The body of the request, as it comes in.
    Mirror,
    /// So many bytes of [`pattern`], with a length.
    Bytes(u64),
    /// So many bytes of [`pattern`], in chunks.
    Chunks(u64),
    /// So many server-sent events, with a pause before each.
    Events(u32, Duration),
    /// A text that begins after some time.
    Late(Duration, String),
    /// So many bytes of [`pattern`], with a length that promises one more.
    Short(u64),
    /// A text in chunks, and a trailer `x-trailer: end`.
    Trailers(String),
    /// A WebSocket that sends back every byte as it is.
    WebSocket,
    /// Nothing, ever.
    Silence,
}

impl From<&str> for Page {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Bytes of a pattern that are made at once.
const CHUNK: u64 = 64 * 1024;
/// Bytes after which the pattern begins anew: a prime, so that no buffer size hides a shift.
const PERIOD: u64 = 251;

/// Returns `length` bytes of the pattern that origins serve, from `start` on.
#[must_use]
pub fn pattern(start: u64, length: u64) -> Bytes {
    (start..start + length)
        .map(|place| (place % PERIOD) as u8)
        .collect()
}

/// Returns the SHA-256 of the first `length` bytes of [`pattern`], in hexadecimal.
#[must_use]
pub fn sha256(length: u64) -> String {
    let mut digest = Context::new(&SHA256);
    let mut place = 0;
    while place < length {
        let part = CHUNK.min(length - place);
        digest.update(&pattern(place, part));
        place += part;
    }
    hex(digest.finish().as_ref())
}

/// Answers a request with a page.
pub(super) async fn answer(page: Page, request: Request<Incoming>, tasks: &Tasks) -> Response<OriginBody> {
    match page {
        Page::Text(text) => Response::new(full(text)),
        Page::Status(status) => {
            let mut response = Response::new(full(""));
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
            response
        }
        Page::Echo => echo(request).await,
        Page::Mirror => Response::new(request.into_body().map_err(std::io::Error::other).boxed_unsync()),
        Page::Bytes(length) => with_length(bytes(length), length),
        Page::Chunks(length) => Response::new(bytes(length)),
        Page::Events(count, pause) => events(count, pause),
        Page::Late(pause, text) => {
            tokio::time::sleep(pause).await;
            Response::new(full(text))
        }
        Page::Short(length) => with_length(broken(length), length + 1),
        Page::Trailers(text) => trailers(text),
        Page::WebSocket => websocket(request, tasks),
        Page::Silence => pending().await,
    }
}

async fn echo(request: Request<Incoming>) -> Response<OriginBody> {
    let (parts, mut body) = request.into_parts();
    let mut digest = Context::new(&SHA256);
    let mut length = 0;
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            whole = false;
            break;
        };
        if let Some(data) = frame.data_ref() {
            length += data.len();
            digest.update(data);
        }
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = parts.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]))
        .collect();
    let echo = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "length": length,
        "sha256": hex(digest.finish().as_ref()),
        "whole": whole,
    });
    let mut response = Response::new(full(echo.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn full(text: impl Into<Bytes>) -> OriginBody {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn bytes(length: u64) -> OriginBody {
    let chunks = unfold(0, move |place| async move {
        let part = CHUNK.min(length - place);
        (part > 0).then(|| (Ok(Frame::data(pattern(place, part))), place + part))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// Returns a body that breaks off, after what there was of it has been sent.
fn broken(length: u64) -> OriginBody {
    let frames = unfold(0, move |turn| async move {
        let frame = match turn {
            0 => Ok(Frame::data(pattern(0, length))),
            // The server writes while it waits for more.
            _ => {
                tokio::task::yield_now().await;
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
        };
        Some((frame, turn + 1))
    });
    StreamBody::new(frames).boxed_unsync()
}

fn with_length(body: OriginBody, length: u64) -> Response<OriginBody> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn events(count: u32, pause: Duration) -> Response<OriginBody> {
    let events = unfold(0, move |number| async move {
        if number == count {
            return None;
        }
        tokio::time::sleep(pause).await;
        let event = Bytes::from(format!("data: {number}\n\n"));
        Some((Ok(Frame::data(event)), number + 1))
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

fn trailers(text: String) -> Response<OriginBody> {
    let mut end = http::HeaderMap::new();
    end.insert("x-trailer", HeaderValue::from_static("end"));
    let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(end))];
    let frames = futures_util::stream::iter(frames);
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response
        .headers_mut()
        .insert("trailer", HeaderValue::from_static("x-trailer"));
    response
}

fn websocket(mut request: Request<Incoming>, tasks: &Tasks) -> Response<OriginBody> {
    let mut response = Response::new(full(""));
    let Some(key) = request.headers().get("sec-websocket-key") else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let accept = HeaderValue::try_from(accept(key.as_bytes()));
    let accept = accept.expect("base64 is made of visible letters");
    let upgrade = hyper::upgrade::on(&mut request);
    tasks.start(async move {
        if let Ok(upgraded) = upgrade.await {
            let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
            let copied = tokio::io::copy(&mut reader, &mut writer).await;
            let closed = tokio::io::AsyncWriteExt::shutdown(&mut writer).await;
            tracing::debug!(?copied, ?closed, "a WebSocket has ended");
        }
    });
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept);
    response
}

/// Answers the key of a WebSocket handshake, as RFC 6455 §4.2.2 has it.
fn accept(key: &[u8]) -> String {
    let salted = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &salted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_standard_has_the_answer_of_the_standard() {
        assert_eq!(
            accept(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_pattern_is_the_same_in_parts() {
        let whole = pattern(0, 1000);
        assert_eq!([pattern(0, 300), pattern(300, 700)].concat(), whole);
    }
}
