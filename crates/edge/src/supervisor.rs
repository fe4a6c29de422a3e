//! Sans-IO. Decides which of the connections dials when, where and how, and what the end of one means.
//!
//! **After every [`handle`](Supervisor::handle), drain [`poll`](Supervisor::poll) until it returns
//! nothing, before the next `handle`. Call `handle` with [`Event::Time`] at
//! [`wake_at`](Supervisor::wake_at).** Time and chance are arguments, so that every schedule can be
//! replayed.
//!
//! Connection 0 registers first; then all others start at once, without upstream's pause of a second
//! between them. Each connection is a slot; what it goes through is drawn in
//! `supervisor/slot.mmd`. The parts: `search` looks for the edge, `round` tries to get one connection
//! registered, `failure` decides what comes after one that was not, `loss` says what the end of one
//! means, `relief` replaces what is sick or runs over the fallback transport, `spread` what is in the
//! wrong place, `drain` ends it all.
//!
//! # What ends the process
//!
//! Nothing but a drain and a definite refusal. A refusal is definite when the edge says that it will
//! not change its mind (`shouldRetry` is false, and it is no duplicate) before any connection of this
//! process has ever registered. `Unauthorized` is taken at its word only the third time, from another
//! server each: a tunnel that has just been created is not known everywhere at once. Once a
//! connection has registered, every refusal is temporary: the tunnel was right a moment ago.

mod drain;
mod failure;
mod line;
mod loss;
mod messages;
mod relief;
mod round;
mod search;
mod slot;
mod spread;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use line::{Level, Line};
pub use messages::{Action, Attempt, Dial, Discovered, Event, Outcome, Routes};

use crate::addresses::Addresses;
use crate::backoff::{Backoff, Patience};
use crate::dice::Dice;
use crate::settings::{Family, Protocol, Settings, Source};
use crate::transport::{Percentages, Transports};
use search::Search;
use slot::{Health, Purpose, Slot, State};
use spread::Spread;

/// Keeps the connections of one tunnel.
#[derive(Debug)]
pub struct Supervisor {
    terms: Terms,
    dice: Dice,
    search: Search,
    addresses: Option<Addresses>,
    transports: Transports,
    slots: Vec<Slot>,
    /// How many slots have an address to hope for.
    allowed: u8,
    leaving: BTreeMap<Attempt, Leaving>,
    /// The second level of back-off, for connections that do not last.
    shared: Backoff,
    shared_until: Option<Instant>,
    spread: Spread,
    next_attempt: u64,
    ever_registered: bool,
    phase: Phase,
    actions: VecDeque<Action>,
}

/// What the supervisor is asked to achieve.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Connections to hold at the same time.
    pub connections: u8,
    /// Doublings of the longest wait between two rounds of a connection.
    pub retries: u8,
    /// Failures in a row after which the edge is looked for again, if it has many addresses.
    pub address_retries: u8,
    /// Time for requests in flight to finish while draining.
    pub grace: Duration,
    /// Whether the process gives up when the edge cannot be found at start.
    pub give_up: bool,
    /// Which address family to use.
    pub family: Family,
    /// Which transport to use.
    pub protocol: Protocol,
    /// The account, by which the edge's record chooses a transport.
    pub account: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Draining { until: Instant },
    Finished,
}

/// A connection that was asked to leave.
#[derive(Clone, Debug)]
struct Leaving {
    /// The address that it occupies, unless its successor does.
    address: Option<SocketAddr>,
    deadline: Instant,
}

impl Terms {
    /// Returns what the settings ask for.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        // Addresses from the user are taken as they are, whatever family is asked for.
        let family = match settings.source {
            Source::Discovered { .. } => settings.family,
            Source::Fixed(_) => Family::Auto,
        };
        Self {
            connections: settings.connections,
            retries: settings.retries,
            address_retries: settings.address_retries,
            grace: settings.grace,
            give_up: settings.give_up,
            family,
            protocol: settings.protocol,
            account: settings.credentials.account.clone(),
        }
    }
}

impl Supervisor {
    /// Returns a supervisor whose first order is to look for the edge.
    #[must_use]
    pub fn new(now: Instant, mut terms: Terms, dice: Dice) -> Self {
        // As upstream has it, connection 0 is held whatever number is asked for.
        terms.connections = terms.connections.max(1);
        let backoff = Backoff::new(CONNECTION_BASE, terms.retries, Patience::Endless);
        let mut supervisor = Self {
            dice,
            search: Search::new(now, &terms),
            addresses: None,
            transports: Transports::new(terms.protocol, &terms.account),
            slots: vec![Slot::new(backoff); usize::from(terms.connections)],
            allowed: 0,
            leaving: BTreeMap::new(),
            shared: Backoff::new(SHARED_BASE, terms.retries, Patience::Endless),
            shared_until: None,
            spread: Spread::new(),
            next_attempt: 0,
            ever_registered: false,
            phase: Phase::Running,
            actions: VecDeque::new(),
            terms,
        };
        if !supervisor.transports.selection().waits_for_record() {
            supervisor.tell_initial_transport();
        }
        supervisor.settle(now);
        supervisor
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, now: Instant, event: Event) {
        if self.phase == Phase::Finished {
            return;
        }
        match event {
            Event::Time => {}
            Event::Drain => self.drain(now),
            Event::Ended(attempt, ended) => self.ended(now, attempt, ended),
            // Whoever leaves wants to know nothing more.
            _ if self.phase != Phase::Running => {}
            Event::Discovered(Ok(found)) => self.found(now, &found),
            Event::Discovered(Err(cause)) => self.not_found(now, cause),
            Event::Shares(record) => self.learn(now, &record),
            Event::Reached(attempt) => self.reached(attempt),
            Event::Registered(attempt) => self.registered(now, attempt),
            Event::Sick(attempt) => self.sickened(now, attempt),
            Event::Well(attempt) => self.recovered(now, attempt),
            Event::Unregistered(attempt) => self.yielded(now, attempt),
            Event::Reconnect(pause) => self.reconnect(now, pause),
        }
        self.settle(now);
    }

    /// Returns what is to be done next, if anything is.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`Event::Time`] is due, if no other event comes before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Finished => None,
            Phase::Draining { until } => Some(until),
            Phase::Running => {
                let slots = self.slots.iter().filter_map(Self::slot_wakes_at);
                let leaving = self.leaving.values().map(|leaving| leaving.deadline);
                let rest = [
                    self.search_wakes_at(),
                    self.return_wakes_at(),
                    self.spread_wakes_at(),
                ];
                slots.chain(leaving).chain(rest.into_iter().flatten()).min()
            }
        }
    }

    /// Returns how many connections are registered, those that leave not counted.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.slots.iter().filter(|slot| slot.live().is_some()).count()
    }

    /// Orders whatever is due.
    fn settle(&mut self, now: Instant) {
        if self.phase != Phase::Running {
            return self.settle_drain(now);
        }
        self.drop_overdue(now);
        self.go_without_record(now);
        for index in 0..self.terms.connections {
            self.settle_slot(now, index);
        }
        self.return_if_due(now);
        self.spread_if_due(now);
        // Last, because rounds that fail above may be the reason for it.
        self.search_if_due(now);
    }

    fn settle_slot(&mut self, now: Instant, index: u8) {
        match self.slot(index).state() {
            State::Idle if self.may_start(index) => self.begin(now, index, Purpose::Connect),
            State::Waiting { until, .. } if *until <= now => self.begin(now, index, Purpose::Connect),
            State::Dialling(_) | State::Replacing(..) => self.settle_round(now, index),
            State::Serving(live) => match live.health {
                Health::Sick { replace_at } if replace_at <= now => self.begin(now, index, Purpose::Relieve),
                Health::Sick { .. } | Health::Well => {}
            },
            State::Idle | State::Waiting { .. } | State::Yielding { .. } | State::Closed => {}
        }
    }

    /// Nothing starts before connection 0 has registered: one refusal is enough.
    fn may_start(&self, index: u8) -> bool {
        let known = self.addresses.is_some() && !self.transports.selection().waits_for_record();
        known && index < self.allowed && (index == 0 || self.ever_registered)
    }

    fn slot_wakes_at(slot: &Slot) -> Option<Instant> {
        match slot.state() {
            State::Waiting { until, .. } => Some(*until),
            State::Dialling(round) | State::Replacing(_, round) => round.wakes_at(),
            State::Serving(live) => match live.health {
                Health::Sick { replace_at } => Some(replace_at),
                Health::Well => None,
            },
            State::Idle | State::Yielding { .. } | State::Closed => None,
        }
    }

    fn slot(&self, index: u8) -> &Slot {
        &self.slots[usize::from(index)]
    }

    fn slot_mut(&mut self, index: u8) -> &mut Slot {
        &mut self.slots[usize::from(index)]
    }

    /// Asks a connection to leave that is registered or about to be.
    fn retire(&mut self, now: Instant, attempt: Attempt, address: Option<SocketAddr>) {
        let leaving = Leaving {
            address,
            deadline: now + self.terms.grace + MARGIN,
        };
        self.leaving.insert(attempt, leaving);
        self.act(Action::Leave(attempt));
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn tell(&mut self, line: Line) {
        self.act(Action::Tell(line));
    }

    /// Returns how loud a failure of one connection is: others may carry on.
    fn loudness(&self) -> Level {
        if self.connected() == 0 {
            Level::Error
        } else {
            Level::Warn
        }
    }
}

/// The base of the wait between two rounds of one connection. Upstream's number.
const CONNECTION_BASE: Duration = Duration::from_secs(1);

/// The base of the wait that connections share which do not last. Upstream's number.
const SHARED_BASE: Duration = Duration::from_secs(10);

/// What a connection that was asked to leave gets beyond the grace period, to tell the edge.
const MARGIN: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
