//! Executes what the supervisor decides: the only place that starts and ends connections.
//!
//! The loop has four arms: what connections report, what outside asks, tasks that have finished, and
//! the timer. What a connection is stands behind [`Connections`].

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::Ended;
use crate::supervisor::{Attempt, Dial, Discovered, Event, Line};
use crate::transport::Percentages;

/// Does what the supervisor orders. The real one dials the edge; tests have their own.
///
/// Every future is polled in a task of its own, which the driver owns: dropping it must end
/// everything that it began, at once.
pub trait Connections: Send + Sync + 'static {
    /// Lives one connection: dials, waits in [`Reporter::reached`], registers, says so with
    /// [`Reporter::registered`], serves, and returns how it ended.
    ///
    /// When `leave` is cancelled it unregisters, says so with [`Reporter::unregistered`], takes no new streams, finishes those it has within
    /// the grace period and returns [`Ended::Drained`]; before the registration it just returns
    /// that. It logs nothing about its end: the supervisor knows how much that matters.
    fn live(
        self: Arc<Self>,
        dial: Dial,
        reporter: Reporter,
        leave: CancellationToken,
    ) -> impl Future<Output = Ended> + Send;

    /// Looks for the edge: the addresses of both regions, and which families have a route.
    ///
    /// It is called again within about a second after a failure, so it answers as soon as it can;
    /// the text of a failure is what the log and the program's last words show.
    fn discover(self: Arc<Self>) -> impl Future<Output = Result<Discovered, String>> + Send;

    /// Looks up the shares of the transports (TXT `protocol-v2.argotunnel.com`).
    fn shares(self: Arc<Self>) -> impl Future<Output = Result<Percentages, String>> + Send;

    /// Writes a line of the supervisor to the log.
    fn tell(&self, line: &Line);
}

/// How a connection tells the supervisor about itself.
#[derive(Debug)]
pub struct Reporter {
    attempt: Attempt,
    events: mpsc::Sender<Event>,
    admitted: Option<oneshot::Receiver<()>>,
}

impl Reporter {
    /// Says that the handshake is complete and waits until the connection may register.
    ///
    /// It may wait for long, while another attempt of the same index registers, and be dropped
    /// meanwhile. Call it once, after the handshake and before the registration.
    pub async fn reached(&mut self) {
        self.send(Event::Reached(self.attempt)).await;
        let Some(admitted) = self.admitted.take() else {
            return;
        };
        if admitted.await.is_err() {
            // The driver is gone, and so will be this task.
            std::future::pending::<()>().await;
        }
    }

    /// Says that the edge has accepted the registration.
    pub async fn registered(&self) {
        self.send(Event::Registered(self.attempt)).await;
    }

    /// Says that the edge knows of the leave; requests in flight may still be finished.
    pub async fn unregistered(&self) {
        self.send(Event::Unregistered(self.attempt)).await;
    }

    /// Says that the edge has not answered for a while, though the connection is not given up.
    pub async fn sick(&self) {
        self.send(Event::Sick(self.attempt)).await;
    }

    /// Says that the edge answers again.
    pub async fn well(&self) {
        self.send(Event::Well(self.attempt)).await;
    }

    async fn send(&self, event: Event) {
        // A driver that is gone has nobody left to tell.
        let _gone = self.events.send(event).await;
    }
}
