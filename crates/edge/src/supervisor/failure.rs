//! Sans-IO. What comes after a round that failed: another address, a wait, or the end.

use std::time::{Duration, Instant};

use adit_exchange::Transport;

use super::loss::STRIKES;
use super::slot::{Fault, Firmness, State, answered};
use super::{Action, Level, Line, Outcome, Supervisor, search, words};
use crate::addresses::Blame;
use crate::error::{Ended, Obstacle};

/// How long to wait before the next round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// As the back-off has it, or until another connection gets through.
    OfCourse,
    /// No shorter than this: the edge has answered.
    AtLeast(Duration),
}

impl Supervisor {
    /// Ends a round in which nobody has answered for too long.
    pub(super) fn give_up_round(&mut self, now: Instant, index: u8) {
        let Some(round) = self.slot_mut(index).round_mut() else {
            return;
        };
        let dials = std::mem::take(&mut round.tries);
        for dialled in &dials {
            round.note(Fault {
                transport: dialled.transport,
                ended: Ended::Unreachable {
                    cause: unanswered(dialled.transport),
                    obstacle: Obstacle::Silence,
                },
            });
        }
        for dialled in dials {
            self.act(Action::Drop(dialled.attempt));
        }
        self.round_failed(now, index);
    }

    pub(super) fn round_failed(&mut self, now: Instant, index: u8) {
        let Some(round) = self.slot(index).round().cloned() else {
            return;
        };
        let Some(fault) = round.fault.clone() else {
            return;
        };
        let replacing = self.slot(index).live().is_some();
        let level = if replacing { Level::Debug } else { self.loudness() };
        self.tell_all(words::of_failure(level, index, round.address, &fault));
        let slot = self.slot_mut(index);
        slot.failures = slot.failures.saturating_add(1);
        if !answered(&fault.ended) {
            self.search.count_failure();
        }
        if replacing {
            return self.replacement_failed(now, index, &round, &fault);
        }
        if let Some(cause) = self.definite(index, &fault.ended) {
            self.tell(Line::new(Level::Error, "initial tunnel connection failed").because(&cause));
            return self.finish(Outcome::Rejected { cause });
        }
        self.move_on(now, index, &fault.ended);
        let wait = match &fault.ended {
            Ended::Deferred { after, .. } => Wait::AtLeast(after.unwrap_or_default()),
            Ended::Duplicate | Ended::Rejected { .. } => Wait::AtLeast(Duration::ZERO),
            Ended::Drained | Ended::Lost { .. } | Ended::Unreachable { .. } => Wait::OfCourse,
        };
        self.wait(now, index, wait);
    }

    /// Returns the edge's words when they are a definite refusal: see the head of `supervisor`.
    fn definite(&mut self, index: u8, ended: &Ended) -> Option<String> {
        let Ended::Rejected { cause } = ended else {
            return None;
        };
        if self.ever_registered {
            return None;
        }
        let slot = self.slot_mut(index);
        if cause.contains("Unauthorized") {
            slot.unauthorised += 1;
            if slot.unauthorised < UNAUTHORISED {
                return None;
            }
        }
        Some(cause.clone())
    }

    /// Chooses another address where the failure speaks against the old one.
    fn move_on(&mut self, now: Instant, index: u8, ended: &Ended) {
        let failures = self.slot(index).failures;
        let Some(addresses) = &mut self.addresses else {
            return;
        };
        let blame = match ended {
            // An address may have its reasons once; the second time another one is asked.
            Ended::Unreachable {
                obstacle: Obstacle::Local,
                ..
            }
            | Ended::Lost { silent: false, .. }
            | Ended::Deferred { after: Some(_), .. }
            | Ended::Drained
                if failures < 2 =>
            {
                return;
            }
            Ended::Unreachable {
                obstacle: Obstacle::Local,
                ..
            } => Blame::Nothing,
            Ended::Unreachable { obstacle, .. } => {
                let address = addresses.of(index);
                if let (Obstacle::NoRoute, Some(address)) = (obstacle, address) {
                    addresses.unroutable(now, address);
                }
                Blame::Address
            }
            Ended::Duplicate
            | Ended::Rejected { .. }
            | Ended::Lost { .. }
            | Ended::Deferred { .. }
            | Ended::Drained => Blame::Nothing,
        };
        let mute = matches!(
            ended,
            Ended::Lost { silent: true, .. } | Ended::Deferred { after: None, .. }
        );
        if let Some(address) = addresses.of(index).filter(|_| mute) {
            // It was reached, which says nothing against its family, and of no use.
            addresses.blame(now, address);
        }
        let dice = &mut self.dice;
        let other = addresses.different(now, index, blame, dice);
        if other.is_none() {
            // The only address there is stays in use.
            addresses.get(now, index, dice);
        }
    }

    /// Waits before the next round.
    pub(super) fn wait(&mut self, now: Instant, index: u8, wait: Wait) {
        let (least, mut firmness) = match wait {
            Wait::OfCourse => (SHORTEST_PAUSE, Firmness::UntilNews),
            Wait::AtLeast(least) => (least.clamp(SHORTEST_PAUSE, LONGEST_REQUEST), Firmness::Firm),
        };
        let backoff = &mut self.slots[usize::from(index)].backoff;
        let longest = backoff.announced(now).unwrap_or_default().max(least);
        let pause = backoff.wait(now, &mut self.dice).unwrap_or_default();
        let mut until = now + pause.max(least);
        if self.slot(index).strikes >= STRIKES {
            until = until.max(self.share_wait(now));
            firmness = Firmness::Firm;
        }
        let address = self.addresses.as_ref().and_then(|addresses| addresses.of(index));
        self.tell(words::of_retry(index, address, longest));
        self.slot_mut(index).go(State::Waiting { until, firmness });
    }

    /// Waits for an address to become free.
    pub(super) fn no_address(&mut self, now: Instant, index: u8) {
        let line = Line::new(
            Level::Debug,
            "edge discovery: no addresses left in pool to give proxy connection",
        );
        self.tell(line.of(index));
        let line = Line::new(self.loudness(), "Serve tunnel error").of(index);
        self.tell(line.because(search::NO_ADDRESS));
        self.search.count_failure();
        self.wait(now, index, Wait::OfCourse);
    }
}

/// Says in upstream's words that a dial was not answered.
fn unanswered(transport: Transport) -> String {
    match transport {
        Transport::Quic => "failed to dial to edge with quic: timeout: no recent network activity",
        Transport::Http2 => "DialContext error: i/o timeout",
    }
    .to_owned()
}

/// The shortest pause between two rounds of a connection, whatever the dice say.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest time that the edge can ask a connection to wait.
const LONGEST_REQUEST: Duration = Duration::from_secs(60 * 60);

/// How often the edge has to say at start that a tunnel is not authorised.
const UNAUTHORISED: u8 = 3;
