//! Finds out what works between this host and the edge: names, QUIC, HTTP/2, the interface for updates.
//!
//! Everything runs side by side, both families too, so that packets which vanish into one of them
//! take no time from the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use adit_exchange::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::{API, Reach, Report, Row, Target, candidates, labels};
use crate::discovery::Discovery;
use crate::error::SettingsError;
use crate::features;
use crate::settings::{Family, Settings, Source};
use crate::supervisor::Routes;
use crate::tls::{Purpose, Tls};
use crate::{http2, quic};

/// Returns whether the edge's record of features says to leave the checks out.
pub async fn unwanted(settings: &Settings) -> bool {
    let texts = Discovery::new(settings).texts(features::RECORD).await;
    let first = texts.ok().and_then(|texts| texts.into_iter().next());
    let record = first.and_then(|strings| features::Record::read(strings.concat()).ok());
    record.is_some_and(|record| record.skip_prechecks)
}

/// Checks everything, within ten seconds.
///
/// # Errors
///
/// Fails when TLS cannot be set up as the settings say.
pub async fn run(settings: &Settings) -> Result<Report, SettingsError> {
    let probe = Arc::new(Probe::new(settings)?);
    let deadline = Instant::now() + BUDGET;
    let (api, found) = tokio::join!(probe.api(deadline), probe.edge(settings, deadline));
    Ok(Report::new(Uuid::new_v4(), settings.protocol, &found, api))
}

impl Report {
    /// Writes the report to the log: the box for people, a line for each row for scripts.
    pub fn tell(&self) {
        for line in self.table() {
            tracing::info!("{line}");
        }
        for row in &self.rows {
            self.tell_row(row);
        }
        tracing::info!(
            run_id = %self.run,
            hard_fail = self.verdict() == super::Verdict::HardFail,
            suggested_protocol = self.suggested().map(Transport::name),
            "precheck complete"
        );
    }

    fn tell_row(&self, row: &Row) {
        tracing::info!(
            run_id = %self.run,
            component = row.component.name(),
            target = row.target.as_str(),
            status = row.status.name(),
            details = row.details.as_str(),
            "precheck"
        );
    }
}

struct Probe {
    quic: quic::dial::Dialer,
    http2: http2::dial::Dialer,
    discovery: Discovery,
    family: Family,
    /// A dialer remembers the port of each index; a probe comes from any.
    next_index: AtomicU8,
}

impl Probe {
    fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let tls = Tls::new(&settings.roots, settings.post_quantum)?;
        Ok(Self {
            quic: quic::dial::Dialer::new(&tls, Purpose::Probe, &settings.quic, None)?,
            http2: http2::dial::Dialer::new(tls, Purpose::Probe, None),
            discovery: Discovery::new(settings).quiet(),
            family: match settings.source {
                Source::Discovered { .. } => settings.family,
                Source::Fixed(_) => Family::Auto,
            },
            next_index: AtomicU8::new(0),
        })
    }

    /// Looks for the edge and dials what is found.
    async fn edge(self: &Arc<Self>, settings: &Settings, deadline: Instant) -> Vec<(Target, Reach, Reach)> {
        let mut dials = JoinSet::new();
        let targets = self.targets(settings, deadline).await;
        let mut found: Vec<_> = targets
            .into_iter()
            .enumerate()
            .map(|(position, (target, routes))| {
                let addresses = target.addresses.as_deref().unwrap_or_default();
                let chosen = candidates(addresses, self.family, routes);
                let reach = match (addresses.is_empty(), chosen.is_empty()) {
                    (true, _) => Reach::NoAddress,
                    (false, true) => Reach::NoFamily,
                    (false, false) => Reach::Unreached,
                };
                for address in chosen {
                    for transport in [Transport::Quic, Transport::Http2] {
                        let probe = Arc::clone(self);
                        dials.spawn(
                            async move { (position, transport, probe.reaches(transport, address).await) },
                        );
                    }
                }
                (target, reach, reach)
            })
            .collect();
        while let Ok(Some(Ok((position, transport, reached)))) = timeout_at(deadline, dials.join_next()).await
        {
            let Some((_, quic, http2)) = found.get_mut(position).filter(|_| reached) else {
                continue;
            };
            match transport {
                Transport::Quic => *quic = Reach::Reached,
                Transport::Http2 => *http2 = Reach::Reached,
            }
        }
        found
    }

    /// Returns the places to dial: the two regions, or each address that the user gave.
    async fn targets(&self, settings: &Settings, deadline: Instant) -> Vec<(Target, Routes)> {
        let Source::Fixed(edges) = &settings.source else {
            return self.regions(settings, deadline).await;
        };
        let mut targets = Vec::new();
        for edge in edges {
            let one = Settings {
                source: Source::Fixed(vec![edge.clone()]),
                ..settings.clone()
            };
            let look = Discovery::new(&one).quiet();
            let found = timeout_at(deadline, look.look())
                .await
                .unwrap_or_else(|_elapsed| Err(LATE.to_owned()));
            let routes = found.as_ref().map(|found| found.routes).unwrap_or_default();
            let target = Target {
                label: edge.clone(),
                addresses: found.map(|found| found.regions.concat()),
            };
            targets.push((target, routes));
        }
        targets
    }

    async fn regions(&self, settings: &Settings, deadline: Instant) -> Vec<(Target, Routes)> {
        let region = match &settings.source {
            Source::Discovered { region } => region.as_deref(),
            Source::Fixed(_) => None,
        };
        let found = timeout_at(deadline, self.discovery.look()).await;
        let found = found.unwrap_or_else(|_elapsed| Err(LATE.to_owned()));
        let routes = found.as_ref().map(|found| found.routes).unwrap_or_default();
        let [first, second] = match found {
            Ok(found) => found.regions.map(Ok),
            Err(cause) => [Err(cause.clone()), Err(cause)],
        };
        let labelled = labels(region).into_iter().zip([first, second]);
        labelled
            .map(|(label, addresses)| (Target { label, addresses }, routes))
            .collect()
    }

    async fn reaches(&self, transport: Transport, address: SocketAddr) -> bool {
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            let reached = match transport {
                Transport::Quic => timeout(TRY, self.greet_quic(address)).await,
                Transport::Http2 => timeout(TRY, self.greet_http2(address)).await,
            };
            if reached == Ok(true) {
                return true;
            }
        }
        false
    }

    async fn greet_quic(&self, address: SocketAddr) -> bool {
        let index = self.next_index.fetch_add(1, Ordering::Relaxed);
        match self.quic.dial(index, address).await {
            Ok(dialed) => {
                dialed.close(FAREWELL).await;
                true
            }
            Err(_unreachable) => false,
        }
    }

    async fn greet_http2(&self, address: SocketAddr) -> bool {
        match self.http2.dial(address).await {
            Ok(mut stream) => {
                // It was reached; whether it hears the farewell does not matter.
                let _told = stream.shutdown().await;
                true
            }
            Err(_unreachable) => false,
        }
    }

    async fn api(&self, deadline: Instant) -> bool {
        let (host, port) = API;
        let connected = async {
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                let addresses = self.discovery.host(host).await.unwrap_or_default();
                let mut dials = JoinSet::new();
                for ip in addresses {
                    dials.spawn(timeout(TRY, TcpStream::connect((ip, port))));
                }
                while let Some(dialed) = dials.join_next().await {
                    if matches!(dialed, Ok(Ok(Ok(_)))) {
                        return true;
                    }
                }
            }
            false
        };
        timeout_at(deadline, connected).await.unwrap_or(false)
    }
}

/// The whole of the checks.
const BUDGET: Duration = Duration::from_secs(10);

/// One dial.
const TRY: Duration = Duration::from_secs(5);

/// The pauses before the tries of one step.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];

/// What the edge is told when a probe over QUIC is over.
const FAREWELL: &[u8] = b"precheck complete";

/// What stands in a row whose answer did not come in time.
const LATE: &str = "no answer in time";
