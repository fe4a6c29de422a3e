//! One request as the edge sent it, in terms no transport shows through.

use bytes::Bytes;

use crate::{Body, Headers};

/// A request from a visitor.
#[derive(Debug)]
pub struct Request {
    /// What the edge wants done with it.
    pub kind: Kind,
    /// The request method; `GET` when the edge named none. Empty for [`Kind::Tcp`].
    pub method: Bytes,
    /// Where it goes, byte for byte as the edge wrote it: an absolute URL or a path with query for
    /// HTTP and WebSocket, `host:port` for [`Kind::Tcp`].
    pub destination: Bytes,
    /// The host the visitor asked for; empty when the edge named none.
    pub host: Bytes,
    /// The header fields in the order they arrived.
    pub headers: Headers,
    /// What the edge said about the length of the body.
    pub framing: Framing,
    /// The bytes that follow, in the direction of the origin.
    pub body: Body,
    /// How the request came in, for logs and metrics.
    pub arrival: Arrival,
}

/// What the edge wants done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An HTTP request.
    Http,
    /// An HTTP request that upgrades to a WebSocket.
    WebSocket,
    /// A TCP stream to an address in a private network.
    Tcp,
}

/// What is known of a request body before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: the edge ended the stream together with the request head.
    Ended,
    /// It has this many bytes, as declared by `Content-Length`. Zero means no body.
    Length(u64),
    /// It has an unknown length and ends with the stream.
    Streamed,
    /// Nothing was declared. The stream may carry a body, end at once, or stay open silently.
    Undeclared,
}

/// How a request came in.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// Index of the connection that carried it.
    pub connection: u8,
    /// The transport that carried it, as it is shown in logs.
    pub transport: Transport,
    /// Opaque flow id that the edge gave a private TCP stream.
    pub flow: Bytes,
    /// Trace context that came beside the request of a private TCP stream.
    pub trace: Bytes,
}

/// The transports between connector and edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// QUIC.
    #[default]
    Quic,
    /// HTTP/2 over TLS over TCP.
    Http2,
}

impl Transport {
    /// Returns the name that users write and logs show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Http2 => "http2",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
