//! Sans-IO. One of the connections, and the states it goes through.

use std::net::SocketAddr;
use std::time::Instant;

use adit_exchange::Transport;

use crate::addresses::Move;
use crate::backoff::Backoff;
use crate::error::Ended;
use crate::supervisor::Attempt;

/// The place of one connection.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    state: State,
    /// The wait between its rounds.
    pub(super) backoff: Backoff,
    /// Rounds that failed since it was last registered.
    pub(super) failures: u8,
    /// Times in a row that it was lost soon after it had registered.
    pub(super) strikes: u8,
    /// Times in a row that the edge said it is not authorised.
    pub(super) unauthorised: u8,
}

/// What a slot is doing.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Nothing yet: connection 0 comes first, and there may be too few addresses.
    Idle,
    /// Waiting for the next round.
    Waiting {
        /// When it begins.
        until: Instant,
        /// What makes it begin earlier.
        firmness: Firmness,
    },
    /// Trying to get registered.
    Dialling(Round),
    /// Registered.
    Serving(Live),
    /// Registered, and trying to get registered once more before the first one goes.
    Replacing(Live, Round),
    /// Leaving first, because the edge takes no second connection beside the first.
    Yielding {
        /// The connection that leaves.
        old: Attempt,
    },
    /// Over.
    Closed,
}

/// What ends a wait early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Firmness {
    /// Nothing: the edge or the user asked for it, or it is the price of not lasting.
    Firm,
    /// Another connection that gets through, after all had been lost: the network is back.
    UntilNews,
}

/// A registered connection.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) attempt: Attempt,
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    pub(super) since: Instant,
    pub(super) health: Health,
}

/// Whether a registered connection answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It does.
    Well,
    /// It does not: it is replaced from this moment on.
    Sick {
        /// When the next round begins.
        replace_at: Instant,
    },
}

/// One go at getting registered: one address, one transport or two beside each other.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) purpose: Purpose,
    pub(super) address: SocketAddr,
    pub(super) first: Transport,
    pub(super) tries: Vec<Try>,
    /// The transport that is not dialled yet, and when it is.
    pub(super) second: Option<(Transport, Instant)>,
    /// When dials that have reached nobody are given up.
    pub(super) limit: Instant,
    /// The failure that says most so far.
    pub(super) fault: Option<Fault>,
}

/// What a round is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// There is no connection.
    Connect,
    /// The connection there is does not answer.
    Relieve,
    /// The connection there is runs over the fallback transport.
    Return,
    /// The connection there is had better be elsewhere.
    Spread(Move),
}

/// One dial of a round.
#[derive(Clone, Debug)]
pub(super) struct Try {
    pub(super) attempt: Attempt,
    pub(super) transport: Transport,
    pub(super) admitted: bool,
}

/// Why a dial of a round came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) transport: Transport,
    pub(super) ended: Ended,
}

/// The name of a state, without what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Waiting,
    Dialling,
    Serving,
    Replacing,
    Yielding,
    Closed,
}

/// Every legal transition, and what makes it.
const TRANSITIONS: &[(Stage, Stage, &str)] = &[
    (Stage::Idle, Stage::Dialling, "its turn has come"),
    (Stage::Idle, Stage::Waiting, "no free address"),
    (Stage::Waiting, Stage::Dialling, "the wait is over"),
    (Stage::Waiting, Stage::Waiting, "no free address"),
    (Stage::Dialling, Stage::Serving, "registered"),
    (Stage::Dialling, Stage::Waiting, "every dial of the round failed"),
    (Stage::Serving, Stage::Waiting, "lost"),
    (
        Stage::Serving,
        Stage::Replacing,
        "sick, or time to return to the better transport or place",
    ),
    (
        Stage::Replacing,
        Stage::Serving,
        "the second one registered or failed, or the first is well again",
    ),
    (Stage::Replacing, Stage::Dialling, "the first one is lost"),
    (Stage::Replacing, Stage::Yielding, "the edge takes no second one"),
    (Stage::Yielding, Stage::Dialling, "the first one has left"),
    (Stage::Yielding, Stage::Waiting, "no free address"),
    (Stage::Idle, Stage::Closed, "drain"),
    (Stage::Waiting, Stage::Closed, "drain"),
    (Stage::Dialling, Stage::Closed, "drain"),
    (Stage::Serving, Stage::Closed, "drain"),
    (Stage::Replacing, Stage::Closed, "drain"),
    (Stage::Yielding, Stage::Closed, "drain"),
];

impl Slot {
    /// Returns a slot that does nothing yet.
    pub(super) const fn new(backoff: Backoff) -> Self {
        Self {
            state: State::Idle,
            backoff,
            failures: 0,
            strikes: 0,
            unauthorised: 0,
        }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// Returns the round that is under way.
    pub(super) const fn round(&self) -> Option<&Round> {
        match &self.state {
            State::Dialling(round) | State::Replacing(_, round) => Some(round),
            State::Idle
            | State::Waiting { .. }
            | State::Serving(_)
            | State::Yielding { .. }
            | State::Closed => None,
        }
    }

    /// Returns the round that is under way, to be changed.
    pub(super) const fn round_mut(&mut self) -> Option<&mut Round> {
        match &mut self.state {
            State::Dialling(round) | State::Replacing(_, round) => Some(round),
            State::Idle
            | State::Waiting { .. }
            | State::Serving(_)
            | State::Yielding { .. }
            | State::Closed => None,
        }
    }

    /// Returns the registered connection.
    pub(super) const fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Serving(live) | State::Replacing(live, _) => Some(live),
            State::Idle
            | State::Waiting { .. }
            | State::Dialling(_)
            | State::Yielding { .. }
            | State::Closed => None,
        }
    }

    /// Returns the registered connection, to be changed.
    pub(super) const fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            State::Serving(live) | State::Replacing(live, _) => Some(live),
            State::Idle
            | State::Waiting { .. }
            | State::Dialling(_)
            | State::Yielding { .. }
            | State::Closed => None,
        }
    }

    /// Ends a wait that is not firm.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until, firmness } = &mut self.state
            && *firmness == Firmness::UntilNews
        {
            *until = now.min(*until);
        }
    }

    /// Goes to another state and returns the one that was left.
    pub(super) fn go(&mut self, state: State) -> State {
        debug_assert!(
            allowed(self.state.stage(), state.stage()),
            "{:?} -> {:?} is not in the table",
            self.state.stage(),
            state.stage()
        );
        std::mem::replace(&mut self.state, state)
    }
}

impl State {
    pub(super) const fn stage(&self) -> Stage {
        match self {
            Self::Idle => Stage::Idle,
            Self::Waiting { .. } => Stage::Waiting,
            Self::Dialling(_) => Stage::Dialling,
            Self::Serving(_) => Stage::Serving,
            Self::Replacing(..) => Stage::Replacing,
            Self::Yielding { .. } => Stage::Yielding,
            Self::Closed => Stage::Closed,
        }
    }
}

impl Round {
    /// Returns when something is to be done about the round.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let second = self.second.map(|(_, at)| at);
        let next = second.map_or(self.limit, |at| at.min(self.limit));
        (!self.is_admitted()).then_some(next)
    }

    /// Returns whether one of the dials may register.
    pub(super) fn is_admitted(&self) -> bool {
        self.tries.iter().any(|dialled| dialled.admitted)
    }

    /// Keeps the failure that says most: an answer of the edge says more than a dial that failed,
    /// and the first transport more than the second.
    pub(super) fn note(&mut self, fault: Fault) {
        let weight = |fault: &Fault| (answered(&fault.ended), fault.transport == self.first);
        if self
            .fault
            .as_ref()
            .is_none_or(|known| weight(known) < weight(&fault))
        {
            self.fault = Some(fault);
        }
    }
}

/// Returns whether the edge itself said why.
pub(super) const fn answered(ended: &Ended) -> bool {
    match ended {
        Ended::Duplicate | Ended::Deferred { .. } | Ended::Rejected { .. } => true,
        Ended::Drained | Ended::Lost { .. } | Ended::Unreachable { .. } => false,
    }
}

fn allowed(from: Stage, to: Stage) -> bool {
    TRANSITIONS
        .iter()
        .any(|(before, after, _)| *before == from && *after == to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The diagram beside this file is this table. It is not written by hand: after a change, copy
    /// what the test prints.
    #[test]
    fn the_diagram_shows_the_table() {
        let mut diagram = String::from("stateDiagram-v2\n    [*] --> Idle\n");
        for (before, after, why) in TRANSITIONS {
            diagram.push_str(&format!("    {before:?} --> {after:?}: {why}\n"));
        }
        diagram.push_str("    Closed --> [*]\n");
        assert_eq!(diagram, include_str!("slot.mmd"), "\n{diagram}");
    }

    #[test]
    fn nothing_comes_after_the_end_and_all_come_to_it() {
        let stages = [
            Stage::Idle,
            Stage::Waiting,
            Stage::Dialling,
            Stage::Serving,
            Stage::Replacing,
            Stage::Yielding,
        ];
        for stage in stages {
            assert!(allowed(stage, Stage::Closed), "{stage:?}");
            assert!(!allowed(Stage::Closed, stage), "{stage:?}");
        }
    }
}
