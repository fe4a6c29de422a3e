//! What a visitor asks for, before it is put into the terms of a transport.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt, Empty, Full};

use crate::error::StreamError;

/// A request of a visitor.
#[derive(Debug)]
pub struct Request {
    /// What it is, and with that where it goes.
    pub target: Target,
    /// The header fields, in order.
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body.
    pub body: Body,
}

/// What a request is and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An HTTP request.
    Http(Url),
    /// A WebSocket.
    WebSocket(Url),
    /// A TCP stream.
    Tcp {
        /// `host:port`.
        destination: String,
        /// An opaque id of the flow.
        flow: String,
    },
}

/// The method and the parts of the address of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: String,
    /// The host, with the port if it is not the scheme's own.
    pub host: String,
    /// The path and the query.
    pub path: String,
}

/// The body of a request.
pub struct Body(Pin<Box<dyn http_body::Body<Data = Bytes, Error = StreamError> + Send>>);

impl Request {
    /// Returns a request without body. An address without scheme or path means `https` and `/`.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        Self::to(Target::Http(Url::new(method, url)))
    }

    /// Returns a `GET` request.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// Returns a `POST` request with a body that is there already and declares its length.
    #[must_use]
    pub fn post(url: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", url).full(body)
    }

    /// Returns a request for a WebSocket, with the header fields of a handshake.
    #[must_use]
    pub fn websocket(url: &str) -> Self {
        Self::to(Target::WebSocket(Url::new("GET", url)))
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Returns a request for a TCP stream to `host:port`.
    #[must_use]
    pub fn tcp(destination: &str) -> Self {
        Self::to(Target::Tcp {
            destination: destination.to_owned(),
            flow: String::new(),
        })
    }

    pub(crate) fn to(target: Target) -> Self {
        Self {
            target,
            headers: Vec::new(),
            body: Body::none(),
        }
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Gives it a body whose length it declares.
    #[must_use]
    pub fn full(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        self.header("Content-Length", length).body(Full::new(body))
    }

    /// Gives it a body of unknown length, declared as such.
    #[must_use]
    pub fn chunked<B>(self, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        self.header("Transfer-Encoding", "chunked").body(body)
    }

    /// Gives it a body without saying anything about it in the header fields.
    #[must_use]
    pub fn body<B>(mut self, body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        self.body = Body::new(body);
        self
    }

    /// Returns the value of a header field.
    pub(crate) fn value(&self, name: &str) -> Option<&Bytes> {
        let field = |field: &&(Bytes, Bytes)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.headers.iter().find(field).map(|(_, value)| value)
    }
}

/// What a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HTTP request.
    Http,
    /// A WebSocket.
    WebSocket,
    /// A TCP stream.
    Tcp,
}

impl Target {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Http(_) => Kind::Http,
            Self::WebSocket(_) => Kind::WebSocket,
            Self::Tcp { .. } => Kind::Tcp,
        }
    }
}

impl Url {
    /// Takes an address apart.
    #[must_use]
    pub fn new(method: &str, url: &str) -> Self {
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(path_at);
        let slash = if path.starts_with('/') { "" } else { "/" };
        Self {
            method: method.to_owned(),
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            path: format!("{slash}{path}"),
        }
    }

    /// Puts the address together again.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }
}

impl Body {
    /// Returns a body without a byte.
    #[must_use]
    pub fn none() -> Self {
        // A boxed value without size needs no allocation.
        Self(Box::pin(Empty::new().map_err(|never| match never {})))
    }

    /// Returns a body that arrives while it is sent.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let body = body.map_err(|error| StreamError::Visitor(error.to_string()));
        Self(Box::pin(body))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_end_stream()
    }

    pub(crate) async fn frame(&mut self) -> Option<Result<http_body::Frame<Bytes>, StreamError>> {
        self.0.frame().await
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::none()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_over() { "Body(over)" } else { "Body" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_apart() {
        let cases = [
            ("http://a.b/c?d", "http", "a.b", "/c?d"),
            ("a.b", "https", "a.b", "/"),
            ("https://a.b:1?x", "https", "a.b:1", "/?x"),
        ];
        for (url, scheme, host, path) in cases {
            let parts = Url::new("GET", url);
            assert_eq!((&*parts.scheme, &*parts.host, &*parts.path), (scheme, host, path));
        }
    }
}
