//! Sans-IO. One go at getting a connection registered: dial, perhaps a second transport beside the
//! first, admit whoever gets through, and decide what a failure means.
//!
//! Only one dial of a round is ever admitted, so no connection registers twice because two
//! transports were tried.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use adit_exchange::Transport;

use super::slot::{Fault, Health, Live, Purpose, Round, Slot, State, Try, answered};
use super::{Action, Attempt, Dial, Level, Line, Supervisor, words};
use crate::error::Ended;
use crate::transport::{Evidence, HEAD_START, Plan};

impl Supervisor {
    /// Begins a round for a connection.
    pub(super) fn begin(&mut self, now: Instant, index: u8, purpose: Purpose) {
        let plan = self.plan(index, purpose);
        let factor = self.stretch(index);
        let addresses = self
            .addresses
            .as_mut()
            .expect("nothing begins before the edge is found");
        let had = addresses.of(index);
        let dice = &mut self.dice;
        let present = self.slots[usize::from(index)].live().map(|live| live.address);
        let address = match (present, purpose) {
            (Some(_), Purpose::Spread(to)) => match addresses.elsewhere(now, to, dice) {
                Some(address) => address,
                None => return,
            },
            (Some(present), _) => addresses.second(now, index, present, dice),
            (None, _) => match addresses.get(now, index, dice) {
                Some(address) => address,
                None => return self.no_address(now, index),
            },
        };
        if self.transports.selection().is_stale(now) {
            self.ask_for_record();
        }
        let reused = had == Some(address);
        let message = if reused { SAME_ADDRESS } else { NEW_ADDRESS };
        self.tell(Line::new(Level::Debug, message).at(index, address.ip()));
        let round = Round {
            purpose,
            address,
            first: plan.first,
            tries: Vec::new(),
            second: plan.second.map(|transport| (transport, now + HEAD_START)),
            limit: now + DIAL_LIMIT * factor,
            fault: None,
        };
        let slot = self.slot_mut(index);
        let next = match slot.live().cloned() {
            Some(live) => State::Replacing(live, round),
            None => State::Dialling(round),
        };
        slot.go(next);
        self.dial(index, plan.first);
    }

    /// Goes on with a round whose time has come.
    pub(super) fn settle_round(&mut self, now: Instant, index: u8) {
        let factor = self.stretch(index);
        let Some(round) = self.slot_mut(index).round_mut() else {
            return;
        };
        if round.wakes_at().is_none_or(|at| now < at) {
            return;
        }
        if round.limit <= now {
            return self.give_up_round(now, index);
        }
        if let Some((transport, _)) = round.second.take() {
            round.limit = now + RACE_LIMIT * factor;
            self.dial(index, transport);
        }
    }

    /// Lets the first dial of a round that got through register, and ends the others.
    pub(super) fn reached(&mut self, attempt: Attempt) {
        let Some(index) = self.dialling(attempt) else {
            return;
        };
        let Some(round) = self.slot_mut(index).round_mut() else {
            return;
        };
        if round.is_admitted() {
            return;
        }
        round.second = None;
        let (winners, losers): (Vec<_>, Vec<_>) = round
            .tries
            .drain(..)
            .partition(|dialled| dialled.attempt == attempt);
        round.tries = winners;
        for dialled in &mut round.tries {
            dialled.admitted = true;
        }
        for loser in losers {
            self.act(Action::Drop(loser.attempt));
        }
        self.tell_transport(index);
        self.act(Action::Admit(attempt));
    }

    /// Takes note of a registration.
    pub(super) fn registered(&mut self, now: Instant, attempt: Attempt) {
        let Some(index) = self.dialling(attempt) else {
            return;
        };
        let slot = self.slot_mut(index);
        let Some(round) = slot.round().cloned() else {
            return;
        };
        let transport = round
            .tries
            .iter()
            .find(|dialled| dialled.attempt == attempt)
            .map(|dialled| dialled.transport);
        let live = Live {
            attempt,
            address: round.address,
            transport: transport.unwrap_or(round.first),
            since: now,
            health: Health::Well,
        };
        let evidence = self.evidence(&round, live.transport);
        let slot = self.slot_mut(index);
        slot.backoff.reset(now);
        slot.failures = 0;
        slot.unauthorised = 0;
        let old = slot.go(State::Serving(live));
        if let State::Replacing(old, _) = old {
            self.succeed(now, index, &old);
        }
        if let Purpose::Spread(_) = round.purpose {
            self.spread.count_success();
        }
        self.ever_registered = true;
        self.search.count_success();
        if let Some(addresses) = &mut self.addresses {
            addresses.proved(round.address);
        }
        if let Some(evidence) = evidence {
            self.transports.weigh(now, evidence);
        }
        self.spread_news(now);
        self.settle_shared(now);
    }

    /// Takes note of a dial that came to nothing.
    pub(super) fn dial_ended(&mut self, now: Instant, index: u8, attempt: Attempt, ended: Ended) {
        let factor = self.stretch(index);
        let Some(round) = self.slot_mut(index).round_mut() else {
            return;
        };
        let Some(position) = round.tries.iter().position(|dialled| dialled.attempt == attempt) else {
            return;
        };
        let final_word = answered(&ended);
        let transport = round.tries.remove(position).transport;
        let fault = Fault { transport, ended };
        round.note(fault.clone());
        let address = round.address;
        if !round.tries.is_empty() {
            return self.tell_all(words::of_failure(Level::Debug, index, address, &fault));
        }
        let second = round.second.take().filter(|_| !final_word);
        let Some((transport, _)) = second else {
            return self.round_failed(now, index);
        };
        round.limit = now + RACE_LIMIT * factor;
        self.tell_all(words::of_failure(Level::Debug, index, address, &fault));
        self.dial(index, transport);
    }

    /// Returns the slot whose round this attempt is part of.
    pub(super) fn dialling(&self, attempt: Attempt) -> Option<u8> {
        let of = |index: &u8| {
            let round = self.slot(*index).round();
            round.is_some_and(|round| round.tries.iter().any(|dialled| dialled.attempt == attempt))
        };
        (0..self.terms.connections).find(of)
    }

    /// Ends all dials of a round. Whoever may have registered already takes its leave of the edge.
    pub(super) fn end_dials(&mut self, now: Instant, round: &Round, address: Option<SocketAddr>) {
        for dialled in &round.tries {
            if dialled.admitted {
                self.retire(now, dialled.attempt, address);
            } else {
                self.act(Action::Drop(dialled.attempt));
            }
        }
    }

    pub(super) fn tell_all(&mut self, lines: Vec<Line>) {
        for line in lines {
            self.tell(line);
        }
    }

    fn plan(&self, index: u8, purpose: Purpose) -> Plan {
        let slot = self.slot(index);
        let usual = self.transports.plan(slot.failures);
        if let (Purpose::Spread(_), Some(live)) = (purpose, slot.live()) {
            return Plan {
                first: live.transport,
                second: None,
            };
        }
        match (purpose, slot.state(), self.transports.better()) {
            (Purpose::Return, _, Some(first)) => Plan { first, second: None },
            (_, State::Yielding { .. }, Some(first)) => Plan {
                first,
                second: self.transports.selection().fallback(),
            },
            // It may be the transport that is lost, not some addresses: nobody waits for its death.
            (Purpose::Relieve, _, Some(first)) if usual.first == first && self.all_sick_over(first) => Plan {
                first,
                second: self.transports.selection().fallback(),
            },
            _ => usual,
        }
    }

    fn all_sick_over(&self, transport: Transport) -> bool {
        let mut lives = self.slots.iter().filter_map(Slot::live);
        lives.all(|live| live.transport != transport || live.health != Health::Well)
    }

    fn dial(&mut self, index: u8, transport: Transport) {
        let attempt = Attempt(self.next_attempt);
        self.next_attempt += 1;
        let slot = self.slot_mut(index);
        let previous_attempts = slot.backoff.retries();
        let Some(round) = slot.round_mut() else {
            return;
        };
        round.tries.push(Try {
            attempt,
            transport,
            admitted: false,
        });
        let dial = Dial {
            attempt,
            index,
            address: round.address,
            transport,
            previous_attempts,
        };
        self.act(Action::Dial(dial));
    }

    /// Returns by how much the limits of a round are stretched: a slow path gets more time with every
    /// failure.
    fn stretch(&self, index: u8) -> u32 {
        1 << self.slot(index).failures.min(2)
    }

    /// Ends the waits of the other connections, when the first of them got through again.
    fn spread_news(&mut self, now: Instant) {
        if self.connected() > 1 {
            return;
        }
        for slot in &mut self.slots {
            slot.hurry(now);
        }
    }

    /// Tells which transport takes over from which.
    fn tell_transport(&mut self, index: u8) {
        let Some(round) = self.slot(index).round() else {
            return;
        };
        let Some(winner) = round.tries.first() else {
            return;
        };
        let better = self.transports.better();
        let (address, transport) = (round.address, winner.transport);
        if round.purpose == Purpose::Return || (transport != round.first && Some(transport) == better) {
            self.tell(words::of_change(index, address, transport));
        } else if transport != round.first {
            let lines = words::of_fallback(index, address, transport, round.fault.as_ref());
            self.tell_all(lines);
        }
    }

    /// Returns what a registration says about QUIC.
    fn evidence(&self, round: &Round, transport: Transport) -> Option<Evidence> {
        let better = self.transports.better()?;
        if transport == better {
            return Some(Evidence::Registered);
        }
        (round.first == better).then_some(Evidence::FallbackWon)
    }
}

const NEW_ADDRESS: &str = "edge discovery: giving new address to connection";
const SAME_ADDRESS: &str = "edge discovery: returning same edge address back to pool";

/// How long a dial may go on by itself. A path that works answers in a fraction of it; otherwise the
/// next address is more promising.
const DIAL_LIMIT: Duration = Duration::from_secs(8);

/// How long two dials may go on beside each other after the second has begun.
const RACE_LIMIT: Duration = Duration::from_secs(6);
