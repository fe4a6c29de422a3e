//! What the edge asks of a connector, on the streams of calls that it opens.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use adit_wire::configuration::{self, Applied, Update};
use adit_wire::registration::Nothing;
use adit_wire::rpc::Call;
use adit_wire::session::{self, Close, Open, Opened};
use adit_wire::{Content, DecodeError, Intake};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::conversation::{Conversation, Dispatch, Dispatched};
use crate::error::Ended;

/// What the methods of the traits here return.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a call fails, in the words that its caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception(pub String);

/// Opens and closes UDP sessions.
pub trait SessionManager: Send + Sync {
    /// Opens a session. Its failure is part of the answer.
    fn register_udp_session(&self, open: Open) -> Answer<'_, Opened>;

    /// Closes a session.
    fn unregister_udp_session(&self, close: Close) -> Answer<'_, Result<(), Exception>>;
}

/// Takes configurations.
pub trait ConfigurationManager: Send + Sync {
    /// Puts a configuration in force. Its failure is part of the answer.
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied>;
}

/// What a connector lets the edge call.
#[derive(Clone, Copy)]
pub struct Exports<'a> {
    /// UDP sessions.
    pub sessions: &'a dyn SessionManager,
    /// Configurations.
    pub configuration: &'a dyn ConfigurationManager,
}

/// Answers calls on one stream whose signature has been read, for at most `limit`.
///
/// `intake` holds what arrived behind the signature. The limit is for the whole stream, not for
/// each call; when it has passed this side takes its leave.
///
/// # Errors
///
/// Fails when the stream does or the edge breaks a rule. That the edge leaves is no failure.
pub async fn serve<R, W>(
    intake: Intake,
    (reader, writer): (R, W),
    exports: Exports<'_>,
    limit: Duration,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let conversation = Conversation::answering(intake, reader, writer);
    match conversation.run_within(&exports, limit).await {
        Ok(()) | Err(Ended::Aborted(_) | Ended::Closed) => Ok(()),
        Err(error) => Err(error),
    }
}

impl Dispatch for Exports<'_> {
    fn dispatch(&self, call: Call) -> Dispatched<'_> {
        Box::pin(async move {
            match (call.interface, call.method) {
                (configuration::INTERFACE, configuration::UPDATE) => {
                    let update = Update::read(&call.params).map_err(unreadable)?;
                    results(self.configuration.update_configuration(update).await)
                }
                (session::INTERFACE, session::method::OPEN) => {
                    let open = Open::read(&call.params).map_err(unreadable)?;
                    results(self.sessions.register_udp_session(open).await)
                }
                (session::INTERFACE, session::method::CLOSE) => {
                    let close = Close::read(&call.params).map_err(unreadable)?;
                    let closed = self.sessions.unregister_udp_session(close).await;
                    closed.map_err(|exception| exception.0)?;
                    results(Nothing)
                }
                _ => Err(unknown(&call)),
            }
        })
    }
}

impl std::fmt::Debug for Exports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exports")
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is the tail of functions that may fail"
)]
pub(crate) fn results(results: impl Content + 'static) -> Result<Box<dyn Content>, String> {
    Ok(Box::new(results))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
pub(crate) fn unreadable(error: DecodeError) -> String {
    error.to_string()
}

/// Returns the reason why a call of an unknown method fails.
pub(crate) fn unknown(call: &Call) -> String {
    let Call {
        interface, method, ..
    } = call;
    format!("@0x{interface:016x}.@{method}: capnp: method not implemented")
}
