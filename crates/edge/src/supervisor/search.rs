//! Sans-IO. Looking for the edge: at start, when every address fails, and when there are too few.
//!
//! A search that fails is repeated every second for as long as it takes: a name server that comes
//! up late must not keep the tunnel waiting.

use std::time::{Duration, Instant};

use super::{Action, Discovered, Level, Line, Outcome, Percentages, Supervisor, Terms};
use crate::addresses::Addresses;
use crate::backoff::{Backoff, Patience};

/// The search for the edge.
#[derive(Clone, Debug)]
pub(super) struct Search {
    state: State,
    /// The waits between searches at start, if there is an end to them.
    waits: Option<Backoff>,
    /// Whether no search has found anything yet, not even that there is nothing.
    news: bool,
    /// Rounds that failed since the last search or registration.
    failures: u8,
    /// Until when the record of transports is waited for.
    record_by: Option<Instant>,
    /// Whether the record of transports is being looked up.
    asking: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    Due(Instant),
    Resting { since: Instant },
}

impl Search {
    pub(super) fn new(now: Instant, terms: &Terms) -> Self {
        let limited = Backoff::new(SEARCH_PAUSE, terms.retries, Patience::Limited);
        Self {
            state: State::Due(now),
            waits: terms.give_up.then_some(limited),
            news: true,
            failures: 0,
            record_by: None,
            asking: false,
        }
    }

    /// Counts a round that found nobody.
    pub(super) const fn count_failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Takes note of an address that works.
    pub(super) const fn count_success(&mut self) {
        self.failures = 0;
    }
}

impl Supervisor {
    /// Stops waiting for the record of transports when it takes too long.
    pub(super) fn go_without_record(&mut self, now: Instant) {
        if self.record_due_at().is_some_and(|by| by <= now) {
            self.learn(now, &Err("no answer in time".to_owned()));
        }
    }

    pub(super) fn search_if_due(&mut self, now: Instant) {
        if self.search_due_at().is_some_and(|at| at <= now) {
            self.search.state = State::Running;
            self.search.failures = 0;
            self.act(Action::Discover);
        }
    }

    pub(super) fn search_wakes_at(&self) -> Option<Instant> {
        [self.search_due_at(), self.record_due_at()]
            .into_iter()
            .flatten()
            .min()
    }

    fn search_due_at(&self) -> Option<Instant> {
        match self.search.state {
            State::Running => None,
            State::Due(at) => Some(at),
            State::Resting { since } if self.every_address_fails() => Some(since + SHORTEST_REST),
            State::Resting { since } if self.allowed < self.terms.connections => Some(since + SCARCITY),
            State::Resting { .. } => None,
        }
    }

    fn record_due_at(&self) -> Option<Instant> {
        let waiting = self.transports.selection().waits_for_record();
        self.search.record_by.filter(|_| waiting)
    }

    pub(super) fn found(&mut self, now: Instant, found: &Discovered) {
        let family = self.terms.family;
        let known = self.addresses.as_ref();
        let addresses = known.map_or_else(
            || Addresses::new(found, family),
            |known| known.renewed(found, family),
        );
        let total = addresses.total();
        let allowed = u8::try_from(total).unwrap_or(u8::MAX).min(self.terms.connections);
        let news = std::mem::take(&mut self.search.news) || allowed != self.allowed;
        if news && allowed < self.terms.connections {
            let message = format!(
                "You requested {} HA connections but I can give you at most {total}.",
                self.terms.connections
            );
            self.tell(Line::new(Level::Info, message));
        }
        if total == 0 {
            return self.not_found(now, NO_ADDRESS.to_owned());
        }
        self.search.state = State::Resting { since: now };
        self.allowed = allowed;
        self.addresses = Some(addresses);
        if self.transports.selection().waits_for_record() && self.search.record_by.is_none() {
            self.search.record_by = Some(now + RECORD_PATIENCE);
            self.ask_for_record();
        }
    }

    pub(super) fn not_found(&mut self, now: Instant, cause: String) {
        if self.addresses.is_some() {
            // What was known is still the best there is; it is looked for again when it is of no use.
            self.search.state = State::Resting { since: now };
            return;
        }
        let waits = self.search.waits.as_mut();
        let pause = waits.map_or(Some(SEARCH_PAUSE), |waits| waits.wait(now, &mut self.dice));
        match pause {
            Some(pause) => self.search.state = State::Due(now + pause),
            None => self.finish(Outcome::NotFound { cause }),
        }
    }

    /// Looks up the record of transports, unless it is being looked up.
    pub(super) fn ask_for_record(&mut self) {
        if !self.search.asking {
            self.search.asking = true;
            self.act(Action::LookUpShares);
        }
    }

    /// Takes note of the record of transports.
    pub(super) fn learn(&mut self, now: Instant, record: &Result<Percentages, String>) {
        self.search.asking = false;
        let first = self.transports.selection().waits_for_record();
        let refused = !first && self.transports.selection().is_stale(now);
        self.transports.learn(now, record);
        match record {
            Err(cause) if refused => {
                self.tell(Line::new(Level::Error, "Failed to refresh protocol").because(cause));
            }
            Err(_) if first => self.tell(Line::new(Level::Warn, "Unable to lookup protocol percentage.")),
            Ok(_) | Err(_) => {}
        }
        if first {
            let message = format!("Fetched protocol: {}", self.transports.selection().preferred());
            self.tell(Line::new(Level::Debug, message));
            self.tell_initial_transport();
        }
    }

    pub(super) fn tell_initial_transport(&mut self) {
        let message = format!("Initial protocol {}", self.transports.selection().preferred());
        self.tell(Line::new(Level::Info, message));
    }

    fn every_address_fails(&self) -> bool {
        let total = self.addresses.as_ref().map_or(0, Addresses::total).max(2);
        let enough = total.min(usize::from(self.terms.address_retries.max(1)));
        self.connected() == 0 && usize::from(self.search.failures) >= enough
    }
}

/// Upstream's words for an empty list of addresses.
pub(super) const NO_ADDRESS: &str = "there are no free edge addresses left to resolve to";

/// The pause after a search that failed: short, because visitors wait for what it finds.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// The shortest pause between two searches that succeed, while no address answers.
const SHORTEST_REST: Duration = Duration::from_secs(10);

/// How often the edge is looked for while it has fewer addresses than connections are wanted.
const SCARCITY: Duration = Duration::from_secs(60);

/// How long the record of transports may keep the first connection waiting once the edge is found.
const RECORD_PATIENCE: Duration = Duration::from_secs(1);
