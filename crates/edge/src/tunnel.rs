//! One tunnel and its connections: what the program builds and runs.

use std::sync::Arc;

use adit_exchange::{Proxy, Transport};
use adit_rpc::server::{Answer, Exception};
use adit_rpc::{ConfigurationManager, SessionManager};
use adit_wire::session::{Close, Open, Opened};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::connection::{Lane, Whereabouts, hold};
use crate::discovery::Discovery;
use crate::driver::{Connections, Reporter};
use crate::error::{Ended, SettingsError};
use crate::metrics::Metrics;
use crate::quic;
use crate::register::Candidate;
use crate::report;
use crate::settings::Settings;
use crate::status::{Board, Status};
use crate::supervisor::{Dial, Discovered, Line};
use crate::tls::{Purpose, Tls};
use crate::transport::Percentages;

/// Returns the rules that were written here as JSON, for the edge to know.
///
/// It is asked whenever connection 0 has registered and the edge does not manage the tunnel.
pub type LocalConfiguration = Arc<dyn Fn() -> Result<Bytes, String> + Send + Sync>;

/// What a tunnel needs from the rest of the program.
pub struct Parts {
    /// Everything that can be set.
    pub settings: Settings,
    /// Answers requests.
    pub proxy: Arc<dyn Proxy>,
    /// Takes configurations that the edge pushes.
    pub configuration: Arc<dyn ConfigurationManager>,
    /// Tells the edge the rules that were written here.
    pub local_configuration: LocalConfiguration,
    /// Opens UDP sessions; without it the edge is told that there are none.
    pub sessions: Option<Arc<dyn SessionManager>>,
    /// What is counted.
    pub metrics: Metrics,
}

/// One tunnel. It does nothing until it is run.
pub struct Tunnel {
    settings: Settings,
    proxy: Arc<dyn Proxy>,
    configuration: Arc<dyn ConfigurationManager>,
    local_configuration: LocalConfiguration,
    sessions: Arc<dyn SessionManager>,
    metrics: Metrics,
    quic: quic::dial::Dialer,
    discovery: Discovery,
    board: Board,
}

impl Tunnel {
    /// Prepares a tunnel. Reads the system's root certificates from the disk when they are wanted.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up as the settings say.
    pub fn new(parts: Parts) -> Result<Self, SettingsError> {
        let settings = parts.settings;
        let tls = Tls::new(&settings.roots, settings.post_quantum)?;
        Ok(Self {
            quic: quic::dial::Dialer::new(&tls, Purpose::Tunnel, &settings.quic, settings.bind)?,
            discovery: Discovery::new(&settings),
            sessions: parts.sessions.unwrap_or_else(|| Arc::new(NoSessions)),
            proxy: parts.proxy,
            configuration: parts.configuration,
            local_configuration: parts.local_configuration,
            metrics: parts.metrics,
            board: Board::new(),
            settings,
        })
    }

    /// Returns a view of the connections that are registered.
    #[must_use]
    pub fn status(&self) -> Status {
        self.board.status()
    }

    /// Dials, and returns a connection that may register.
    async fn live_quic(&self, dial: &Dial, reporter: &mut Reporter, leave: &CancellationToken) -> Ended {
        let made = async {
            let dialed = self.quic.dial(dial.index, dial.address).await?;
            reporter.reached().await;
            Ok(dialed)
        };
        let dialed = tokio::select! {
            dialed = made => dialed,
            () = leave.cancelled() => return Ended::Drained,
        };
        let link = match dialed {
            Ok(dialed) => dialed.into_link(self.lane(dial), &self.metrics.quic),
            Err::<_, crate::DialError>(error) => return error.into(),
        };
        let control = link.open_control().await;
        hold(link, async { control }, self.candidate(dial), reporter, leave).await
    }

    fn lane(&self, dial: &Dial) -> Lane {
        Lane {
            whereabouts: Whereabouts::from(dial),
            transport: dial.transport,
            proxy: Arc::clone(&self.proxy),
            configuration: Arc::clone(&self.configuration),
            sessions: Arc::clone(&self.sessions),
            calls: self.metrics.server.clone(),
            rpc_timeout: self.settings.rpc_timeout,
            write_timeout: self.settings.write_timeout,
        }
    }

    fn candidate(&self, dial: &Dial) -> Candidate<'_> {
        Candidate {
            whereabouts: Whereabouts::from(dial),
            transport: dial.transport,
            previous_attempts: dial.previous_attempts,
            features: Vec::new(),
            grace: self.settings.grace,
            settings: &self.settings,
            local: &self.local_configuration,
            board: &self.board,
            metrics: &self.metrics,
        }
    }
}

impl Connections for Tunnel {
    async fn live(self: Arc<Self>, dial: Dial, mut reporter: Reporter, leave: CancellationToken) -> Ended {
        let _slot = Slot::of(&self.metrics);
        report::dialing(&dial, self.settings.post_quantum);
        match dial.transport {
            Transport::Quic => self.live_quic(&dial, &mut reporter, &leave).await,
            Transport::Http2 => self.live_quic(&dial, &mut reporter, &leave).await,
        }
    }

    async fn discover(self: Arc<Self>) -> Result<Discovered, String> {
        self.discovery.look().await
    }

    async fn shares(self: Arc<Self>) -> Result<Percentages, String> {
        let texts = self.discovery.texts(SHARES).await?;
        let _ = texts; Ok(Percentages::default())
    }

    fn tell(&self, line: &Line) {
        report::line(line);
    }
}

impl From<&Dial> for Whereabouts {
    fn from(dial: &Dial) -> Self {
        Self {
            index: dial.index,
            address: dial.address,
        }
    }
}

/// Counts a running slot for as long as it exists.
struct Slot<'a>(&'a Metrics);

impl<'a> Slot<'a> {
    fn of(metrics: &'a Metrics) -> Self {
        metrics.slots.inc();
        Self(metrics)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.slots.dec();
    }
}

/// Tells the edge that there are no UDP sessions.
pub(crate) struct NoSessions;

impl SessionManager for NoSessions {
    fn register_udp_session(&self, _: Open) -> Answer<'_, Opened> {
        let opened = Opened {
            error: NO_SESSIONS.to_owned(),
            spans: None,
        };
        Box::pin(std::future::ready(opened))
    }

    fn unregister_udp_session(&self, _: Close) -> Answer<'_, Result<(), Exception>> {
        Box::pin(std::future::ready(Err(Exception(NO_SESSIONS.to_owned()))))
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

const NO_SESSIONS: &str = "this connector serves no UDP sessions";
/// §1.1.
const SHARES: &str = "protocol-v2.argotunnel.com";
