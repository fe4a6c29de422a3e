//! The running connector: its parts, their tasks, and the order in which they end.

use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use adit_admin::{Build, Desk, Facts, Feed, Host, Management, Server};
use adit_config::Rules;
use adit_config::overrides::ConfigurationFlags;
use adit_edge::supervisor::Outcome;
use adit_edge::{Parts, Status, Tunnel};
use adit_ingress::Ingress;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcement;
use crate::caveats;
use crate::failure::Failure;
use crate::program::{BUILT, COMPILER, VERSION};
use crate::reload::Reload;
use crate::remote::Remote;
use crate::reserved::Reserved;
use crate::signals::{Signals, Wish};
use crate::stdin;
use crate::witness::Observer;

/// Everything that a connector needs, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The edge side.
    pub(crate) edge: adit_edge::Settings,
    /// The origin side.
    pub(crate) ingress: adit_ingress::Settings,
    /// The rules of this machine; nothing where they come from the edge alone.
    pub(crate) rules: Rules,
    /// The flags that the edge is told about and that outrank its configuration.
    pub(crate) flags: ConfigurationFlags,
    /// Where the metrics server listens.
    pub(crate) metrics: TcpListener,
    /// What diagnostics tell.
    pub(crate) facts: Facts,
    /// The file that gets the process id.
    pub(crate) pid_file: Option<PathBuf>,
    /// The socket of the service manager.
    pub(crate) notify: Option<String>,
    /// How often the service manager wants a sign of life.
    pub(crate) watchdog: Option<Duration>,
    /// What reads the configuration again.
    pub(crate) reload: Reload,
    /// What the dashboard may ask.
    pub(crate) remote: Surface,
    /// Whether to find out at start what stands in the way of a tunnel.
    pub(crate) prechecks: bool,
    /// Whether standard input gives orders.
    pub(crate) stdin: bool,
}

/// What the dashboard may ask of a connector, through the tunnel.
#[derive(Debug)]
pub(crate) struct Surface {
    /// The host under which it asks.
    pub(crate) host: String,
    /// Who answers.
    pub(crate) connector: Host,
    /// Whether it gets metrics and profiles.
    pub(crate) diagnostics: bool,
    /// The live log.
    pub(crate) feed: Arc<Feed>,
}

/// The parts of a connector, joined.
pub(crate) struct App {
    tunnel: Tunnel,
    status: Status,
    admin: Server,
    ingress: Arc<Ingress>,
    announcement: Announcement,
    reload: Reload,
    /// The settings to check with, if that is wanted.
    prechecks: Option<adit_edge::Settings>,
    stdin: bool,
    grace: Duration,
    /// Asks everything to finish.
    leave: CancellationToken,
}

impl App {
    /// Builds the parts and joins them.
    ///
    /// # Errors
    ///
    /// Fails when one of them cannot be built.
    pub(crate) fn new(plan: Plan) -> Result<Self, Failure> {
        let registry = Registry::new();
        let build = Build {
            version: VERSION.into(),
            compiler: COMPILER.into(),
            time: BUILT.into(),
        };
        build.register(&registry).map_err(Failure::of_error)?;
        adit_admin::count_quick_host(&plan.facts.quick_host, &registry).map_err(Failure::of_error)?;
        let leave = CancellationToken::new();
        let grace = plan.edge.grace;

        let metrics = adit_ingress::Metrics::new(&registry).map_err(Failure::of_error)?;
        let ingress = Ingress::new(plan.ingress, metrics);
        let ingress = Arc::new(ingress.with_write_limit(plan.edge.write_timeout));
        let remote = Arc::new(Remote::new(Arc::clone(&ingress), plan.flags, &registry)?);
        remote.start(plan.rules)?;
        let edge_metrics = adit_edge::Metrics::new(&registry).map_err(Failure::of_error)?;
        let observer = Arc::new(Observer::new(Arc::clone(&ingress), leave.clone()));
        let desk = Desk::new(plan.facts, Arc::clone(&observer) as _, registry);
        let admin = Server::new(plan.metrics, desk.clone()).map_err(Failure::of_error)?;
        let Surface {
            host,
            connector,
            diagnostics,
            feed,
        } = plan.remote;
        let proxy = Reserved {
            host,
            management: Management::new(desk, feed, connector, diagnostics),
            others: Arc::clone(&ingress),
        };
        let prechecks = plan.prechecks.then(|| plan.edge.clone());
        let tunnel = Tunnel::new(Parts {
            settings: plan.edge,
            proxy: Arc::new(proxy),
            configuration: Arc::clone(&remote) as _,
            local_configuration: remote.local_configuration(),
            sessions: None,
            metrics: edge_metrics,
        })
        .map_err(Failure::of_error)?;
        let status = tunnel.status();
        observer.watch(status.clone());
        Ok(Self {
            tunnel,
            announcement: Announcement {
                pid_file: plan.pid_file,
                notify: plan.notify,
                watchdog: plan.watchdog,
            },
            ingress,
            reload: plan.reload,
            prechecks,
            stdin: plan.stdin,
            status,
            admin,
            grace,
            leave,
        })
    }

    /// Returns a view of the registered connections.
    pub(crate) fn status(&self) -> Status {
        self.status.clone()
    }

    /// Returns the token that asks the connector to leave.
    pub(crate) fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }

    /// Runs until a signal, until somebody asks it to leave, or until the tunnel fails.
    ///
    /// # Errors
    ///
    /// Fails when the tunnel does.
    pub(crate) async fn run(self, mut signals: Signals) -> Result<(), Failure> {
        let Self {
            tunnel,
            admin,
            leave,
            ingress,
            mut reload,
            ..
        } = self;
        let close = CancellationToken::new();
        tracing::info!("Starting metrics server on {}/metrics", admin.address());
        let mut tasks = JoinSet::new();
        tasks.spawn(admin.run(close.clone()));
        let announced = self.announcement.clone();
        let mut announcing = JoinSet::new();
        announcing.spawn(announced.when_ready(self.status.clone()));
        announcing.spawn(caveats::watch(self.status.clone(), Arc::clone(&ingress)));
        if self.stdin {
            announcing.spawn(stdin::obey(tunnel.orders()));
        }
        if let Some(settings) = self.prechecks {
            announcing.spawn(async move { check(&settings).await });
        }

        let herald = tunnel.herald();
        let mut running = pin!(tunnel.run(leave.clone()));
        let mut looks = tokio::time::interval(LOOK);
        let early = loop {
            tokio::select! {
                ended = &mut running => break Some(ended),
                wish = signals.next() => match wish {
                    Wish::End(signal) => {
                        tracing::info!("Initiating graceful shutdown due to signal {} ...", signal.name());
                        break None;
                    }
                    Wish::Reload => self.announcement.reloading(|| reload.now(&ingress, &herald)),
                },
                _ = looks.tick(), if reload.is_watching() => {
                    if reload.has_changed() {
                        self.announcement.reloading(|| reload.now(&ingress, &herald));
                    }
                }
                () = leave.cancelled() => break None,
            }
        };

        // From here on every line is a step of the end, in this order.
        if let Some(Outcome::Rejected { cause } | Outcome::NotFound { cause }) = &early {
            tracing::error!(error = cause.as_str(), "Initiating shutdown");
        }
        leave.cancel();
        tracing::debug!("Graceful shutdown signalled");
        self.announcement.stopping();
        let ended = match early {
            Some(ended) => Some(ended),
            None => tokio::select! {
                ended = timeout(self.grace + MARGIN, &mut running) => ended.ok(),
                signal = signals.end() => {
                    signal.die();
                    None
                }
            },
        };
        drop(announcing);
        tracing::info!("Tunnel server stopped");
        close.cancel();
        while tasks.join_next().await.is_some() {}
        tracing::info!("Metrics server stopped");
        match ended {
            Some(Outcome::Rejected { cause } | Outcome::NotFound { cause }) => Err(Failure::new(cause)),
            Some(Outcome::Drained) | None => Ok(()),
        }
    }
}

/// Finds out what stands in the way of a tunnel, and tells.
async fn check(settings: &adit_edge::Settings) {
    if adit_edge::prechecks::unwanted(settings).await {
        return;
    }
    match adit_edge::prechecks::run(settings).await {
        Ok(report) => report.tell(),
        Err(error) => tracing::debug!(%error, "the connection is not checked beforehand"),
    }
}

/// How often a watched file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the tunnel gets beyond the grace period to take its leave.
const MARGIN: Duration = Duration::from_secs(1);
