//! Accepts the streams of the edge, each into a task of the connection, and pings it.

use std::fmt;
use std::future::Future;
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
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Tells the edge to open no more streams, and serves those that there are and those that were
    /// on their way.
    pub(super) async fn leave(&mut self) {
        self.connection.graceful_shutdown();
        let mut lingering = None;
        poll_fn(|cx| {
            if self.poll_accept(cx).is_ready() {
                return Poll::Ready(());
            }
            // The control stream is not among the tasks: it stays open to the last.
            if !self.tasks.is_empty() {
                lingering = None;
                return Poll::Pending;
            }
            let sleep = lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
            sleep.as_mut().poll(cx)
        })
        .await;
    }

    /// Accepts all streams that there are, reaps all that have ended, pings when it is time, and
    /// sends what the others have to say. Ready when the connection has ended, with how.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Option<h2::Error>> {
        while self.ticks.poll_tick(cx).is_ready() {
            self.ping();
        }
        while let Poll::Ready(accepted) = self.connection.poll_accept(cx) {
            match accepted {
                Some(Ok((request, respond))) => self.begin(request, respond),
                Some(Err(error)) => return Poll::Ready(Some(error)),
                None => return Poll::Ready(None),
            }
        }
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            reap(&self.lane, ended);
        }
        self.sending.poll(cx);
        Poll::Pending
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
        poll_fn(|cx| {
            while let Poll::Ready(accepted) = self.connection.poll_accept(cx) {
                if !matches!(accepted, Some(Ok(_))) {
                    return Poll::Ready(());
                }
            }
            self.sending.poll(cx);
            Poll::Pending
        })
        .await;
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
