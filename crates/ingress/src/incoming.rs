//! Sans-IO. What a request asks for, read once on arrival.

use adit_dialect::header::is_token;
use adit_dialect::quote::quote;
use adit_dialect::url::Url;
use adit_exchange::{Arrival, Body, Class, Framing, Headers, Kind, Refusal, Request, Transport};
use bytes::Bytes;

use crate::headers::{self, Tag};
use crate::trace::{CONTEXT, Trace};

/// A request with everything that rules and origins look at.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) websocket: bool,
    pub(crate) method: Bytes,
    pub(crate) destination: Bytes,
    /// The target as it is sent.
    pub(crate) target: Bytes,
    /// The decoded path, which rules match.
    pub(crate) path: Bytes,
    /// Host and port of the destination, where it names one.
    pub(crate) authority: Bytes,
    /// The host that the visitor asked for, as it came.
    pub(crate) host: Bytes,
    pub(crate) headers: Headers,
    /// What the request adds to the visitor's trace, if there is one.
    pub(crate) trace: Option<Trace>,
    pub(crate) framing: Framing,
    pub(crate) body: Body,
    pub(crate) arrival: Arrival,
}

impl Incoming {
    /// Reads `request`, adding `tags` to its headers.
    ///
    /// # Errors
    ///
    /// Fails when the method or the destination is malformed.
    pub(crate) fn read(request: Request, tags: &[Tag]) -> Result<Self, Refusal> {
        let method = if request.method.is_empty() {
            Bytes::from_static(b"GET")
        } else {
            request.method
        };
        if !is_token(&method) {
            let text = format!("net/http: invalid method {}", quote(&method));
            return Err(Refusal::new(Class::Request, text));
        }
        let destination = request.destination;
        let url = match request.arrival.transport {
            Transport::Quic => Url::parse(&destination),
            // A fragment means nothing there: `#` is a part of the path.
            Transport::Http2 => Url::parse_target(&destination),
        };
        let url = url.map_err(|error| Refusal::new(Class::Request, error.to_string()))?;
        let part = |part: &[u8]| destination_part(&destination, part);
        Ok(Self {
            websocket: request.kind == Kind::WebSocket,
            method,
            target: part(&url.request_target()),
            path: part(url.path()),
            authority: part(url.host()),
            host: request.host,
            trace: Trace::of_request(request.headers.all(CONTEXT).last()),
            headers: headers::arrived(request.headers, tags),
            framing: request.framing,
            body: request.body,
            arrival: request.arrival,
            destination,
        })
    }

    /// Returns the index of the value of `Content-Length` for logs: minus one if unknown.
    pub(crate) const fn length(&self) -> i64 {
        match self.framing {
            Framing::Ended => 0,
            Framing::Length(length) => length.cast_signed(),
            Framing::Streamed | Framing::Undeclared => -1,
        }
    }
}

/// Returns `part` without a copy where it is a piece of `destination`.
fn destination_part(destination: &Bytes, part: &[u8]) -> Bytes {
    let (outer, inner) = (destination.as_ptr_range(), part.as_ptr_range());
    if !part.is_empty() && outer.start <= inner.start && inner.end <= outer.end {
        return destination.slice_ref(part);
    }
    Bytes::copy_from_slice(part)
}
