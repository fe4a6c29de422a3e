//! The edge's end of both kinds of conversation, for the edge on 127.0.0.1.

use std::future::Future;
use std::time::Duration;

use adit_wire::configuration::{self, Applied, Update};
use adit_wire::registration::{self, LocalConfiguration, Nothing, Register, Registered};
use adit_wire::rpc::Call;
use adit_wire::session::{self, Close, Open, Opened};
use adit_wire::{Intake, preamble};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::nothing;
use crate::conversation::{Caller, Conversation, Dispatch, Dispatched};
use crate::error::{CallError, Ended};
use crate::server::{Answer, Exception, results, unknown, unreadable};

/// Registers the connection that a control stream belongs to.
pub trait RegistrationServer: Send + Sync {
    /// Lets the connection serve a tunnel, or refuses.
    fn register(&self, request: Register) -> Answer<'_, Result<Registered, Exception>>;

    /// Takes note of the configuration that the connector runs with, as JSON.
    fn update_local_configuration(&self, json: Bytes) -> Answer<'_, Result<(), Exception>>;

    /// Sends no new requests to the connection.
    fn unregister(&self) -> Answer<'_, Result<(), Exception>>;
}

/// Answers calls on a control stream until the connector leaves.
///
/// # Errors
///
/// Returns how the conversation ended: [`Ended::Aborted`] when the connector took its leave.
pub async fn serve_registration<R, W>(
    (reader, writer): (R, W),
    server: &dyn RegistrationServer,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let conversation = Conversation::answering(Intake::new(), reader, writer);
    conversation.run(Some(&Registrar(server))).await
}

/// A stream of calls to a connector.
///
/// When the last clone is dropped the conversation takes its leave from the connector and ends.
#[derive(Clone, Debug)]
pub struct Connector(Caller);

/// Begins a conversation on a new stream, signature included.
///
/// The returned future carries it and must run until it ends; only then do calls get answers.
pub fn begin<R, W>(reader: R, writer: W) -> (Connector, impl Future<Output = Result<(), Ended>> + Send)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (caller, conversation) = Conversation::asking(&preamble::RPC, reader, writer);
    (Connector(caller), conversation.run(None))
}

impl Connector {
    /// Pushes a configuration.
    ///
    /// # Errors
    ///
    /// Fails when the call does, and when there is no answer within `limit`.
    pub async fn update_configuration(&self, update: Update, limit: Duration) -> Result<Applied, CallError> {
        let to = (configuration::INTERFACE, configuration::UPDATE);
        let results = self.0.call(to, update, limit).await;
        Ok(Applied::read(&results.map_err(|failure| failure.of(UPDATE))?)?)
    }

    /// Opens a UDP session.
    ///
    /// # Errors
    ///
    /// Fails when the call does, and when there is no answer within `limit`.
    pub async fn register_udp_session(&self, open: Open, limit: Duration) -> Result<Opened, CallError> {
        let to = (session::INTERFACE, session::method::OPEN);
        let results = self.0.call(to, open, limit).await;
        Ok(Opened::read(&results.map_err(|failure| failure.of(OPEN))?)?)
    }

    /// Closes a UDP session.
    ///
    /// # Errors
    ///
    /// Fails when the call does, and when there is no answer within `limit`.
    pub async fn unregister_udp_session(&self, close: Close, limit: Duration) -> Result<(), CallError> {
        let to = (session::INTERFACE, session::method::CLOSE);
        let results = self.0.call(to, close, limit).await;
        nothing(results, CLOSE)
    }
}

pub(crate) struct Registrar<'a>(pub(crate) &'a dyn RegistrationServer);

impl Dispatch for Registrar<'_> {
    fn dispatch(&self, call: Call) -> Dispatched<'_> {
        Box::pin(async move {
            let (registration::INTERFACE, method) = (call.interface, call.method) else {
                return Err(unknown(&call));
            };
            match method {
                registration::method::REGISTER => {
                    let request = Register::read(&call.params).map_err(unreadable)?;
                    results(self.0.register(request).await.map_err(|exception| exception.0)?)
                }
                registration::method::UPDATE_LOCAL_CONFIGURATION => {
                    let LocalConfiguration(json) =
                        LocalConfiguration::read(&call.params).map_err(unreadable)?;
                    let updated = self.0.update_local_configuration(json).await;
                    updated.map_err(|exception| exception.0)?;
                    results(Nothing)
                }
                registration::method::UNREGISTER => {
                    self.0.unregister().await.map_err(|exception| exception.0)?;
                    results(Nothing)
                }
                _ => Err(unknown(&call)),
            }
        })
    }
}

const UPDATE: &str = "tunnelrpc/proto/tunnelrpc.capnp:ConfigurationManager.updateConfiguration";
const OPEN: &str = "tunnelrpc/proto/tunnelrpc.capnp:SessionManager.registerUdpSession";
const CLOSE: &str = "tunnelrpc/proto/tunnelrpc.capnp:SessionManager.unregisterUdpSession";
