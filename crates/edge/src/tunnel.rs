//! One tunnel and its connections: what the program builds and runs.

use std::convert::Infallible;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use adit_exchange::{Proxy, Transport};
use adit_rpc::server::{Answer, Exception};
use adit_rpc::{ConfigurationManager, SessionManager};
use adit_wire::session::{Close, Open, Opened};
use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::connection::{Lane, Whereabouts, hold};
use crate::dice::Dice;
use crate::discovery::Discovery;
use crate::driver::{Connections, Driver, Orders, Reporter};
use crate::error::{DialError, Ended, SettingsError};
use crate::features::{Features, Record, Wishes};
use crate::http2::{self, Http2Link};
use crate::metrics::Metrics;
use crate::quic;
use crate::register::Candidate;
use crate::report;
use crate::settings::Settings;
use crate::status::{Board, Status};
use crate::supervisor::{Dial, Discovered, Line, Outcome, Supervisor, Terms};
use crate::tls::{Purpose, Tls};
use crate::transport::Percentages;

/// Returns the rules that were written here as JSON, for the edge to know.
///
/// It is asked whenever connection 0 has registered and the edge does not manage the tunnel, and
/// when a [`Herald`] says that they have changed.
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
#[derive(Debug)]
pub struct Tunnel {
    shared: Arc<Shared>,
    driver: Driver<Shared>,
}

/// Tells a tunnel that the rules which were written here have changed.
#[derive(Clone, Debug)]
pub struct Herald(watch::Sender<()>);

impl Herald {
    /// Lets the edge know the rules that are in force now, if it is told any.
    pub fn rules_changed(&self) {
        self.0.send_replace(());
    }
}

/// What all connections of a tunnel share.
struct Shared {
    settings: Settings,
    proxy: Arc<dyn Proxy>,
    configuration: Arc<dyn ConfigurationManager>,
    local_configuration: LocalConfiguration,
    changes: watch::Sender<()>,
    sessions: Arc<dyn SessionManager>,
    metrics: Metrics,
    quic: quic::dial::Dialer,
    http2: http2::dial::Dialer,
    discovery: Discovery,
    board: Board,
    wishes: Wishes,
    record: Mutex<Record>,
}

impl Tunnel {
    /// Prepares a tunnel. Reads the system's root certificates from the disk when they are wanted.
    ///
    /// # Errors
    ///
    /// Fails when TLS cannot be set up as the settings say.
    pub fn new(parts: Parts) -> Result<Self, SettingsError> {
        let shared = Arc::new(Shared::new(parts)?);
        let terms = Terms::of(&shared.settings);
        let supervisor = Supervisor::new(Instant::now(), terms, Dice::new(fastrand::u64(..)));
        let driver = Driver::new(Arc::clone(&shared), supervisor);
        Ok(Self { shared, driver })
    }

    /// Returns a view of the connections that are registered.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.board.status()
    }

    /// Returns a way to ask something of the tunnel while it runs.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.driver.orders()
    }

    /// Returns a way to say that the rules which were written here have changed.
    #[must_use]
    pub fn herald(&self) -> Herald {
        Herald(self.shared.changes.clone())
    }

    /// Keeps the connections until there is nothing left to do.
    ///
    /// When `drain` is cancelled every connection unregisters, requests in flight are finished
    /// within the grace period, and the future ends as soon as they are. Dropping it ends
    /// everything at once.
    pub async fn run(self, drain: CancellationToken) -> Outcome {
        tokio::select! {
            outcome = self.driver.run(drain) => outcome,
            never = self.shared.refresh_record() => match never {},
        }
    }
}

impl Shared {
    fn new(parts: Parts) -> Result<Self, SettingsError> {
        let settings = parts.settings;
        let tls = Tls::new(&settings.roots, settings.post_quantum)?;
        Ok(Self {
            quic: quic::dial::Dialer::new(&tls, Purpose::Tunnel, &settings.quic, settings.bind)?,
            http2: http2::dial::Dialer::new(tls, Purpose::Tunnel, settings.bind),
            discovery: Discovery::new(&settings),
            sessions: parts.sessions.unwrap_or_else(|| Arc::new(NoSessions)),
            proxy: parts.proxy,
            configuration: parts.configuration,
            local_configuration: parts.local_configuration,
            changes: watch::Sender::default(),
            metrics: parts.metrics,
            board: Board::new(),
            wishes: Wishes {
                named: settings.features.clone(),
                post_quantum: settings.post_quantum,
            },
            record: Mutex::default(),
            settings,
        })
    }

    /// Dials over QUIC and lives what comes of it.
    async fn live_quic(
        &self,
        dial: &Dial,
        candidate: Candidate<'_>,
        reporter: &mut Reporter,
        leave: &CancellationToken,
    ) -> Ended {
        let dialed = async {
            let dialed = self.quic.dial(dial.index, dial.address).await?;
            reporter.reached().await;
            Ok(dialed)
        };
        let dialed = tokio::select! {
            dialed = dialed => dialed,
            () = leave.cancelled() => return Ended::Drained,
        };
        let link = match dialed {
            Ok(dialed) => dialed.into_link(self.lane(dial), &self.metrics.quic),
            Err::<_, DialError>(error) => return error.into(),
        };
        let control = link.open_control().await;
        hold(link, async { control }, candidate, reporter, leave).await
    }

    /// Dials over TCP and lives what comes of it.
    async fn live_http2(
        &self,
        dial: &Dial,
        candidate: Candidate<'_>,
        reporter: &mut Reporter,
        leave: &CancellationToken,
    ) -> Ended {
        let greeted = async {
            let tls = self.http2.dial(dial.address).await?;
            reporter.reached().await;
            let local = tls
                .get_ref()
                .0
                .get_ref()
                .local_addr()
                .map(|address| address.ip())
                .ok();
            let greeted = Http2Link::greet(tls, local, self.lane(dial)).await;
            greeted.map_err(Ended::from)
        };
        let greeted = tokio::select! {
            greeted = greeted => greeted,
            () = leave.cancelled() => return Ended::Drained,
        };
        let (link, opened) = match greeted {
            Ok(greeted) => greeted,
            Err(ended) => return ended,
        };
        let control = async { opened.await.map_err(|_| http2::CLOSED.to_owned()) };
        hold(link, control, candidate, reporter, leave).await
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
        let features = Features::new(&self.wishes, *self.record(), &self.settings.credentials.account);
        Candidate {
            whereabouts: Whereabouts::from(dial),
            transport: dial.transport,
            previous_attempts: dial.previous_attempts,
            features: features.announced,
            settings: &self.settings,
            local: &self.local_configuration,
            changes: &self.changes,
            board: &self.board,
            metrics: &self.metrics,
            sick: watch::Sender::new(false),
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks up the record of features again and again.
    ///
    /// Upstream waits for the first before it dials. Nothing in it is worth the wait: a connection
    /// dialled before announces what every connector can do.
    async fn refresh_record(&self) -> Infallible {
        let mut first = true;
        loop {
            let texts = self.discovery.texts(FEATURES).await;
            let read =
                texts.and_then(|texts| Record::read(first_text(texts)).map_err(|error| error.to_string()));
            match read {
                Ok(record) => *self.record() = record,
                Err(cause) => report::features_unknown(first, &cause),
            }
            first = false;
            tokio::time::sleep(REFRESH).await;
        }
    }
}

impl Connections for Shared {
    async fn live(self: Arc<Self>, dial: Dial, mut reporter: Reporter, leave: CancellationToken) -> Ended {
        let _slot = Slot::of(&self.metrics);
        let candidate = self.candidate(&dial);
        report::options(&dial, &candidate.features);
        report::dialing(&dial, self.settings.post_quantum);
        match dial.transport {
            Transport::Quic => self.live_quic(&dial, candidate, &mut reporter, &leave).await,
            Transport::Http2 => self.live_http2(&dial, candidate, &mut reporter, &leave).await,
        }
    }

    async fn discover(self: Arc<Self>) -> Result<Discovered, String> {
        self.discovery.look().await
    }

    async fn shares(self: Arc<Self>) -> Result<Percentages, String> {
        let texts = self.discovery.texts(SHARES).await?;
        Percentages::read(first_text(texts)).map_err(|error| error.to_string())
    }

    fn tell(&self, line: &Line) {
        report::line(line);
    }
}

/// §13, 13: the strings of the first record, joined.
fn first_text(texts: Vec<Vec<Box<[u8]>>>) -> Vec<u8> {
    texts.into_iter().next().unwrap_or_default().concat()
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

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

const NO_SESSIONS: &str = "this connector serves no UDP sessions";
/// §1.1.
const FEATURES: &str = "cfd-features.argotunnel.com";
const SHARES: &str = "protocol-v2.argotunnel.com";
/// §9: how often the record of features is looked up.
const REFRESH: Duration = Duration::from_secs(3600);
