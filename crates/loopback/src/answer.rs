//! The head of a connector's answer: read from the transport, held against the rules, and put into
//! the terms of HTTP.

mod rules;

use adit_wire::{ConnectResponse, Intake, preamble};
use bytes::Bytes;
use quinn::{ReadError, WriteError};

use crate::error::StreamError;
use crate::request::Kind;
use crate::stream::read_quic as read_chunk;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status; 502 when the connector refused, 200 when it accepted a TCP stream.
    pub status: u16,
    /// The header fields of the origin, in order and as spelled.
    pub headers: Vec<(Bytes, Bytes)>,
    /// Why the connector refused. Over HTTP/2 the reason is not told, so the text is empty there.
    pub refusal: Option<String>,
    /// Whether the connector refused because too many flows are open.
    pub rate_limited: bool,
    /// Trace data of the connector.
    pub tracing: Option<Bytes>,
    /// What the connector sent: metadata over QUIC, header fields over HTTP/2.
    pub raw: Vec<(Bytes, Bytes)>,
}

impl Head {
    /// Returns the value of a header field.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Bytes> {
        let field = |field: &&(Bytes, Bytes)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().find(field).map(|(_, value)| value)
    }

    /// Returns the values of the header fields of this name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        let field = move |field: &&(Bytes, Bytes)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().filter(field).map(|(_, value)| value)
    }
}

/// Reads the head of an answer over QUIC, and the bytes that came with it.
pub(crate) async fn read_quic(
    stream: &mut quinn::RecvStream,
    kind: Kind,
) -> Result<(Head, Bytes), StreamError> {
    let mut intake = Intake::new();
    take_preamble(stream, &mut intake).await?;
    let response = loop {
        let taken = ConnectResponse::take(&mut intake).map_err(|error| forbidden(&error))?;
        if let Some(response) = taken {
            break response;
        }
        fill(stream, &mut intake).await?;
    };
    let head = rules::quic(response, kind).map_err(StreamError::Forbidden)?;
    Ok((head, intake.into_rest()))
}

async fn take_preamble(stream: &mut quinn::RecvStream, intake: &mut Intake) -> Result<(), StreamError> {
    loop {
        let seen = intake.as_slice();
        if let Some(head) = seen.first_chunk::<{ preamble::DATA.len() + preamble::VERSION.len() }>() {
            rules::preamble(head).map_err(StreamError::Forbidden)?;
        }
        let taken = preamble::take(intake).map_err(|error| forbidden(&error))?;
        if taken.is_some() {
            return Ok(());
        }
        fill(stream, intake).await?;
    }
}

async fn fill(stream: &mut quinn::RecvStream, intake: &mut Intake) -> Result<(), StreamError> {
    match read_chunk(stream).await? {
        Some(chunk) => {
            intake.push(chunk);
            Ok(())
        }
        None if intake.is_empty() => Err(StreamError::NoAnswer),
        None => Err(StreamError::Forbidden(
            "the answer ends in the middle of its head".to_owned(),
        )),
    }
}

/// Reads the head of an answer over HTTP/2.
pub(crate) async fn read_http2(
    response: h2::client::ResponseFuture,
    kind: Kind,
) -> Result<(Head, h2::RecvStream), StreamError> {
    let response = response.await.map_err(|error| http2_error(&error))?;
    let (parts, stream) = response.into_parts();
    let head = rules::http2(&parts, kind).map_err(StreamError::Forbidden)?;
    Ok((head, stream))
}

fn forbidden(error: &dyn std::error::Error) -> StreamError {
    StreamError::Forbidden(error.to_string())
}

pub(crate) fn read_error(error: ReadError) -> StreamError {
    match error {
        ReadError::Reset(code) => StreamError::Reset(code.into_inner()),
        ReadError::ConnectionLost(cause) => StreamError::Lost(cause.to_string()),
        other @ (ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected) => {
            StreamError::Lost(other.to_string())
        }
    }
}

pub(crate) fn write_error(error: WriteError) -> StreamError {
    match error {
        WriteError::Stopped(code) => StreamError::Stopped(code.into_inner()),
        WriteError::ConnectionLost(cause) => StreamError::Lost(cause.to_string()),
        other @ (WriteError::ClosedStream | WriteError::ZeroRttRejected) => {
            StreamError::Lost(other.to_string())
        }
    }
}

pub(crate) fn http2_error(error: &h2::Error) -> StreamError {
    match error.reason() {
        // RFC 9113 §6.8: only streams behind the last that was looked at hear of it.
        Some(h2::Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => {
            StreamError::Unseen(error.to_string())
        }
        Some(reason) if error.is_reset() => StreamError::Reset(u64::from(u32::from(reason))),
        Some(_) | None => StreamError::Lost(error.to_string()),
    }
}
