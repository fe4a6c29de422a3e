//! Why a call got no answer, and why a conversation ended.

use std::time::Duration;

use adit_wire::{DecodeError, EncodeError};

/// Why a call did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The edge already has a connection of this index at this address.
    #[error("already connected to this server, trying another address")]
    Duplicate,
    /// The edge refused.
    #[error("{cause}")]
    Refused {
        /// The edge's words.
        cause: String,
        /// What the edge says about trying again.
        retry: Retry,
    },
    /// The peer could not carry the call out.
    #[error("{method}: rpc exception: {reason}")]
    Exception {
        /// The method, in upstream's spelling.
        method: &'static str,
        /// The peer's words.
        reason: String,
    },
    /// The peer offers nothing that could be called.
    #[error("rpc bootstrap:rpc exception: {0}")]
    NoInterface(String),
    /// There was no answer in time.
    #[error("context deadline exceeded")]
    TimedOut,
    /// The stream ended before the answer.
    #[error("rpc: connection closed")]
    Closed,
    /// The peer left before the answer, giving this reason.
    #[error("rpc: aborted by remote: {0}")]
    Aborted(String),
    /// The answer cannot be read.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The call is larger than any peer reads.
    #[error(transparent)]
    TooLarge(#[from] EncodeError),
}

/// What the edge says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It will not help.
    Never,
    /// It may help, after this time at least.
    After(Duration),
}

/// How a conversation ended other than by this side's wish.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The peer left, giving this reason.
    #[error("rpc: aborted by remote: {0}")]
    Aborted(String),
    /// The peer closed its half of the stream.
    #[error("rpc: connection closed")]
    Closed,
    /// The stream broke.
    #[error("stream of calls broke")]
    Broken(#[from] std::io::Error),
    /// The peer sent what is no message.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// The peer broke a rule of the protocol; it was told which.
    #[error("{0}")]
    Misbehaved(Misbehaviour),
    /// A message was larger than any peer reads.
    #[error(transparent)]
    TooLarge(#[from] EncodeError),
}

/// The rules of the protocol that a peer can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// It used the id of a question that is still open.
    #[error("rpc: question ID reused")]
    QuestionReused,
    /// It has more questions open than any edge needs.
    #[error("rpc: too many open questions")]
    TooManyQuestions,
    /// It answered a question that nobody asked.
    #[error("rpc: return for unknown question")]
    UnknownQuestion,
    /// It finished a question that it did not ask.
    #[error("rpc: finish for unknown question")]
    UnknownAnswer,
    /// It gave more references back than it had.
    #[error("rpc: release of unknown reference")]
    UnknownReference,
    /// It answered a bootstrap with something that is no interface.
    #[error("rpc: bootstrap result is not a capability")]
    NoCapability,
}
