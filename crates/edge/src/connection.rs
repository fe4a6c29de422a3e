//! The life of one connection: dial, wait to be admitted, register, serve, leave.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use adit_exchange::{Arrival, Proxy, Transport};
use adit_rpc::{ConfigurationManager, Exports, Registration, SessionManager};
use adit_wire::Intake;
use adit_wire::configuration::{Applied, Update};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::driver::Reporter;
use crate::error::Ended;
use crate::metrics::Calls;
use crate::pulse::{Pulse, watch};
use crate::register::{self, Candidate};
use crate::report;

/// What the streams of one connection need.
pub(crate) struct Lane {
    /// Which connection it is, for log lines.
    pub(crate) whereabouts: Whereabouts,
    /// What carries it.
    pub(crate) transport: Transport,
    /// Answers requests.
    pub(crate) proxy: Arc<dyn Proxy>,
    /// Takes configurations.
    pub(crate) configuration: Arc<dyn ConfigurationManager>,
    /// Opens UDP sessions.
    pub(crate) sessions: Arc<dyn SessionManager>,
    /// Counts calls of the edge.
    pub(crate) calls: Calls,
    /// The longest a stream of calls may last.
    pub(crate) rpc_timeout: Duration,
    /// The longest the edge may take to accept a chunk.
    pub(crate) write_timeout: Option<Duration>,
}

/// Which connection a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) index: u8,
    pub(crate) address: SocketAddr,
}

/// A connection that has been made, on either transport.
pub(crate) trait Link: Send {
    /// Serves streams until the connection ends. It may be dropped and called again.
    fn serve(&mut self) -> impl Future<Output = Lost> + Send;

    /// Serves the streams that are there and those still on their way, and returns when all have
    /// ended or the connection has.
    fn drain(&mut self) -> impl Future<Output = ()> + Send;

    /// Returns a view of what is heard of the edge.
    fn pulse(&self) -> Pulse;

    /// Returns this side's address.
    fn local_ip(&self) -> Option<IpAddr>;

    /// Closes the connection and tells the edge.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// How an established connection broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// What happened.
    pub(crate) cause: String,
    /// Whether the edge went silent.
    pub(crate) silent: bool,
}

/// Lives a connection that has been made and admitted.
///
/// `control` brings the two halves of the control stream, once there is one.
pub(crate) async fn hold<L: Link, R, W>(
    mut link: L,
    control: impl Future<Output = Result<(R, W), String>> + Send,
    candidate: Candidate<'_>,
    reporter: &Reporter,
    leave: &CancellationToken,
) -> Ended
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let ended = match open(&mut link, control, leave).await {
        Ok((reader, writer)) => {
            let (registration, conversation) = adit_rpc::client::begin(reader, writer);
            let mut talk = Talk(Some(Box::pin(conversation)));
            let ended = tokio::select! {
                ended = serve(&mut link, registration, candidate, reporter, leave) => ended,
                never = talk.carry() => match never {},
            };
            talk.farewell(ended).await
        }
        Err(ended) => ended,
    };
    link.close().await;
    ended
}

/// Waits for the control stream.
async fn open<L: Link, C>(
    link: &mut L,
    control: impl Future<Output = Result<C, String>> + Send,
    leave: &CancellationToken,
) -> Result<C, Ended> {
    let opened = tokio::select! {
        opened = tokio::time::timeout(CONTROL, control) => opened,
        lost = link.serve() => return Err(lost.into()),
        () = leave.cancelled() => return Err(Ended::Drained),
    };
    match opened {
        Ok(Ok(control)) => Ok(control),
        Ok(Err(cause)) => Err(Ended::Lost { cause, silent: false }),
        Err(_elapsed) => Err(Ended::Lost {
            cause: NO_CONTROL.to_owned(),
            silent: true,
        }),
    }
}

/// Registers and serves until asked to leave; then unregisters, and finishes what there is.
async fn serve<L: Link>(
    link: &mut L,
    registration: Registration,
    candidate: Candidate<'_>,
    reporter: &Reporter,
    leave: &CancellationToken,
) -> Ended {
    let grace = candidate.settings.grace;
    let local = link.local_ip();
    let mut sickness = pin!(watch(link.pulse(), reporter, &candidate.sick, leave));
    let ended = tokio::select! {
        ended = register::keep(&registration, &candidate, local, reporter, leave) => ended,
        lost = link.serve() => lost.into(),
        lost = &mut sickness => lost.into(),
    };
    if ended == Ended::Drained {
        tokio::select! {
            _over = tokio::time::timeout(grace, link.drain()) => {}
            _lost = &mut sickness => {}
        }
    }
    ended
}

/// The conversation on the control stream.
///
/// What the edge does with it once a connection is registered is its own affair: that it ends
/// changes nothing.
struct Talk<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = Result<(), adit_rpc::Ended>>> Talk<F> {
    /// Carries the conversation for as long as it is wanted.
    async fn carry(&mut self) -> Infallible {
        if let Some(conversation) = &mut self.0 {
            if let Err(error) = conversation.await {
                tracing::debug!(%error, "the conversation on the control stream ended");
            }
            self.0 = None;
        }
        std::future::pending().await
    }

    /// Says the last words, unless nobody hears them, and listens to the edge's.
    async fn farewell(self, ended: Ended) -> Ended {
        let Some(conversation) = self.0.filter(|_| !matches!(ended, Ended::Lost { .. })) else {
            return ended;
        };
        let said = tokio::time::timeout(FAREWELL, conversation).await;
        match (ended, said) {
            // The edge's reason says more than that it closed the stream.
            (Ended::Deferred { cause, after }, Ok(Err(adit_rpc::Ended::Aborted(reason)))) => {
                Ended::Deferred {
                    cause: format!("{cause}: {reason}"),
                    after,
                }
            }
            (ended, _) => ended,
        }
    }
}

impl Lane {
    /// Adds how a request came in.
    pub(crate) fn arrival(&self, arrival: Arrival) -> Arrival {
        Arrival {
            connection: self.whereabouts.index,
            transport: self.transport,
            ..arrival
        }
    }

    /// Answers the edge's calls on a stream whose signature has been read.
    pub(crate) async fn answer_calls<R, W>(&self, intake: Intake, reader: R, writer: W)
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        let configuration = Counted(self);
        let exports = Exports {
            sessions: &*self.sessions,
            configuration: &configuration,
        };
        let answered = adit_rpc::serve(intake, (reader, writer), exports, self.rpc_timeout).await;
        if let Err(error) = answered {
            report::stream_failed(&self.whereabouts, &error.to_string());
        }
    }

    /// Puts a configuration in force and counts that.
    pub(crate) async fn update_configuration(&self, update: Update) -> Applied {
        let begun = tokio::time::Instant::now();
        let applied = self.configuration.update_configuration(update).await;
        let succeeded = applied.error.is_empty();
        self.calls.count(UPDATE, begun.elapsed(), succeeded);
        applied
    }
}

/// Counts what passes through.
struct Counted<'a>(&'a Lane);

impl ConfigurationManager for Counted<'_> {
    fn update_configuration(&self, update: Update) -> adit_rpc::server::Answer<'_, Applied> {
        Box::pin(self.0.update_configuration(update))
    }
}

impl From<Lost> for Ended {
    fn from(lost: Lost) -> Self {
        Self::Lost {
            cause: lost.cause,
            silent: lost.silent,
        }
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("whereabouts", &self.whereabouts)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// Handler and method of a pushed configuration, as its metrics are labelled.
const UPDATE: [&str; 2] = ["config", "update_configuration"];
/// §5.1: ten seconds for the edge's preface and two for its settings; QUIC needs none of it.
const CONTROL: Duration = Duration::from_secs(12);
const NO_CONTROL: &str = "failed to open a registration control stream";
/// For the last words on the control stream.
const FAREWELL: Duration = Duration::from_secs(1);
