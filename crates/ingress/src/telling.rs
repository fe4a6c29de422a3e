//! What is said and counted about a request, from its arrival to its last byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use adit_exchange::{Body, BodyError, Class, Connected, Headers, Io, Refusal, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::{debug, enabled, error, Level};

use crate::incoming::Incoming;
use crate::metrics::Metrics;

/// `event` of HTTP lines.
const HTTP: u8 = 1;

/// `event` of stream lines.
pub(crate) const TCP: u8 = 2;

/// Header fields whose values no log may hold.
const SECRET: [&[u8]; 6] = [
    b"Authorization",
    b"Cookie",
    b"Proxy-Authorization",
    b"Cf-Access-Jwt-Assertion",
    b"Cf-Access-Client-Secret",
    b"Cf-Access-Token",
];

/// One request in progress: who carries it, and what has been said about it.
#[derive(Debug)]
pub(crate) struct Telling {
    metrics: Metrics,
    started: Instant,
    connection: u8,
    rule: i64,
    service: Arc<str>,
    ray: String,
    event: u8,
    /// What is told when the visitor leaves now; nothing once the end was told.
    unfinished: Option<&'static str>,
}

/// What is told of a request whose visitor left before an answer.
const UNANSWERED: &str = "Incoming request ended abruptly: context canceled";

/// What is told of a request whose visitor left during the answer.
const UNREAD: &str = "context canceled";

impl Telling {
    /// Begins to tell about a request that has reached the proxy.
    pub(crate) fn begin(metrics: &Metrics, incoming: &Incoming, rule: i64, service: Arc<str>) -> Self {
        metrics.requests.inc();
        metrics.concurrent_requests.inc();
        let ray = incoming.headers.get("Cf-Ray");
        let telling = Self {
            metrics: metrics.clone(),
            started: Instant::now(),
            connection: incoming.arrival.connection,
            rule,
            service,
            ray: ray.map_or_else(String::new, |ray| String::from_utf8_lossy(ray).into_owned()),
            event: HTTP,
            unfinished: Some(UNANSWERED),
        };
        if enabled!(Level::DEBUG) {
            telling.arrived(incoming);
        }
        telling
    }

    /// Tells that the request failed, and why.
    pub(crate) fn failed(mut self, refusal: &Refusal) {
        self.unfinished = None;
        self.failed_with(refusal.class, &refusal.message);
    }

    /// Tells that what was begun did not come to its end.
    fn failed_with(&self, class: Class, message: &str) {
        self.metrics.errors.inc();
        self.metrics.failed(class);
        if class == Class::Abandoned {
            debug!(
                event = self.event, connIndex = self.connection, originService = &*self.service,
                ingressRule = self.rule, cfRay = self.ray, class = class.name(), error = message,
            );
            return;
        }
        error!(
            event = self.event, connIndex = self.connection, originService = &*self.service,
            ingressRule = self.rule, cfRay = self.ray, class = class.name(), error = message,
        );
    }

    /// Tells that the origin answered, and returns the answer so that its end is told too.
    pub(crate) fn answered(mut self, response: Response) -> Response {
        self.unfinished = Some(UNREAD);
        if let Ok(rule) = usize::try_from(self.rule) {
            self.metrics.first_byte(rule, self.started.elapsed());
        }
        let Response {
            status,
            headers,
            body,
        } = response;
        let mut told = Told {
            body,
            status,
            length: length_of(&headers),
            telling: Some(self),
        };
        if http_body::Body::is_end_stream(&told.body) {
            told.ended();
            return Response {
                status,
                headers,
                body: Body::empty(),
            };
        }
        Response {
            status,
            headers,
            body: Body::stream(told),
        }
    }

    /// Tells that the origin accepted a two-way stream, and returns it so that its end is told too.
    pub(crate) fn connected(mut self, connected: Connected) -> Connected {
        self.unfinished = None;
        Connected {
            io: Box::new(Held {
                io: connected.io,
                _telling: self,
            }),
            ..connected
        }
    }

    fn arrived(&self, incoming: &Incoming) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let proto = match incoming.arrival.transport {
            adit_exchange::Transport::Quic => "HTTP/1.1",
            adit_exchange::Transport::Http2 => "HTTP/2.0",
        };
        debug!(
            event = self.event,
            connIndex = self.connection,
            originService = &*self.service,
            ingressRule = self.rule,
            cfRay = self.ray,
            host = text(&incoming.host),
            path = text(&incoming.path),
            headers = shown(&incoming.headers),
            "content-length" = incoming.length(),
            "{} {} {proto}",
            text(&incoming.method),
            text(&incoming.destination),
        );
    }

    fn complete(&self, status: u16, length: i64) {
        self.metrics.answered(status);
        debug!(
            event = self.event,
            connIndex = self.connection,
            originService = &*self.service,
            ingressRule = self.rule,
            cfRay = self.ray,
            "content-length" = length,
            "{}",
            status_text(status),
        );
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(message) = self.unfinished {
            self.failed_with(Class::Abandoned, message);
        }
        self.metrics.concurrent_requests.dec();
    }
}

/// The body of an answer, whose end is told.
struct Told {
    body: Body,
    status: u16,
    length: i64,
    /// Nothing once the end was told.
    telling: Option<Telling>,
}

impl Told {
    fn ended(&mut self) {
        if let Some(mut telling) = self.telling.take() {
            telling.unfinished = None;
            telling.complete(self.status, self.length);
        }
    }
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), cx));
        match &frame {
            None => self.ended(),
            Some(Err(error)) => {
                if let Some(mut telling) = self.telling.take() {
                    telling.unfinished = None;
                    telling.failed_with(Class::Protocol, &error.message);
                }
            }
            // Whoever sees that nothing follows does not ask again.
            Some(Ok(_)) if http_body::Body::is_end_stream(&self.body) => self.ended(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

/// A two-way stream, in progress as long as it exists.
struct Held {
    io: Box<dyn Io>,
    _telling: Telling,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn length_of(headers: &Headers) -> i64 {
    let length = headers.get("Content-Length").and_then(|value| crate::headers::decimal(value));
    length.map_or(-1, u64::cast_signed)
}

/// Returns the fields for a log line, without what nobody else may know.
fn shown(headers: &Headers) -> String {
    let shown: Vec<String> = headers
        .iter()
        .map(|field| {
            let secret = SECRET.iter().any(|name| field.is(name));
            let value = if secret { "(hidden)".into() } else { String::from_utf8_lossy(&field.value) };
            format!("{}: {value}", String::from_utf8_lossy(&field.name))
        })
        .collect();
    shown.join(", ")
}

/// Returns a status with the words that belong to it.
fn status_text(status: u16) -> String {
    let known = http::StatusCode::from_u16(status).ok();
    match known.as_ref().and_then(http::StatusCode::canonical_reason) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}
