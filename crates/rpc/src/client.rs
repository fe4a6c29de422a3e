//! What a connector asks of the edge: registering a connection on its control stream.

use std::future::Future;
use std::time::Duration;

use adit_wire::Payload;
use adit_wire::registration::{
    Details, INTERFACE, LocalConfiguration, Nothing, Refused, Register, Registered, method,
};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::conversation::{Caller, Conversation};
use crate::error::{CallError, Ended, Retry};
use crate::vat::Failure;

/// A control stream, as its connection uses it.
///
/// When the last clone is dropped the conversation takes its leave from the edge and ends.
#[derive(Clone, Debug)]
pub struct Registration(Caller);

/// Begins the conversation on a control stream.
///
/// The returned future carries it and must run until it ends; only then do calls get answers. It
/// writes at once, because the edge sees a stream only when bytes arrive on it.
pub fn begin<R, W>(reader: R, writer: W) -> (Registration, impl Future<Output = Result<(), Ended>> + Send)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (caller, conversation) = Conversation::asking(&[], reader, writer);
    (Registration(caller), conversation.run(None))
}

impl Registration {
    /// Asks the edge to let this connection serve a tunnel.
    ///
    /// # Errors
    ///
    /// Fails when the edge refuses, and when there is no answer within `limit`.
    pub async fn register(&self, request: Register, limit: Duration) -> Result<Details, CallError> {
        let results = self.0.call((INTERFACE, method::REGISTER), request, limit).await;
        registered(results)
    }

    /// Tells the edge which configuration the connector runs with, as JSON.
    ///
    /// # Errors
    ///
    /// Fails when the edge does, and when there is no answer within `limit`.
    pub async fn update_local_configuration(&self, json: Bytes, limit: Duration) -> Result<(), CallError> {
        let to = (INTERFACE, method::UPDATE_LOCAL_CONFIGURATION);
        let results = self.0.call(to, LocalConfiguration(json), limit).await;
        nothing(results, UPDATE_LOCAL_CONFIGURATION)
    }

    /// Tells the edge that this connection takes no new requests.
    ///
    /// # Errors
    ///
    /// Fails when the edge does, and when there is no answer within `limit`.
    pub async fn unregister(&self, limit: Duration) -> Result<(), CallError> {
        let results = self.0.call((INTERFACE, method::UNREGISTER), Nothing, limit).await;
        nothing(results, UNREGISTER)
    }
}

/// Returns what the answer to a registration means.
pub(crate) fn registered(results: Result<Payload, Failure>) -> Result<Details, CallError> {
    let results = results.map_err(|failure| failure.of(REGISTER))?;
    match Registered::read(&results)? {
        Registered::Accepted(details) => Ok(details),
        Registered::Refused(refused) => Err(refusal(refused)),
    }
}

/// Returns what the answer to a call without results means.
pub(crate) fn nothing(results: Result<Payload, Failure>, method: &'static str) -> Result<(), CallError> {
    results.map(drop).map_err(|failure| failure.of(method))
}

fn refusal(refused: Refused) -> CallError {
    let retry = match refused.retry {
        true => Retry::After(refused.after),
        false if refused.cause == DUPLICATE => return CallError::Duplicate,
        false => Retry::Never,
    };
    CallError::Refused {
        cause: refused.cause,
        retry,
    }
}

impl Failure {
    /// Names the method that failed.
    pub(crate) fn of(self, method: &'static str) -> CallError {
        match self {
            Self::Exception(reason) => CallError::Exception { method, reason },
            Self::Unanswered(error) => error,
        }
    }
}

/// The cause that means that the edge already has this connection.
const DUPLICATE: &str = "EDUPCONN";

const REGISTER: &str = "tunnelrpc/proto/tunnelrpc.capnp:RegistrationServer.registerConnection";
pub(crate) const UNREGISTER: &str = "tunnelrpc/proto/tunnelrpc.capnp:RegistrationServer.unregisterConnection";
pub(crate) const UPDATE_LOCAL_CONFIGURATION: &str =
    "tunnelrpc/proto/tunnelrpc.capnp:RegistrationServer.updateLocalConfiguration";
