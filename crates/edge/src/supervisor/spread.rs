//! Sans-IO. What was lost comes back: connections that had to crowd together meanwhile spread over the
//! data centres and addresses again, one after another, each replaced before it goes.
//!
//! Without it a tunnel that has outlived the loss of a data centre would hang on the other one alone
//! until something else happens, and the next loss would take all of it.

use std::time::{Duration, Instant};

use super::Supervisor;
use super::slot::{Health, Purpose, State};

/// When connections spread again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// When the next one moves, while it had better.
    at: Option<Instant>,
    pause: Duration,
}

impl Spread {
    pub(super) const fn new() -> Self {
        Self {
            at: None,
            pause: FIRST,
        }
    }

    /// Takes note of a connection that has moved.
    pub(super) const fn count_success(&mut self) {
        self.pause = BETWEEN;
    }

    /// Takes note of a connection that could not move.
    pub(super) fn count_failure(&mut self) {
        self.pause = (self.pause * 2).clamp(FIRST, LONGEST);
    }
}

impl Supervisor {
    /// Returns when a connection moves, if one had better.
    pub(super) const fn spread_wakes_at(&self) -> Option<Instant> {
        self.spread.at
    }

    /// Lets a connection move that had better be elsewhere, if it is time.
    pub(super) fn spread_if_due(&mut self, now: Instant) {
        let Some(lives) = self.all_well() else {
            self.spread.at = None;
            return;
        };
        let addresses = self.addresses.as_ref();
        let Some(to) = addresses.and_then(|addresses| addresses.ill_placed(&lives)) else {
            self.spread = Spread::new();
            return;
        };
        let pause = self.spread.pause;
        match self.spread.at {
            None => self.spread.at = Some(now + pause),
            Some(at) if now < at => {}
            Some(_) => {
                self.spread.at = Some(now + pause);
                self.begin(now, to.index, Purpose::Spread(to));
            }
        }
    }

    /// Returns where each connection is, if all serve and nothing else is going on.
    fn all_well(&self) -> Option<Vec<(u8, std::net::SocketAddr)>> {
        let lives = (0..self.allowed).map(|index| match self.slot(index).state() {
            State::Serving(live) if live.health == Health::Well => Some((index, live.address)),
            State::Serving(_)
            | State::Idle
            | State::Waiting { .. }
            | State::Dialling(_)
            | State::Replacing(..)
            | State::Yielding { .. }
            | State::Closed => None,
        });
        lives.collect()
    }
}

/// How long things stay quiet before the first one moves: what has come back may go again.
const FIRST: Duration = Duration::from_secs(60);

/// The pause before the next one moves: visitors' requests have found the first.
const BETWEEN: Duration = Duration::from_secs(5);

/// The longest pause while none can move.
const LONGEST: Duration = Duration::from_secs(10 * 60);
