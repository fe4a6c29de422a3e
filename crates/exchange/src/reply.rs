//! What answers a request.

use bytes::Bytes;

use crate::{Body, Headers, Io};

/// The answer to a request.
#[derive(Debug)]
pub enum Reply {
    /// An ordinary response. The edge side copies the body out.
    Response(Response),
    /// The origin accepted a two-way stream. The edge side acknowledges, then splices.
    Connected(Connected),
}

/// An ordinary response.
#[derive(Debug)]
pub struct Response {
    /// The status code, as the origin sent it.
    pub status: u16,
    /// The whole status as the origin wrote it, if that is not the usual text for its code.
    pub wording: Option<Bytes>,
    /// The header fields, spelled and ordered as the edge shall see them.
    pub headers: Headers,
    /// The body; trailers travel as its last frame.
    pub body: Body,
}

/// A two-way stream that the origin accepted.
#[derive(Debug)]
pub struct Connected {
    /// Header fields of the `101 Switching Protocols` that acknowledges a WebSocket;
    /// fields of the acknowledgement of a TCP stream.
    pub headers: Headers,
    /// The bytes from the edge: the body of the request, handed back unread.
    pub body: Body,
    /// The origin.
    pub io: Box<dyn Io>,
}
