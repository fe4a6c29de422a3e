//! Which rule the bytes broke.

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The stream ended where the next value should begin.
    #[error("EOF")]
    Ended,
    /// The stream ended in the middle of a value.
    #[error("unexpected EOF")]
    Truncated,
    /// The stream begins with six bytes that name no kind of stream.
    #[error("unknown signature [{} {} {} {} {} {}]", .0[0], .0[1], .0[2], .0[3], .0[4], .0[5])]
    Signature([u8; 6]),
    /// A message announces more segments than any peer needs.
    #[error("capnp: too many segments to decode")]
    TooManySegments,
    /// A message announces more bytes than any peer needs.
    #[error("capnp: message too large")]
    TooLarge,
    /// A message holds no root pointer.
    #[error("capnp: message without a root")]
    NoRoot,
    /// A pointer leads outside its message.
    #[error("capnp: pointer out of bounds")]
    OutOfBounds,
    /// A far pointer leads to something that is no landing pad.
    #[error("capnp: far pointer without a landing pad")]
    LandingPad,
    /// A message refers to its own bytes so often that reading it would cost more than it weighs.
    #[error("capnp: read limit reached")]
    ReadLimit,
    /// A list has more entries than any peer needs.
    #[error("too many entries: {0}")]
    TooManyEntries(u32),
    /// A session or tunnel id has not 16 bytes.
    #[error("invalid UUID (got {0} bytes)")]
    Uuid(usize),
    /// There is no address where one is due.
    #[error("[] is not valid IP")]
    NoAddress,
    /// A union holds a member that is not known here.
    #[error("unknown result which {0}")]
    UnknownResult(u16),
}

/// A value that no peer would accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message would be larger than a peer reads.
    #[error("message of {0} bytes is too large to send")]
    TooLarge(usize),
}

/// Why the metadata of a request makes no HTTP request. The texts are told to the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The method is no token.
    #[error("net/http: invalid method {0}")]
    Method(String),
    /// The destination is no URL.
    #[error("{0}")]
    Url(String),
    /// A header's key has not exactly one colon.
    #[error("header Key: {0} malformed")]
    HeaderKey(String),
    /// `Content-Length` is no number.
    #[error("Error setting content-length: {0}")]
    ContentLength(String),
}
