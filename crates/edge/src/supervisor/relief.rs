//! Sans-IO. Make before break: a connection that is sick, or runs over the fallback transport, keeps
//! serving until another one of its index has registered.

use std::time::{Duration, Instant};

use super::slot::{Fault, Health, Live, Purpose, Round, State};
use super::{Attempt, Supervisor};
use crate::error::Ended;
use crate::transport::Evidence;

impl Supervisor {
    /// Takes note of a registered connection that does not answer.
    ///
    /// It speaks against the address at once: when a data centre dies its connections fall silent
    /// together, and their successors are better off in the other one.
    pub(super) fn sickened(&mut self, now: Instant, attempt: Attempt) {
        let Some(index) = self.serving(attempt) else {
            return;
        };
        let Some(live) = self.slot_mut(index).live_mut() else {
            return;
        };
        live.health = Health::Sick {
            replace_at: now + SECOND_LOOK,
        };
        let address = live.address;
        if let Some(addresses) = &mut self.addresses {
            addresses.blame(now, address);
        }
    }

    /// Gives up a replacement that is not needed any more.
    pub(super) fn recovered(&mut self, now: Instant, attempt: Attempt) {
        let Some(index) = self.serving(attempt) else {
            return;
        };
        let Some(live) = self.slot_mut(index).live_mut() else {
            return;
        };
        live.health = Health::Well;
        let address = live.address;
        if let Some(addresses) = &mut self.addresses {
            addresses.proved(address);
        }
        let needless = |round: &Round| round.purpose == Purpose::Relieve && !round.is_admitted();
        if self.slot(index).round().is_some_and(needless) {
            self.abandon_replacement(now, index);
        }
    }

    /// Ends the round of a replacement and keeps the connection there is.
    pub(super) fn abandon_replacement(&mut self, now: Instant, index: u8) {
        let State::Replacing(live, round) = self.slot(index).state().clone() else {
            return;
        };
        if let Some(addresses) = &mut self.addresses {
            if round.is_admitted() {
                addresses.hand_over(index, round.address);
            } else {
                addresses.release(index, round.address);
            }
        }
        self.end_dials(now, &round, Some(round.address));
        self.slot_mut(index).go(State::Serving(live));
    }

    /// Lets the connection go that has been replaced.
    pub(super) fn succeed(&mut self, now: Instant, index: u8, old: &Live) {
        if let Some(addresses) = &mut self.addresses {
            addresses.hand_over(index, old.address);
        }
        self.retire(now, old.attempt, Some(old.address));
    }

    /// Decides what comes after a replacement that failed.
    pub(super) fn replacement_failed(&mut self, now: Instant, index: u8, round: &Round, fault: &Fault) {
        let State::Replacing(live, _) = self.slot(index).state().clone() else {
            return;
        };
        if let Some(addresses) = &mut self.addresses {
            // A better transport that is blocked says nothing about the address.
            if round.purpose != Purpose::Return
                && let Ended::Unreachable { obstacle, .. } = fault.ended
            {
                addresses.unreached(now, round.address, obstacle);
            }
            addresses.release(index, round.address);
        }
        if round.purpose == Purpose::Return && fault.ended == Ended::Duplicate {
            return self.make_room(now, index, &live);
        }
        let purpose = round.purpose;
        self.slot_mut(index).go(State::Serving(live));
        match purpose {
            Purpose::Return => self.transports.weigh(now, Evidence::ReturnFailed),
            Purpose::Spread(_) => self.spread.count_failure(),
            Purpose::Connect | Purpose::Relieve => {}
        }
        self.postpone_relief(now, index);
    }

    /// Waits before the next try to replace a connection, if it is sick.
    pub(super) fn postpone_relief(&mut self, now: Instant, index: u8) {
        let slot = &mut self.slots[usize::from(index)];
        let Some(Live {
            health: Health::Sick { .. },
            ..
        }) = slot.live()
        else {
            return;
        };
        let pause = slot.backoff.wait(now, &mut self.dice).unwrap_or_default();
        if let Some(live) = slot.live_mut() {
            let replace_at = now + pause.max(SHORTEST_RELIEF);
            live.health = Health::Sick { replace_at };
        }
    }

    /// Goes on once the edge takes the connection that another one has made room for.
    pub(super) fn yielded(&mut self, now: Instant, attempt: Attempt) {
        let waits = |slot: &State| matches!(slot, State::Yielding { old } if *old == attempt);
        let waiting = (0..self.terms.connections).find(|index| waits(self.slot(*index).state()));
        if let Some(index) = waiting {
            self.begin(now, index, Purpose::Connect);
        }
    }

    /// Returns when a connection over the fallback transport tries the better one.
    pub(super) fn return_wakes_at(&self) -> Option<Instant> {
        let at = self.transports.return_at()?;
        self.returning().map(|_| at)
    }

    /// Lets one connection try the better transport, if it is time.
    pub(super) fn return_if_due(&mut self, now: Instant) {
        if self.return_wakes_at().is_none_or(|at| now < at) {
            return;
        }
        let Some(index) = self.returning() else {
            return;
        };
        self.transports.weigh(now, Evidence::ReturnBegun);
        self.begin(now, index, Purpose::Return);
    }

    /// Returns the connection that is next to try the better transport: one at a time.
    fn returning(&self) -> Option<u8> {
        let better = self.transports.better()?;
        let busy = self.slots.iter().any(|slot| match slot.state() {
            State::Replacing(_, round) => round.purpose == Purpose::Return,
            State::Yielding { .. } => true,
            State::Idle | State::Waiting { .. } | State::Dialling(_) | State::Serving(_) | State::Closed => {
                false
            }
        });
        let ready = |index: &u8| match self.slot(*index).state() {
            State::Serving(live) => live.transport != better && live.health == Health::Well,
            State::Idle
            | State::Waiting { .. }
            | State::Dialling(_)
            | State::Replacing(..)
            | State::Yielding { .. }
            | State::Closed => false,
        };
        (0..self.terms.connections).find(ready).filter(|_| !busy)
    }

    /// Asks a connection to leave first, because the edge takes no second one of its index.
    ///
    /// Requests in flight are finished by it, new ones go to the other connections meanwhile.
    fn make_room(&mut self, now: Instant, index: u8, live: &Live) {
        self.slot_mut(index).go(State::Yielding { old: live.attempt });
        if let Some(addresses) = &mut self.addresses {
            addresses.make_room(index, live.address);
        }
        self.retire(now, live.attempt, Some(live.address));
    }
}

/// How long the others are given to fall silent too, before a successor is dialled: each connection
/// looks for answers twice a second.
const SECOND_LOOK: Duration = Duration::from_millis(600);

/// The shortest pause between two tries to replace a sick connection.
const SHORTEST_RELIEF: Duration = Duration::from_secs(1);
