//! What is said on the control stream: registering, the local configuration, leaving.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use adit_exchange::Transport;
use adit_rpc::{CallError, Registration, Retry};
use adit_wire::registration::{Auth, Client, Details, Options, Register};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Whereabouts;
use crate::driver::Reporter;
use crate::error::Ended;
use crate::metrics::Metrics;
use crate::report;
use crate::settings::Settings;
use crate::status::{Board, Registered};
use crate::tunnel::LocalConfiguration;

/// A connection that wants to be registered, and everything that takes.
pub(crate) struct Candidate<'a> {
    /// Which connection it is.
    pub(crate) whereabouts: Whereabouts,
    /// What carries it.
    pub(crate) transport: Transport,
    /// Failures before this attempt.
    pub(crate) previous_attempts: u8,
    /// What the connector can do.
    pub(crate) features: Vec<String>,
    /// Credentials and limits.
    pub(crate) settings: &'a Settings,
    /// The rules that were written here.
    pub(crate) local: &'a LocalConfiguration,
    /// Says that they have changed.
    pub(crate) changes: &'a watch::Sender<()>,
    /// Where to enter the connection.
    pub(crate) board: &'a Board,
    /// What to count.
    pub(crate) metrics: &'a Metrics,
    /// Whether the edge does not answer.
    pub(crate) sick: watch::Sender<bool>,
}

/// Registers, stays until asked to leave, and unregisters.
///
/// Returns [`Ended::Drained`] when the edge takes note of the leave, or fails to.
pub(crate) async fn keep(
    registration: &Registration,
    c: &Candidate<'_>,
    local: Option<IpAddr>,
    reporter: &Reporter,
    leave: &CancellationToken,
) -> Ended {
    report::registering(&c.whereabouts, c.transport);
    let details = match c.register(registration, local).await {
        Ok(details) => details,
        Err(ended) => return ended,
    };
    report::registered(&c.whereabouts, c.transport, &details);
    let remote = details.remotely_managed;
    let entry = c.board.enter(c.entry(details));
    reporter.registered().await;
    tokio::select! {
        never = c.keep_informed(registration), if c.whereabouts.index == 0 && !remote => match never {},
        () = leave.cancelled() => {}
    }
    // Whoever asks whether we are ready hears no before the edge does.
    drop(entry);
    c.unregister(registration).await;
    reporter.unregistered().await;
    Ended::Drained
}

impl Candidate<'_> {
    async fn register(&self, registration: &Registration, local: Option<IpAddr>) -> Result<Details, Ended> {
        let begun = Instant::now();
        let answer = registration
            .register(self.request(local), self.settings.rpc_timeout)
            .await;
        self.metrics.client.count(
            ["registration", "register_connection"],
            begun.elapsed(),
            answer.is_ok(),
        );
        match answer {
            Ok(details) => {
                self.metrics.registered.with_label_values(&[REGISTER]).inc();
                self.mark_location(&details.location);
                Ok(details)
            }
            Err(error) => {
                let label = if error == CallError::Duplicate {
                    "dup_edge_conn"
                } else {
                    "server_error"
                };
                self.metrics
                    .register_failed
                    .with_label_values(&[label, REGISTER])
                    .inc();
                Err(ended(error))
            }
        }
    }

    /// §4.4.
    fn request(&self, local: Option<IpAddr>) -> Register {
        let Settings {
            credentials,
            identity,
            ..
        } = self.settings;
        Register {
            auth: Auth {
                account: credentials.account.clone(),
                secret: credentials.secret.clone(),
            },
            tunnel: credentials.tunnel,
            index: self.whereabouts.index,
            options: Options {
                client: Client {
                    id: identity.connector,
                    features: self.features.clone(),
                    version: identity.version.clone(),
                    platform: identity.arch.clone(),
                },
                local_address: local,
                replace_existing: false,
                compression_quality: 0,
                previous_attempts: self.previous_attempts,
            },
        }
    }

    fn entry(&self, details: Details) -> Registered {
        Registered {
            index: self.whereabouts.index,
            id: details.id,
            location: details.location,
            transport: self.transport,
            address: self.whereabouts.address,
        }
    }

    /// Tells the edge which rules are in force, now and whenever they change.
    async fn keep_informed(&self, registration: &Registration) -> Infallible {
        let mut changes = self.changes.subscribe();
        loop {
            self.push(registration).await;
            // The sender is the tunnel's, which outlives its connections.
            drop(changes.changed().await);
        }
    }

    /// Tells the edge which rules are in force. That it fails changes nothing for visitors.
    async fn push(&self, registration: &Registration) {
        let json = match (self.local)() {
            Ok(json) => json,
            Err(cause) => return report::no_local_configuration(&cause),
        };
        self.metrics.pushes.inc();
        let begun = Instant::now();
        let pushed = registration
            .update_local_configuration(json, self.settings.rpc_timeout)
            .await;
        self.metrics.client.count(
            ["registration", "update_local_configuration"],
            begun.elapsed(),
            pushed.is_ok(),
        );
        if let Err(error) = pushed {
            self.metrics.push_failures.inc();
            report::local_configuration_unsent(&error);
        }
    }

    async fn unregister(&self, registration: &Registration) {
        // §4.4, improve: a grace period of zero is no reason to leave without a word.
        let limit = self.settings.grace.min(self.settings.rpc_timeout);
        let limit = limit.max(UNREGISTER_LEAST);
        let begun = Instant::now();
        let answer = tokio::select! {
            answer = registration.unregister(limit) => answer,
            () = self.is_beyond_hearing() => Err(CallError::TimedOut),
        };
        self.metrics.client.count(
            ["registration", "unregister_connection"],
            begun.elapsed(),
            answer.is_ok(),
        );
        match answer {
            Ok(()) => report::unregistered(&self.whereabouts),
            Err(error) if *self.sick.borrow() => report::left_unheard(&self.whereabouts, &error),
            Err(error) => report::not_unregistered(&self.whereabouts, &error),
        }
    }

    /// Waits until an edge that does not answer has had its chance.
    async fn is_beyond_hearing(&self) {
        let mut sickness = self.sick.subscribe();
        // The sender is `self`.
        drop(sickness.wait_for(|sick| *sick).await);
        tokio::time::sleep(UNREGISTER_LEAST).await;
    }

    /// Sets the gauge of the current data centre to one and those of former ones to zero.
    fn mark_location(&self, location: &str) {
        let mut former = self.board.locations();
        let previous = former.insert(self.whereabouts.index, location.to_owned());
        let index = self.whereabouts.index.to_string();
        let gauge = |location: &str| self.metrics.locations.with_label_values(&[&index, location]);
        if let Some(previous) = previous.filter(|previous| previous != location) {
            gauge(&previous).set(0);
        }
        gauge(location).set(1);
    }
}

/// §4.4: what a refusal means for what comes next.
fn ended(error: CallError) -> Ended {
    let shown = error.to_string();
    match error {
        CallError::Duplicate => Ended::Duplicate,
        CallError::Refused {
            cause,
            retry: Retry::Never,
        } => Ended::Rejected { cause },
        CallError::Refused {
            cause,
            retry: Retry::After(after),
        } => Ended::Deferred {
            cause,
            after: Some(after).filter(|after| !after.is_zero()),
        },
        CallError::Exception { .. }
        | CallError::NoInterface(_)
        | CallError::TimedOut
        | CallError::Closed
        | CallError::Aborted(_)
        | CallError::Malformed(_)
        | CallError::TooLarge(_) => Ended::Deferred {
            cause: shown,
            after: None,
        },
    }
}

const REGISTER: &str = "registerConnection";
const UNREGISTER_LEAST: Duration = Duration::from_secs(1);
