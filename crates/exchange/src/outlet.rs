//! The edge's end of a stream, as the place where reply bytes go.

use std::task::{Context, Poll};

use bytes::Bytes;

/// The sending half of a stream to the edge.
///
/// Each transport implements it once; [`crate::splice`] and the copying of response bodies are
/// written against it.
pub trait Outlet: Send {
    /// Hands over as much of `data` as the transport takes now, without copying, and advances it.
    ///
    /// Ready means that `data` is used up.
    ///
    /// # Errors
    ///
    /// Fails when the edge no longer listens or the connection is gone.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>>;

    /// Says that nothing follows. Reading from the edge goes on.
    ///
    /// # Errors
    ///
    /// Fails when the edge no longer listens or the connection is gone.
    fn finish(&mut self) -> Result<(), OutletError>;

    /// Becomes ready when the edge stops listening before the end. It may never do so.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<OutletError>;
}

/// Why the edge takes no more bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OutletError {
    /// What happened, as logs show it.
    pub message: String,
}

impl OutletError {
    /// Returns an error with this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}
