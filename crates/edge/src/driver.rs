//! Executes what the supervisor decides: the only place that starts and ends connections.
//!
//! The loop has four arms: what connections report, what outside asks, tasks that have finished, and
//! the timer. What a connection is stands behind [`Connections`].

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::error::Ended;
use crate::supervisor::{Action, Attempt, Dial, Discovered, Event, Line, Outcome, Supervisor};
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

/// Executes the decisions of one supervisor.
#[derive(Debug)]
pub struct Driver<C> {
    connections: Arc<C>,
    supervisor: Supervisor,
    /// Every connection and every look-up; what a task returns is what the supervisor is told.
    tasks: JoinSet<Event>,
    running: BTreeMap<Attempt, Running>,
    /// What each task is for, in case it breaks.
    purposes: HashMap<Id, Purpose>,
    sender: mpsc::Sender<Event>,
    events: mpsc::Receiver<Event>,
}

/// How the rest of the program asks something of a running tunnel.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<Event>);

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Connection(Attempt),
    Search,
    Shares,
}

#[derive(Debug)]
struct Running {
    leave: CancellationToken,
    admit: Option<oneshot::Sender<()>>,
    task: AbortHandle,
}

impl<C: Connections> Driver<C> {
    /// Prepares to execute what `supervisor` decides.
    #[must_use]
    pub fn new(connections: Arc<C>, supervisor: Supervisor) -> Self {
        let (sender, events) = mpsc::channel(BACKLOG);
        Self {
            connections,
            supervisor,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            purposes: HashMap::new(),
            sender,
            events,
        }
    }

    /// Returns a way to ask something of the tunnel while it runs.
    #[must_use]
    pub fn orders(&self) -> Orders {
        Orders(self.sender.clone())
    }

    /// Keeps the connections until there is nothing left to do.
    ///
    /// When `drain` is cancelled, every connection is asked to leave. Dropping the future ends all
    /// of them at once.
    pub async fn run(mut self, drain: CancellationToken) -> Outcome {
        let mut draining = false;
        loop {
            while let Some(action) = self.supervisor.poll() {
                if let Some(outcome) = self.perform(action) {
                    return outcome;
                }
            }
            let event = tokio::select! {
                // What a connection has said counts before its end does.
                biased;
                () = drain.cancelled(), if !draining => Event::Drain,
                Some(event) = self.events.recv() => event,
                Some(ended) = self.tasks.join_next_with_id() => match self.reap(ended) {
                    Some(event) => event,
                    None => continue,
                },
                () = sleep_until(self.supervisor.wake_at()) => Event::Time,
            };
            draining |= matches!(event, Event::Drain);
            self.supervisor.handle(Instant::now(), event);
        }
    }

    fn perform(&mut self, action: Action) -> Option<Outcome> {
        match action {
            Action::Dial(dial) => self.dial(dial),
            Action::Admit(attempt) => {
                let running = self.running.get_mut(&attempt);
                if let Some(admit) = running.and_then(|running| running.admit.take()) {
                    // Whoever does not wait any more has ended, and says so by itself.
                    let _gone = admit.send(());
                }
            }
            Action::Leave(attempt) => {
                if let Some(running) = self.running.get(&attempt) {
                    running.leave.cancel();
                }
            }
            Action::Drop(attempt) => {
                if let Some(running) = self.running.remove(&attempt) {
                    running.task.abort();
                }
            }
            Action::Discover => {
                let connections = Arc::clone(&self.connections);
                let search = async { Event::Discovered(connections.discover().await) };
                self.start(Purpose::Search, search);
            }
            Action::LookUpShares => {
                let connections = Arc::clone(&self.connections);
                let shares = async { Event::Shares(connections.shares().await) };
                self.start(Purpose::Shares, shares);
            }
            Action::Tell(line) => self.connections.tell(&line),
            Action::Finish(outcome) => return Some(outcome),
        }
        None
    }

    fn dial(&mut self, dial: Dial) {
        let attempt = dial.attempt;
        let (admit, admitted) = oneshot::channel();
        let reporter = Reporter {
            attempt,
            events: self.sender.clone(),
            admitted: Some(admitted),
        };
        let leave = CancellationToken::new();
        let life = Arc::clone(&self.connections).live(dial, reporter, leave.clone());
        let life = async move { Event::Ended(attempt, life.await) };
        let task = self.start(Purpose::Connection(attempt), life);
        let running = Running {
            leave,
            admit: Some(admit),
            task,
        };
        self.running.insert(attempt, running);
    }

    fn start(&mut self, purpose: Purpose, work: impl Future<Output = Event> + Send + 'static) -> AbortHandle {
        let task = self.tasks.spawn(work);
        self.purposes.insert(task.id(), purpose);
        task
    }

    /// Returns what the end of a task means; nothing if it was dropped.
    fn reap(&mut self, ended: Result<(Id, Event), JoinError>) -> Option<Event> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let purpose = self.purposes.remove(&id)?;
        if let Purpose::Connection(attempt) = purpose {
            self.running.remove(&attempt);
        }
        let cause = || BROKEN.to_owned();
        match (ended, purpose) {
            (Ok((_, event)), _) => Some(event),
            (Err(error), _) if error.is_cancelled() => None,
            (Err(_), Purpose::Search) => Some(Event::Discovered(Err(cause()))),
            (Err(_), Purpose::Shares) => Some(Event::Shares(Err(cause()))),
            (Err(_), Purpose::Connection(attempt)) => {
                let cause = cause();
                Some(Event::Ended(attempt, Ended::Lost { cause, silent: false }))
            }
        }
    }
}

impl Orders {
    /// Breaks one connection, to be made again after `pause`.
    pub async fn reconnect(&self, pause: Duration) {
        // A tunnel that is gone has no connection to break.
        let _gone = self.0.send(Event::Reconnect(pause)).await;
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
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

/// Reports that may wait for the supervisor. Each connection has few at a time, and waits.
const BACKLOG: usize = 64;

/// What is said of a task that broke; the panic itself has been logged.
const BROKEN: &str = "the task broke";

#[cfg(test)]
mod tests;
