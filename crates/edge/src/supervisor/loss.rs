//! Sans-IO. What the end of a connection means.

use std::time::{Duration, Instant};

use super::failure::Wait;
use super::slot::{Fault, Firmness, Live, Purpose, State};
use super::{Action, Attempt, Supervisor, words};
use crate::addresses::Blame;
use crate::error::Ended;
use crate::transport::Evidence;

impl Supervisor {
    /// Takes note of an attempt that is over, whatever it was doing.
    pub(super) fn ended(&mut self, now: Instant, attempt: Attempt, ended: Ended) {
        if self.leaving.contains_key(&attempt) {
            return self.left(now, attempt);
        }
        if let Some(index) = self.dialling(attempt) {
            return self.dial_ended(now, index, attempt, ended);
        }
        if let Some(index) = self.serving(attempt) {
            self.lost(now, index, ended);
        }
    }

    /// Breaks one connection, to be made again after `pause`.
    pub(super) fn reconnect(&mut self, now: Instant, pause: Duration) {
        let chosen = (0..self.terms.connections).find(|index| self.slot(*index).live().is_some());
        let Some(index) = chosen else {
            return;
        };
        let Some(live) = self.slot(index).live().cloned() else {
            return;
        };
        self.abandon_replacement(now, index);
        self.tell_all(words::of_reconnect(index, live.address, live.transport, pause));
        self.act(Action::Drop(live.attempt));
        let until = now + pause.min(LONGEST_PAUSE);
        self.slot_mut(index).go(State::Waiting {
            until,
            firmness: Firmness::Firm,
        });
        self.weigh_loss(now, &live);
    }

    /// Returns the slot that this attempt serves.
    pub(super) fn serving(&self, attempt: Attempt) -> Option<u8> {
        let of = |index: &u8| {
            self.slot(*index)
                .live()
                .is_some_and(|live| live.attempt == attempt)
        };
        (0..self.terms.connections).find(of)
    }

    /// Draws or joins the wait of connections that do not last.
    pub(super) fn share_wait(&mut self, now: Instant) -> Instant {
        if let Some(until) = self.shared_until.filter(|until| *until > now) {
            return until;
        }
        let pause = self.shared.wait(now, &mut self.dice).unwrap_or_default();
        let until = now + pause;
        self.shared_until = Some(until);
        until
    }

    /// Lets the shared wait be forgotten soon, once every connection is registered again.
    pub(super) fn settle_shared(&mut self, now: Instant) {
        let busy = |stage: &State| {
            matches!(
                stage,
                State::Waiting { .. } | State::Dialling(_) | State::Yielding { .. }
            )
        };
        if !self.slots.iter().any(|slot| busy(slot.state())) {
            self.shared.forget_soon(now, &mut self.dice);
        }
    }

    /// Takes note that a connection that was asked to leave has done so.
    pub(super) fn left(&mut self, now: Instant, attempt: Attempt) {
        let leaving = self.leaving.remove(&attempt);
        let address = leaving.and_then(|leaving| leaving.address);
        if let (Some(address), Some(addresses)) = (address, &mut self.addresses) {
            addresses.left(address);
        }
        self.yielded(now, attempt);
    }

    fn lost(&mut self, now: Instant, index: u8, ended: Ended) {
        let Some(live) = self.slot(index).live().cloned() else {
            return;
        };
        let slot = self.slot_mut(index);
        let brief = now < live.since + STEADY;
        slot.strikes = if brief { slot.strikes.saturating_add(1) } else { 0 };
        let silent = matches!(ended, Ended::Lost { silent: true, .. });
        let replacing = self.leave_live(now, index, &live);
        let fault = Fault {
            transport: live.transport,
            ended: explained(ended),
        };
        let level = self.loudness();
        self.tell_all(words::of_loss(level, index, live.address, &fault));
        self.weigh_loss(now, &live);
        if let Some(addresses) = self.addresses.as_mut().filter(|_| silent) {
            addresses.blame(now, live.address);
        }
        if !replacing {
            if silent {
                self.avoid(now, index);
            }
            self.wait(now, index, Wait::OfCourse);
        }
    }

    /// Takes the connection out of its slot. Returns whether another one is on its way.
    fn leave_live(&mut self, now: Instant, index: u8, live: &Live) -> bool {
        let Some(mut round) = self.slot(index).round().cloned() else {
            return false;
        };
        if let Some(addresses) = &mut self.addresses {
            addresses.release(index, live.address);
        }
        if round.purpose == Purpose::Return && !round.is_admitted() {
            // Nothing is served any more: the fallback joins at once.
            let fallback = self.transports.selection().fallback();
            round.second = fallback.map(|transport| (transport, now));
        }
        round.purpose = Purpose::Connect;
        self.slot_mut(index).go(State::Dialling(round));
        true
    }

    /// Looks for another address after a silence, in which an address or a data centre may have died.
    fn avoid(&mut self, now: Instant, index: u8) {
        let Some(addresses) = &mut self.addresses else {
            return;
        };
        let other = addresses.different(now, index, Blame::Nothing, &mut self.dice);
        if other.is_none() {
            addresses.get(now, index, &mut self.dice);
        }
    }

    /// Tells the choice of transports when the last connection over the better one is gone.
    fn weigh_loss(&mut self, now: Instant, live: &Live) {
        let better = self.transports.better();
        let mut others = self.slots.iter().filter_map(|slot| slot.live());
        if Some(live.transport) == better && !others.any(|other| Some(other.transport) == better) {
            self.transports.weigh(now, Evidence::AllLost);
        }
    }
}

/// A connection that leaves although nobody asked it to was told so by the edge.
fn explained(ended: Ended) -> Ended {
    match ended {
        Ended::Drained => Ended::Lost {
            cause: "connection with edge closed".to_owned(),
            silent: false,
        },
        Ended::Lost { .. }
        | Ended::Unreachable { .. }
        | Ended::Duplicate
        | Ended::Deferred { .. }
        | Ended::Rejected { .. } => ended,
    }
}

/// A connection that lives this long was no false start.
const STEADY: Duration = Duration::from_secs(30);

/// False starts in a row after which a connection joins the shared, longer wait: registration
/// forgets the wait of its own, so an edge that accepts and throws out would be asked every second.
pub(super) const STRIKES: u8 = 3;

/// The longest pause that can be asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
