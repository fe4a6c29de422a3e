//! Sans-IO. The head of a data stream: what the edge asks for and what the connector answers.

use bytes::{Bytes, BytesMut};

use crate::builder::{Builder, Object, Size};
use crate::preamble::{self, Kind};
use crate::reader::{Reader, Struct};
use crate::{DecodeError, EncodeError, Intake, Message};

/// What the edge asks for on a data stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Where it goes: a URL, or `host:port` for [`ConnectionType::Tcp`].
    pub destination: Bytes,
    /// What to do with it.
    pub kind: ConnectionType,
    /// Everything else, in order.
    pub metadata: Vec<Metadata>,
}

/// What the connector answers on a data stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectResponse {
    /// Why the request failed; empty when it did not.
    pub error: Bytes,
    /// Everything else, in order.
    pub metadata: Vec<Metadata>,
}

/// What the edge wants done with a data stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionType {
    /// An HTTP request.
    Http,
    /// An HTTP request that becomes a WebSocket.
    WebSocket,
    /// A TCP stream.
    Tcp,
    /// Something this version does not know.
    Unknown(u16),
}

/// One pair of texts. Both may hold any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is about.
    pub key: Bytes,
    /// What it says.
    pub value: Bytes,
}

/// The most pairs a message may have: far above what any HTTP head holds, and few enough that the
/// list weighs less than 4 MiB however small the pairs are.
pub const MAX_METADATA: usize = 1 << 16;

/// The metadata key that tells the edge that the flow limit was reached; its value is `true`.
pub const RATE_LIMITED: &str = "FlowConnectRateLimited";

/// The metadata key and header name of trace data for the edge.
pub const TRACING: &str = "Cf-Int-Cloudflared-Tracing";

/// The metadata key of a response's status code.
pub const STATUS: &str = "HttpStatus";

/// What the metadata keys of header fields begin with.
pub const HEADER: &str = "HttpHeader:";

impl ConnectRequest {
    /// Takes a request, or returns nothing while more bytes are needed.
    ///
    /// # Errors
    ///
    /// Fails when the bytes are no such message.
    pub fn take(intake: &mut Intake) -> Result<Option<Self>, DecodeError> {
        Message::take(intake)?.as_ref().map(Self::read).transpose()
    }

    fn read(message: &Message) -> Result<Self, DecodeError> {
        let reader = Reader::new(message);
        let root = reader.root()?;
        Ok(Self {
            destination: root.text(0)?,
            kind: ConnectionType::from(root.short(0)),
            metadata: read_metadata(&root)?,
        })
    }

    /// Writes the request with its preamble.
    ///
    /// # Errors
    ///
    /// Fails when no peer would read it.
    pub fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        preamble::put(Kind::Data, out);
        let mut message = Builder::new(out);
        let mut root = message.root(REQUEST);
        root.number(0, &self.kind.number().to_le_bytes());
        root.text(0, &self.destination);
        // The edge leaves the list out when there is nothing in it.
        if !self.metadata.is_empty() {
            put_metadata(&mut root, &self.metadata);
        }
        message.finish()
    }
}

impl ConnectResponse {
    /// Takes a response without its preamble, or returns nothing while more bytes are needed.
    ///
    /// # Errors
    ///
    /// Fails when the bytes are no such message.
    pub fn take(intake: &mut Intake) -> Result<Option<Self>, DecodeError> {
        Message::take(intake)?.as_ref().map(Self::read).transpose()
    }

    fn read(message: &Message) -> Result<Self, DecodeError> {
        let reader = Reader::new(message);
        let root = reader.root()?;
        Ok(Self {
            error: root.text(0)?,
            metadata: read_metadata(&root)?,
        })
    }

    /// Writes the response with its preamble.
    ///
    /// # Errors
    ///
    /// Fails when no peer would read it.
    pub fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        preamble::put(Kind::Data, out);
        let mut message = Builder::new(out);
        let mut root = message.root(RESPONSE);
        root.text(0, &self.error);
        // An acknowledgement has a list even when nothing is in it.
        if self.error.is_empty() || !self.metadata.is_empty() {
            put_metadata(&mut root, &self.metadata);
        }
        message.finish()
    }
}

/// Writes the preamble and the answer to an HTTP request: status and header fields, in order.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_response<'h>(
    status: u16,
    headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let (count, length) = measure(headers.clone());
    out.reserve(length);
    preamble::put(Kind::Data, out);
    let mut message = Builder::new(out);
    let mut fields = headers;
    message
        .root(RESPONSE)
        .structs(1, METADATA, count + 1, |index, mut pair| {
            if index == 0 {
                pair.text(0, STATUS);
                pair.text(1, decimal(status).as_slice());
            } else if let Some((name, value)) = fields.next() {
                pair.joined(0, &[HEADER.as_bytes(), name]);
                pair.text(1, value);
            }
        });
    message.finish()
}

/// Writes the preamble and the acknowledgement of a TCP stream, with trace data when there is some.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_accepted(tracing: Option<Bytes>, out: &mut BytesMut) -> Result<(), EncodeError> {
    let metadata = tracing.map(|tracing| Metadata::new(TRACING, tracing));
    let response = ConnectResponse {
        error: Bytes::new(),
        metadata: metadata.into_iter().collect(),
    };
    response.put(out)
}

/// Writes the preamble and the answer to a request that failed before there was a reply.
///
/// # Errors
///
/// Fails when no peer would read it.
pub fn put_refusal(error: String, rate_limited: bool, out: &mut BytesMut) -> Result<(), EncodeError> {
    let metadata = rate_limited.then(|| Metadata::new(RATE_LIMITED, "true"));
    let response = ConnectResponse {
        error: error.into(),
        metadata: metadata.into_iter().collect(),
    };
    response.put(out)
}

impl ConnectionType {
    const fn number(self) -> u16 {
        match self {
            Self::Http => 0,
            Self::WebSocket => 1,
            Self::Tcp => 2,
            Self::Unknown(number) => number,
        }
    }
}

impl From<u16> for ConnectionType {
    fn from(number: u16) -> Self {
        match number {
            0 => Self::Http,
            1 => Self::WebSocket,
            2 => Self::Tcp,
            unknown => Self::Unknown(unknown),
        }
    }
}

impl Metadata {
    /// Returns a pair.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

fn read_metadata(root: &Struct<'_>) -> Result<Vec<Metadata>, DecodeError> {
    let list = root.list(1)?;
    if list.len() > MAX_METADATA {
        return Err(DecodeError::TooManyEntries(list.len() as u32));
    }
    let mut metadata = Vec::with_capacity(list.len());
    for pair in list.iter() {
        metadata.push(Metadata {
            key: pair.text(0)?,
            value: pair.text(1)?,
        });
    }
    Ok(metadata)
}

fn put_metadata(root: &mut Object<'_, '_>, metadata: &[Metadata]) {
    root.structs(1, METADATA, metadata.len(), |index, mut pair| {
        pair.text(0, &metadata[index].key);
        pair.text(1, &metadata[index].value);
    });
}

/// Returns the number of fields and an upper bound of what a response with them takes.
fn measure<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> (usize, usize) {
    let mut count = 0;
    let mut length = RESPONSE_OVERHEAD;
    for (name, value) in headers {
        count += 1;
        length += HEADER.len() + name.len() + value.len() + FIELD_OVERHEAD;
    }
    (count, length)
}

/// Preamble, segment table, root, list tag, and the status pair with its texts.
const RESPONSE_OVERHEAD: usize = 8 + 8 + 24 + 8 + 16 + 16 + 8;

/// Two pointers, two terminators, and the padding of two texts.
const FIELD_OVERHEAD: usize = 16 + 16;

/// Returns the digits of a status code.
fn decimal(status: u16) -> Digits {
    let mut digits = Digits {
        bytes: [b'0'; 5],
        start: 4,
    };
    let mut rest = status;
    loop {
        digits.bytes[digits.start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return digits;
        }
        digits.start -= 1;
    }
}

struct Digits {
    bytes: [u8; 5],
    start: usize,
}

impl Digits {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

const REQUEST: Size = (1, 2);
const RESPONSE: Size = (0, 2);
const METADATA: Size = (0, 2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_fits_the_buffer_that_was_measured() {
        let headers = [
            (&b"Content-Type"[..], &b"text/plain"[..]),
            (b"X", b""),
            (b"Abcde", b"1234567"),
        ];
        let (_, length) = measure(headers.iter().copied());
        let mut out = BytesMut::new();
        put_response(65535, headers.iter().copied(), &mut out).expect("it is small");
        assert!(out.len() <= length, "{} > {length}", out.len());
    }

    #[test]
    fn statuses_are_decimal() {
        for status in [0, 7, 101, 200, 599, 65535] {
            assert_eq!(decimal(status).as_slice(), status.to_string().as_bytes());
        }
    }
}
