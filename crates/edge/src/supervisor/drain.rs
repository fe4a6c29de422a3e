//! Sans-IO. The end: every connection is asked to leave, and whoever has not left in time is dropped.

use std::time::Instant;

use super::slot::State;
use super::{Action, Level, Line, MARGIN, Outcome, Phase, Supervisor};

impl Supervisor {
    /// Asks every connection to leave. What is not about to register ends at once.
    pub(super) fn drain(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Draining {
            until: now + self.terms.grace + MARGIN,
        };
        for index in 0..self.terms.connections {
            match self.slot_mut(index).go(State::Closed) {
                State::Serving(live) => self.retire(now, live.attempt, None),
                State::Dialling(round) => self.end_dials(now, &round, None),
                State::Replacing(live, round) => {
                    self.end_dials(now, &round, None);
                    self.retire(now, live.attempt, None);
                }
                State::Idle | State::Waiting { .. } | State::Yielding { .. } | State::Closed => {}
            }
        }
    }

    pub(super) fn settle_drain(&mut self, now: Instant) {
        let Phase::Draining { until } = self.phase else {
            return;
        };
        if until <= now {
            for attempt in std::mem::take(&mut self.leaving).into_keys() {
                self.act(Action::Drop(attempt));
            }
        }
        if self.leaving.is_empty() {
            self.tell(Line::new(Level::Info, "no more connections active and exiting"));
            self.finish(Outcome::Drained);
        }
    }

    /// Drops connections that were asked to leave and have not done so in time.
    pub(super) fn drop_overdue(&mut self, now: Instant) {
        let overdue = self.leaving.iter().filter(|(_, leaving)| leaving.deadline <= now);
        let overdue: Vec<_> = overdue.map(|(attempt, _)| *attempt).collect();
        for attempt in overdue {
            self.act(Action::Drop(attempt));
            self.left(now, attempt);
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.phase = Phase::Finished;
        self.act(Action::Finish(outcome));
    }
}
