//! What connectors ask of the edge: calls on the control stream, and calls on further streams.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adit_rpc::far::{RegistrationServer, serve_registration};
use adit_rpc::server::{Answer, Exception};
use adit_rpc::{ConfigurationManager, Ended, Exports, SessionManager};
use adit_wire::configuration::{Applied, Update};
use adit_wire::registration::{Register, Registered};
use adit_wire::session::{Close, Open, Opened};
use adit_wire::{Intake, preamble};
use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::link::Link;
use crate::registrar::Verdict;
use crate::site::Ground;
use crate::stream::Duplex;

/// How long the last answer on a control stream may take to reach the connector before the edge
/// closes the connection under it: closing does not wait for bytes on their way.
const LINGER: Duration = Duration::from_millis(50);
/// How long a connector may keep a stream of calls open.
const CALLS: Duration = Duration::from_secs(60);

/// Serves the control stream of a connection; the connection ends with it.
pub(crate) async fn serve(ground: &Ground, link: &Arc<Link>, stream: Duplex) {
    let clerk = Clerk {
        ground: ground.clone(),
        link: Arc::clone(link),
        registered: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
    };
    let streams = tokio::io::split(stream);
    let ended = serve_registration(streams, &clerk).await;
    tracing::debug!(?ended, peer = %link.place.peer, "a control stream has ended");
    match ended {
        // A connection that breaks takes its control stream along; that is nobody's fault.
        Ok(()) | Err(Ended::Aborted(_) | Ended::Closed | Ended::Broken(_) | Ended::TooLarge(_)) => {}
        Err(error @ (Ended::Malformed(_) | Ended::Misbehaved(_))) => {
            link.violated(&format!("control stream: {error}"));
        }
    }
    if !clerk.leaving.load(Ordering::Acquire) {
        ground.roster.leave(link.serial);
        drain(ground, link).await;
    }
}

/// Ends a connection that gets no new requests.
async fn drain(ground: &Ground, link: &Link) {
    tokio::time::sleep(LINGER).await;
    link.drained().await;
    if ground.closes_drained {
        link.close(0, "");
    }
}

/// Answers the calls of one connection.
struct Clerk {
    ground: Ground,
    link: Arc<Link>,
    registered: AtomicBool,
    leaving: AtomicBool,
}

impl RegistrationServer for Clerk {
    fn register(&self, request: Register) -> Answer<'_, Result<Registered, Exception>> {
        Box::pin(async move {
            if self.registered.load(Ordering::Acquire) {
                let rule = "a connection registers once";
                self.link.violated(rule);
                return Err(Exception(rule.to_owned()));
            }
            match self.ground.registrar.decide(&self.link, &request) {
                Verdict::Says(answer, delay) => {
                    tokio::time::sleep(delay).await;
                    if let Registered::Accepted(details) = &answer {
                        self.registered.store(true, Ordering::Release);
                        self.ground.registrar.enter(&self.link, request, details.id);
                    }
                    Ok(answer)
                }
                Verdict::Fails(reason) => Err(Exception(reason)),
                Verdict::Nothing => pending().await,
            }
        })
    }

    fn update_local_configuration(&self, json: Bytes) -> Answer<'_, Result<(), Exception>> {
        Box::pin(async move {
            self.must_be_registered("updateLocalConfiguration")?;
            self.ground.registrar.configured(&self.link, json);
            Ok(())
        })
    }

    fn unregister(&self) -> Answer<'_, Result<(), Exception>> {
        Box::pin(async move {
            self.must_be_registered("unregisterConnection")?;
            if !self.leaving.swap(true, Ordering::AcqRel) {
                self.ground.roster.leave(self.link.serial);
                let (ground, link) = (self.ground.clone(), Arc::clone(&self.link));
                let tasks = self.ground.tasks.clone();
                tasks.start(async move { drain(&ground, &link).await });
            }
            Ok(())
        })
    }
}

impl Clerk {
    fn must_be_registered(&self, method: &str) -> Result<(), Exception> {
        if self.registered.load(Ordering::Acquire) {
            return Ok(());
        }
        let rule = format!("{method} comes before registerConnection");
        self.link.violated(&rule);
        Err(Exception(rule))
    }
}

/// Serves calls on a stream that a connector opened beside the control stream.
pub(crate) async fn serve_calls(link: &Link, mut stream: Duplex) {
    let intake = match read_preamble(&mut stream).await {
        Ok(intake) => intake,
        Err(rule) => {
            link.violated(&rule);
            return;
        }
    };
    let exports = Exports {
        sessions: &Sessions,
        configuration: &Sessions,
    };
    let served = adit_rpc::serve(intake, tokio::io::split(stream), exports, CALLS).await;
    if let Err(error) = served {
        tracing::debug!(%error, peer = %link.place.peer, "a stream of calls has broken");
    }
}

async fn read_preamble(stream: &mut Duplex) -> Result<Intake, String> {
    let mut intake = Intake::new();
    loop {
        let taken = preamble::take(&mut intake);
        match taken.map_err(|error| format!("a stream of a connector: {error}"))? {
            Some(preamble::Kind::Rpc) => return Ok(intake),
            Some(preamble::Kind::Data) => return Err("a connector opens no data streams".to_owned()),
            None => {}
        }
        let mut buffer = vec![0; READ];
        match stream.read(&mut buffer).await {
            Ok(0) => return Err(format!("a stream of a connector: {}", preamble::ended(&intake))),
            Ok(length) => {
                buffer.truncate(length);
                intake.push(buffer.into());
            }
            Err(error) => return Err(format!("a stream of a connector: {error}")),
        }
    }
}

/// Bytes of a stream of calls that are read at once.
const READ: usize = 1024;

/// What a connector may ask for: the end of a UDP session. This edge has none, so there is nothing
/// to be done.
struct Sessions;

impl SessionManager for Sessions {
    fn register_udp_session(&self, _: Open) -> Answer<'_, Opened> {
        let refused = "the edge opens sessions, not the connector";
        Box::pin(async move {
            Opened {
                error: refused.to_owned(),
                ..Opened::default()
            }
        })
    }

    fn unregister_udp_session(&self, close: Close) -> Answer<'_, Result<(), Exception>> {
        tracing::debug!(?close, "a connector has ended a session");
        Box::pin(async { Ok(()) })
    }
}

impl ConfigurationManager for Sessions {
    fn update_configuration(&self, _: Update) -> Answer<'_, Applied> {
        Box::pin(async {
            Applied {
                version: -1,
                error: "the edge pushes configurations, not the connector".to_owned(),
            }
        })
    }
}
