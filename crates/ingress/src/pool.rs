//! Idle connections of one rule, the most recent one first.
//!
//! An idle connection holds no buffer. One task per pool closes what was idle for too long or was
//! closed by its origin; it runs only while there is something to watch.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use adit_config::{Limit, OriginRequest};
use adit_exchange::splice::poll_read;
use tokio::task::JoinSet;

use crate::connection::Connection;

/// Connections kept to one origin when the configuration says zero.
const KEPT_PER_ORIGIN: usize = 2;

/// How often idle connections are looked after.
const SWEEP: Duration = Duration::from_secs(5);

/// Idle connections of one rule.
#[derive(Debug)]
pub(crate) struct Pool {
    limits: Limits,
    state: Mutex<State>,
}

/// How many connections are kept and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// In total.
    total: usize,
    /// To one origin.
    per_origin: usize,
    /// Nothing for ever.
    idle: Option<Duration>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    idle: Vec<Idle>,
    sweeper: JoinSet<()>,
    sweeping: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Limits {
    /// Returns the limits that the settings of a rule ask for.
    pub(crate) fn of(settings: &OriginRequest) -> Self {
        let (total, per_origin) = match settings.keep_alive_connections {
            0 => (usize::MAX, KEPT_PER_ORIGIN),
            ..0 => (0, 0),
            kept => {
                let kept = usize::try_from(kept).unwrap_or(usize::MAX);
                (kept, kept)
            }
        };
        let idle = match settings.keep_alive_timeout.limit() {
            Limit::None | Limit::Expired => None,
            Limit::After(time) => Some(time),
        };
        Self {
            total,
            per_origin,
            idle,
        }
    }

    /// Returns how long an idle connection is kept; nothing for ever.
    pub(crate) const fn idle(&self) -> Option<Duration> {
        self.idle
    }
}

impl Pool {
    /// Returns an empty pool.
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    /// Takes the most recent connection that is still alive.
    pub(crate) fn take(&self, key: &str) -> Option<Connection> {
        let mut dead = Vec::new();
        let mut state = self.state();
        let alive = loop {
            let Some(at) = state.idle.iter().rposition(|idle| *idle.connection.key == *key) else {
                break None;
            };
            let mut idle = state.idle.remove(at);
            if self.is_fresh(&idle, Instant::now()) && is_silent(&mut idle.connection) {
                idle.connection.reused = true;
                break Some(idle.connection);
            }
            dead.push(idle);
        };
        // Closing may take a system call: not while others wait for the pool.
        drop(state);
        drop(dead);
        alive
    }

    /// Keeps `connection` for later requests, within the limits.
    pub(crate) fn put(self: &Arc<Self>, connection: Connection) {
        let mut state = self.state();
        let same = state
            .idle
            .iter()
            .filter(|idle| idle.connection.key == connection.key);
        if self.limits.total == 0 || same.count() >= self.limits.per_origin {
            return;
        }
        state.idle.push(Idle {
            connection,
            since: Instant::now(),
        });
        let oldest = (state.idle.len() > self.limits.total).then(|| state.idle.remove(0));
        self.watch(&mut state);
        drop(state);
        drop(oldest);
    }

    fn watch(self: &Arc<Self>, state: &mut State) {
        if state.sweeping || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        while state.sweeper.try_join_next().is_some() {}
        state.sweeping = true;
        state.sweeper.spawn(sweep(Arc::downgrade(self), self.pause()));
    }

    fn pause(&self) -> Duration {
        self.limits.idle.map_or(SWEEP, |idle| idle.min(SWEEP))
    }

    /// Closes what is idle for too long or dead; returns whether anything is left.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let alive = |idle: &mut Idle| self.is_fresh(idle, now) && is_silent(&mut idle.connection);
        let dead: Vec<Idle> = state.idle.extract_if(.., |idle| !alive(idle)).collect();
        state.sweeping = !state.idle.is_empty();
        let watched = state.sweeping;
        drop(state);
        drop(dead);
        watched
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        self.limits
            .idle
            .is_none_or(|limit| now.duration_since(idle.since) < limit)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(pool: Weak<Pool>, pause: Duration) {
    loop {
        tokio::time::sleep(pause).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        if !pool.sweep() {
            return;
        }
    }
}

/// Returns whether an idle connection has nothing to say: neither bytes nor its end.
fn is_silent(connection: &mut Connection) -> bool {
    let polled = poll_read(&mut Context::from_waker(Waker::noop()), &mut connection.io);
    matches!(polled, Poll::Pending)
}
