//! Sans-IO. What the header fields of the HTTP/2 transport mean.

use adit_dialect::base64;

use crate::headers::{Field, says_chunked};

/// Names of header fields between edge and connector, as they stand on the wire.
pub mod name {
    /// Edge → connector: what the request is, unless it is a plain one.
    pub const UPGRADE: &str = "cf-cloudflared-proxy-connection-upgrade";
    /// Edge → connector: any value marks a TCP stream.
    pub const SOURCE: &str = "cf-cloudflared-proxy-src";
    /// Reserved; requests carry their fields as they are.
    pub const REQUEST_HEADERS: &str = "cf-cloudflared-request-headers";
    /// Connector → edge: the origin's fields, serialised.
    pub const RESPONSE_HEADERS: &str = "cf-cloudflared-response-headers";
    /// Connector → edge: who made the response.
    pub const RESPONSE_META: &str = "cf-cloudflared-response-meta";
    /// Connector → edge: trace data.
    pub const TRACING: &str = "cf-int-cloudflared-tracing";
}

/// Values of [`name::RESPONSE_META`].
pub mod meta {
    /// The origin made the response.
    pub const ORIGIN: &str = r#"{"src":"origin"}"#;
    /// The connector made the response.
    pub const CONNECTOR: &str = r#"{"src":"cloudflared"}"#;
    /// The connector made the response because the flow limit was reached.
    pub const RATE_LIMITED: &str = r#"{"src":"cloudflared","flow_rate_limited":true}"#;
}

/// What the edge wants with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A configuration is pushed.
    Configuration,
    /// An HTTP request that becomes a WebSocket.
    WebSocket,
    /// A TCP stream.
    Tcp,
    /// The control stream.
    Control,
    /// An HTTP request.
    Http,
}

/// Where the fields of an origin's response go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFields<'h> {
    /// The value of [`name::RESPONSE_HEADERS`].
    pub serialized: Vec<u8>,
    /// The value of `content-length`, which is sent beside its serialised form.
    pub content_length: Option<&'h [u8]>,
    /// The value of [`name::TRACING`].
    pub tracing: Option<&'h [u8]>,
}

/// Why a value of [`name::RESPONSE_HEADERS`] cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// A pair has not exactly one colon.
    #[error("Unable to deserialize headers")]
    Pair,
    /// A name or value is no base64 text.
    #[error("Unable to deserialize headers: {0}")]
    Base64(String),
}

impl Purpose {
    /// Tells requests apart by the values of [`name::UPGRADE`] and [`name::SOURCE`].
    #[must_use]
    pub fn of(upgrade: Option<&[u8]>, source: Option<&[u8]>) -> Self {
        match upgrade {
            Some(b"update-configuration") => Self::Configuration,
            Some(b"websocket") => Self::WebSocket,
            _ if source.is_some_and(|source| !source.is_empty()) => Self::Tcp,
            Some(b"control-stream") => Self::Control,
            Some(_) | None => Self::Http,
        }
    }
}

impl<'h> ResponseFields<'h> {
    /// Sorts the fields of an origin's response.
    pub fn sort(headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(name::TRACING.as_bytes()) {
                fields.tracing.get_or_insert(value);
                continue;
            }
            if RESERVED.iter().any(|prefix| starts_with(name, prefix)) {
                continue;
            }
            if name.eq_ignore_ascii_case(CONTENT_LENGTH) {
                fields.content_length.get_or_insert(value);
            }
            append(&mut fields.serialized, name, value);
        }
        fields
    }
}

/// Returns the status that the edge is told.
#[must_use]
pub const fn status(origin: u16) -> u16 {
    // HTTP/2 knows no switching of protocols.
    if origin == 101 { 200 } else { origin }
}

/// Returns whether what has been written of a response may not wait for more.
pub fn flushes<'h>(purpose: Purpose, headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>) -> bool {
    if !matches!(purpose, Purpose::Http) {
        return true;
    }
    let mut has_length = false;
    for (name, value) in headers {
        if name.eq_ignore_ascii_case(CONTENT_LENGTH) {
            has_length |= !value.is_empty();
        } else if name.eq_ignore_ascii_case(b"content-type") {
            if EVENTFUL.iter().any(|kind| starts_with(value, kind)) {
                return true;
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") && says_chunked(value) {
            return true;
        }
    }
    !has_length
}

/// Serialises header fields, with their spelling and in their order.
pub fn serialize<'h>(headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        append(&mut out, name, value);
    }
    out
}

/// Reads serialised header fields.
///
/// # Errors
///
/// Fails at the first pair that is none.
pub fn deserialize(text: &[u8]) -> Result<Vec<Field>, BlobError> {
    let pairs = text.split(|byte| *byte == b';').filter(|pair| !pair.is_empty());
    pairs.map(pair).collect()
}

fn pair(pair: &[u8]) -> Result<Field, BlobError> {
    let mut parts = pair.split(|byte| *byte == b':');
    let (Some(name), Some(value), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(BlobError::Pair);
    };
    let decode = |part| base64::decode_unpadded(part).map_err(|error| BlobError::Base64(error.to_string()));
    Ok(Field {
        name: decode(name)?.into(),
        value: decode(value)?.into(),
    })
}

fn append(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    if !out.is_empty() {
        out.push(b';');
    }
    base64::encode_unpadded_into(name, out);
    out.push(b':');
    base64::encode_unpadded_into(value, out);
}

fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    let start = text.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

const CONTENT_LENGTH: &[u8] = b"content-length";

/// What an origin may not say to the edge.
const RESERVED: [&[u8]; 4] = [b":", b"cf-int-", b"cf-cloudflared-", b"cf-proxy-"];

/// Content types whose events may not wait for each other.
const EVENTFUL: [&[u8]; 3] = [b"text/event-stream", b"application/grpc", b"application/x-ndjson"];
