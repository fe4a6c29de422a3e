//! Sans-IO. The HTTP meaning of a request's metadata.

use adit_dialect::header::{canonical, is_token};
use adit_dialect::number;
use adit_dialect::quote::quote;
use adit_dialect::url::Url;
use bytes::{Buf, Bytes};

use crate::{ConnectRequest, HeadError, Metadata};

/// The head of an HTTP request, as the metadata of a [`ConnectRequest`] tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    /// The method; `GET` when none was named.
    pub method: Bytes,
    /// The absolute URL, byte for byte.
    pub url: Bytes,
    /// The host the visitor asked for; empty when none was named.
    pub host: Bytes,
    /// The header fields with canonical names, in the order they came.
    pub fields: Vec<Field>,
    /// What `Content-Length` says; zero and absence differ.
    pub content_length: Option<i64>,
    /// Whether `Transfer-Encoding` says `chunked`.
    pub chunked: bool,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: Bytes,
    /// The value, any bytes.
    pub value: Bytes,
}

/// What is known of a request's body from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It has this many bytes.
    Exactly(u64),
    /// There is one of unknown length.
    Unknown,
    /// Nothing was said.
    Undeclared,
}

/// What the metadata of a TCP stream tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpHead {
    /// Opaque id of the flow, for logs.
    pub flow: Bytes,
    /// Trace context.
    pub trace: Bytes,
}

impl HttpHead {
    /// Reads the head of an HTTP request.
    ///
    /// # Errors
    ///
    /// Fails in the words that the edge is told when method, URL, header keys or length are malformed.
    pub fn read(request: ConnectRequest) -> Result<Self, HeadError> {
        let method = last(&request.metadata, METHOD).filter(|method| !method.is_empty());
        let mut head = Self {
            method: method.unwrap_or(Bytes::from_static(b"GET")),
            url: request.destination,
            host: last(&request.metadata, HOST).unwrap_or_default(),
            fields: Vec::with_capacity(request.metadata.len()),
            content_length: None,
            chunked: false,
        };
        check_method(&head.method)?;
        check_url(&head.url)?;
        for pair in request.metadata {
            if let Some(name) = field_name(pair.key)? {
                head.add(canonical(name), pair.value);
            }
        }
        head.content_length = content_length(&head.fields)?;
        Ok(head)
    }

    /// Returns what is known of the body.
    #[must_use]
    pub fn length(&self) -> Length {
        match self.content_length {
            _ if self.chunked => Length::Unknown,
            None => Length::Undeclared,
            Some(length) => u64::try_from(length).map_or(Length::Unknown, Length::Exactly),
        }
    }

    fn add(&mut self, name: Bytes, value: Bytes) {
        if name == UPGRADE {
            return;
        }
        self.chunked |= name == "Transfer-Encoding" && says_chunked(&value);
        self.fields.push(Field { name, value });
    }
}

impl TcpHead {
    /// Reads what the metadata of a TCP stream tells. Of a repeated key the last value counts.
    #[must_use]
    pub fn read(metadata: &[Metadata]) -> Self {
        Self {
            flow: last(metadata, FLOW).unwrap_or_default(),
            trace: last(metadata, TRACE).unwrap_or_default(),
        }
    }
}

/// Returns whether the value of `Transfer-Encoding` asks for chunks, whatever the case of its letters.
#[must_use]
pub fn says_chunked(value: &[u8]) -> bool {
    value
        .windows(CHUNKED.len())
        .any(|part| part.eq_ignore_ascii_case(CHUNKED))
}

/// Returns the name of the header field that a key stands for, if it stands for one.
fn field_name(mut key: Bytes) -> Result<Option<Bytes>, HeadError> {
    if let Some(name) = key.strip_prefix(crate::connect::HEADER.as_bytes())
        && !name.contains(&b':')
    {
        key.advance(crate::connect::HEADER.len());
        return Ok(Some(key));
    }
    // Upstream looks for the word anywhere and insists on one colon.
    if !key.windows(WORD.len()).any(|part| part == WORD) {
        return Ok(None);
    }
    let mut parts = key.split(|byte| *byte == b':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(name), None) => Ok(Some(key.slice_ref(name))),
        _ => Err(HeadError::HeaderKey(String::from_utf8_lossy(&key).into_owned())),
    }
}

fn last(metadata: &[Metadata], key: &str) -> Option<Bytes> {
    let pair = metadata.iter().rev().find(|pair| pair.key == key);
    pair.map(|pair| pair.value.clone())
}

fn check_method(method: &[u8]) -> Result<(), HeadError> {
    if is_token(method) {
        return Ok(());
    }
    Err(HeadError::Method(quote(method)))
}

fn check_url(url: &[u8]) -> Result<(), HeadError> {
    let parsed = Url::parse(url);
    parsed
        .map(drop)
        .map_err(|error| HeadError::Url(error.to_string()))
}

/// Parses `Content-Length` as a signed 64-bit decimal. Only the first one is looked at.
fn content_length(fields: &[Field]) -> Result<Option<i64>, HeadError> {
    let field = fields.iter().find(|field| field.name == "Content-Length");
    let Some(value) = field.map(|field| &field.value).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let length = number::decimal_i64(value);
    length
        .map(Some)
        .map_err(|error| HeadError::ContentLength(error.to_string()))
}

const METHOD: &str = "HttpMethod";
const HOST: &str = "HttpHost";
const FLOW: &str = "FlowID";
const TRACE: &str = "cf-trace-id";
const WORD: &[u8] = b"HttpHeader";
const CHUNKED: &[u8] = b"chunked";

/// The header that tells the connector what to do; it is not for the origin.
const UPGRADE: &str = "Cf-Cloudflared-Proxy-Connection-Upgrade";
