//! Accepts the streams of the edge, each into a task of the connection, and pings it.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::io::{Inward, Outward};
use super::stream::{self, Asked};
use super::wire::{Claims, Sending, Wire};
use crate::connection::Lane;
use crate::report;

/// The streams of one connection. Dropping it resets them.
pub(super) struct Streams<T> {
    connection: Connection<Wire<T>, Bytes>,
    sending: Sending<T>,
    claims: Claims<T>,
    lane: Arc<Lane>,
    control: Option<oneshot::Sender<(Inward, Outward)>>,
    tasks: JoinSet<()>,
    pings: Option<PingPong>,
    pongs: Arc<AtomicU64>,
    ticks: Interval,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Streams<T> {
    /// Prepares to accept. The first control stream goes to `control`.
    pub(super) fn new(
        (mut connection, sending, claims): (Connection<Wire<T>, Bytes>, Sending<T>, Claims<T>),
        lane: Arc<Lane>,
        control: oneshot::Sender<(Inward, Outward)>,
    ) -> Self {
        let mut ticks = interval(PING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            pings: connection.ping_pong(),
            pongs: Arc::default(),
            connection,
            sending,
            claims,
            lane,
            control: Some(control),
            tasks: JoinSet::new(),
            ticks,
        }
    }

    /// Returns the count of answers to pings.
    pub(super) fn pongs(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.pongs)
    }

    /// Accepts streams and reaps those that have ended, until the connection ends.
    ///
    /// It may be dropped at any time and called again.
    pub(super) async fn accept(&mut self) -> Option<h2::Error> {
        loop {
            if let Err(ended) = self.accept_until_change().await {
                return ended;
            }
        }
    }

    /// Tells the edge to open no more streams, and serves those that there are and those that were
    /// on their way.
    pub(super) async fn leave(&mut self) {
        self.connection.graceful_shutdown();
        loop {
            // The control stream is not among the tasks: it stays open to the last.
            let idle = self.tasks.is_empty();
            tokio::select! {
                changed = self.accept_until_change() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(LINGER), if idle => return,
            }
        }
    }

    /// Accepts one stream, reaps one, or pings. The failure is how the connection ended.
    async fn accept_until_change(&mut self) -> Result<(), Option<h2::Error>> {
        tokio::select! {
            accepted = next(&mut self.connection, &self.sending) => {
                let (request, respond) = accepted.ok_or(None)?.map_err(Some)?;
                self.begin(request, respond);
            }
            Some(ended) = self.tasks.join_next() => reap(&self.lane, ended),
            _ = self.ticks.tick() => self.ping(),
        }
        Ok(())
    }

    fn begin(&mut self, request: http::Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let Some(head) = self.claims.take(request.body().stream_id()) else {
            return respond.send_reset(Reason::INTERNAL_ERROR);
        };
        let asked = Asked::new(request, head);
        let control = asked.is_control().then(|| self.control.take()).flatten();
        match control {
            Some(control) => stream::open_control(asked, respond, control),
            None => drop(
                self.tasks
                    .spawn(stream::serve(asked, respond, Arc::clone(&self.lane))),
            ),
        }
    }

    /// Closes the connection and waits until that has been said.
    pub(super) async fn close(&mut self) {
        self.tasks.abort_all();
        self.connection.abrupt_shutdown(Reason::NO_ERROR);
        while let Some(Ok(_)) = next(&mut self.connection, &self.sending).await {}
    }

    /// §5.1, improve: a path that has gone silent is noticed.
    fn ping(&mut self) {
        if let Some(pings) = &mut self.pings {
            if let Poll::Ready(Ok(_)) = pings.poll_pong(&mut Context::from_waker(Waker::noop())) {
                self.pongs.fetch_add(1, Ordering::Relaxed);
            }
            // One that is still unanswered stands for the next.
            let _unanswered = pings.send_ping(Ping::opaque());
        }
    }
}

impl<T> fmt::Debug for Streams<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("lane", &self.lane)
            .field("open", &self.tasks.len())
            .finish_non_exhaustive()
    }
}

/// Returns the next stream; while there is none, what the streams have to say is sent.
async fn next<T: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<Wire<T>, Bytes>,
    sending: &Sending<T>,
) -> Option<Result<(http::Request<RecvStream>, SendResponse<Bytes>), h2::Error>> {
    poll_fn(|cx| {
        let accepted = connection.poll_accept(cx);
        if accepted.is_pending() {
            sending.poll(cx);
        }
        accepted
    })
    .await
}

fn reap(lane: &Lane, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        report::stream_panicked(&lane.whereabouts);
    }
}

/// Pause between pings.
const PING: Duration = Duration::from_secs(1);
/// Requests that the edge sent before it knew of the leave arrive within this time.
const LINGER: Duration = Duration::from_millis(250);
