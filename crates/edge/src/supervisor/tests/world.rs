//! A network and an edge without sockets or clocks, and a model of what the supervisor may do.
//!
//! The world performs every action at a virtual moment and checks it against the few sentences that
//! must always hold; see [`World::check`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use adit_exchange::Transport;

use super::super::*;
use crate::error::{Ended, Obstacle};

/// Everything there is.
pub(super) struct World {
    pub(super) supervisor: Supervisor,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) network: Network,
    pub(super) edge: Edge,
    pub(super) dice: Dice,
    pub(super) attempts: BTreeMap<Attempt, Life>,
    pub(super) lines: Vec<Line>,
    pub(super) outcome: Option<Outcome>,
    pub(super) dials: VecDeque<(Instant, Dial)>,
    /// How many there have been.
    pub(super) dialled: usize,
    pub(super) searches: Vec<Instant>,
    /// Every address that was ever found.
    known: BTreeSet<SocketAddr>,
    agenda: BTreeMap<(Instant, u64), Step>,
    steps: u64,
}

/// What works between here and the edge.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) dns: bool,
    pub(super) udp: bool,
    pub(super) tcp: bool,
    pub(super) v4: bool,
    pub(super) v6: bool,
    /// Whether packets of a family arrive that has a route.
    pub(super) arrives: Families,
    pub(super) regions: [bool; 2],
    /// Whether what does not work says so at once.
    pub(super) rejects: bool,
}

/// What holds for each address family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

/// How the edge behaves.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) regions: [Vec<SocketAddr>; 2],
    /// What registrations are answered with; nothing means that they are accepted.
    pub(super) answer: Option<Ended>,
    /// Whether one index is refused twice in the whole tunnel, instead of once for each server.
    pub(super) one_per_index: bool,
    pub(super) shares: Result<Percentages, String>,
}

/// One attempt as the edge sees it.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) dial: Dial,
    pub(super) stage: Stage,
    pub(super) asked_to_leave: bool,
    down_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Dialling,
    Reached,
    Admitted,
    Registered,
    Unregistered,
}

#[derive(Clone, Debug)]
enum Step {
    Found,
    Shares,
    Left(Attempt),
    Dialled(Attempt),
    Answer(Attempt),
    Silence(Attempt, Instant),
    Death(Attempt, Instant),
    Unregister(Attempt),
}

const ROUND_TRIP: Duration = Duration::from_millis(40);
const DIAL_TIMEOUT: Duration = Duration::from_secs(5);
const SICK_AFTER: Duration = Duration::from_secs(2);
const DEAD_AFTER: Duration = Duration::from_secs(5);

impl World {
    pub(super) fn new(seed: u64, terms: Terms) -> Self {
        let now = Instant::now();
        let mut world = Self {
            supervisor: Supervisor::new(now, terms, Dice::new(seed)),
            now,
            start: now,
            network: Network::default(),
            edge: Edge::default(),
            dice: Dice::new(!seed),
            attempts: BTreeMap::new(),
            lines: Vec::new(),
            outcome: None,
            dials: VecDeque::new(),
            dialled: 0,
            searches: Vec::new(),
            known: BTreeSet::new(),
            agenda: BTreeMap::new(),
            steps: 0,
        };
        world.perform();
        world
    }

    /// Tells the supervisor something and performs what it orders.
    pub(super) fn tell(&mut self, event: Event) {
        self.supervisor.handle(self.now, event);
        self.perform();
        let wake_at = self.supervisor.wake_at();
        assert!(wake_at.is_none_or(|at| at > self.now), "the supervisor spins");
    }

    /// Lets time pass until `condition` holds; returns whether it did within `limit`.
    pub(super) fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !condition(self) {
            let step = self.agenda.keys().next().map(|(at, _)| *at);
            let next = [step, self.supervisor.wake_at()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return condition(self);
            };
            self.now = next.max(self.now);
            if step == Some(next) {
                let (_, step) = self.agenda.pop_first().expect("there is a step");
                self.take(step);
            } else {
                self.tell(Event::Time);
            }
        }
        true
    }

    pub(super) fn run_for(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Changes what works, and lets connections feel it.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Network)) {
        change(&mut self.network);
        for attempt in self.attempts.keys().copied().collect::<Vec<_>>() {
            self.feel(attempt);
        }
    }

    /// Ends a registered connection from the far side.
    pub(super) fn kill(&mut self, attempt: Attempt) {
        let cause = "Application error 0x0 (remote)".to_owned();
        self.end(attempt, Ended::Lost { cause, silent: false });
    }

    /// Returns the registered attempts that were not asked to leave.
    pub(super) fn serving(&self) -> impl Iterator<Item = (Attempt, &Dial)> {
        let serving = self
            .attempts
            .iter()
            .filter(|(_, life)| life.stage == Stage::Registered && !life.asked_to_leave);
        serving.map(|(attempt, life)| (*attempt, &life.dial))
    }

    pub(super) fn all_serve(&self, over: Option<Transport>) -> bool {
        let serving: BTreeSet<_> = self
            .serving()
            .filter(|(_, dial)| over.is_none_or(|transport| dial.transport == transport))
            .map(|(_, dial)| dial.index)
            .collect();
        serving.len() == usize::from(self.supervisor.allowed.max(1))
    }

    /// Returns whether no address is shared while another one is free, nor a data centre crowded.
    pub(super) fn is_spread(&self) -> bool {
        let lives: Vec<_> = self
            .serving()
            .map(|(_, dial)| (dial.index, dial.address))
            .collect();
        let addresses = self.supervisor.addresses.as_ref();
        addresses.is_some_and(|addresses| addresses.ill_placed(&lives).is_none())
    }

    pub(super) fn told(&self, beginning: &str) -> usize {
        self.lines
            .iter()
            .filter(|line| line.message.starts_with(beginning))
            .count()
    }

    fn perform(&mut self) {
        while let Some(action) = self.supervisor.poll() {
            assert!(self.outcome.is_none(), "{action:?} after the end");
            match action {
                Action::Dial(dial) => self.dial(dial),
                Action::Admit(attempt) => self.admit(attempt),
                Action::Leave(attempt) => self.leave(attempt),
                Action::Drop(attempt) => {
                    self.attempts.remove(&attempt).expect("who is dropped exists");
                }
                Action::Discover => {
                    self.searches.push(self.now);
                    self.plan(ROUND_TRIP, Step::Found);
                }
                Action::LookUpShares => {
                    self.plan(ROUND_TRIP, Step::Shares);
                }
                Action::Tell(line) => self.lines.push(line),
                Action::Finish(outcome) => self.outcome = Some(outcome),
            }
        }
        self.check();
    }

    /// The model: what holds whenever the supervisor has nothing more to say.
    fn check(&self) {
        let mut serving = BTreeMap::new();
        let mut admitted = BTreeSet::new();
        for (attempt, life) in &self.attempts {
            let index = life.dial.index;
            if life.stage == Stage::Registered && !life.asked_to_leave {
                let twin = serving.insert(index, attempt);
                assert!(twin.is_none(), "{attempt} and {twin:?} serve index {index}");
            }
            if life.stage == Stage::Admitted && !life.asked_to_leave {
                assert!(admitted.insert(index), "two are admitted for index {index}");
            }
        }
        let slots = self.supervisor.connected();
        assert_eq!(slots, serving.len(), "{serving:?}");
        if self.outcome == Some(Outcome::Drained) {
            assert!(
                self.attempts.values().all(|life| life.asked_to_leave),
                "the end came too early"
            );
        }
    }

    fn dial(&mut self, dial: Dial) {
        assert!(self.known.contains(&dial.address), "{} is nowhere", dial.address);
        self.check_address(&dial);
        self.dials.push_back((self.now, dial.clone()));
        self.dialled += 1;
        self.bound_rate(dial.index);
        let attempt = dial.attempt;
        let life = Life {
            dial,
            stage: Stage::Dialling,
            asked_to_leave: false,
            down_since: None,
        };
        assert!(
            self.attempts.insert(attempt, life).is_none(),
            "{attempt} is used twice"
        );
        let answered = self.works(attempt) || self.network.rejects || !self.routed(attempt);
        let pause = if answered { ROUND_TRIP } else { DIAL_TIMEOUT };
        let jitter = self.dice.shorter_than(ROUND_TRIP);
        self.plan(pause + jitter, Step::Dialled(attempt));
    }

    /// No address is shared while another one is free.
    fn check_address(&self, dial: &Dial) {
        let round = self.supervisor.slot(dial.index).round();
        if round.is_none_or(|round| round.first != dial.transport) {
            return;
        }
        let shared = |life: &&Life| life.dial.address == dial.address && life.dial.index != dial.index;
        if !self.attempts.values().any(|life| shared(&life)) {
            return;
        }
        let slots = self.supervisor.slots.iter();
        let rounds = slots.filter_map(|slot| slot.round().map(|round| round.address));
        let lives = self.attempts.values().map(|life| life.dial.address);
        let used: BTreeSet<_> = lives.chain(rounds).collect();
        let waits = |slot: &&Slot| matches!(slot.state(), State::Waiting { .. });
        let kept = self.supervisor.slots.iter().filter(waits).count();
        let all = self.supervisor.addresses.as_ref().map_or(0, Addresses::total);
        assert!(used.len() + kept >= all, "{} is shared", dial.address);
    }

    /// No index is dialled more than so often, whatever happens.
    fn bound_rate(&mut self, index: u8) {
        while self.dials.front().is_some_and(|(at, _)| *at + WINDOW < self.now) {
            self.dials.pop_front();
        }
        let dials = self.dials.iter().filter(|(_, dial)| dial.index == index).count();
        assert!(
            dials <= DIALS_PER_WINDOW,
            "{dials} dials of index {index} in {WINDOW:?}"
        );
    }

    fn admit(&mut self, attempt: Attempt) {
        let life = self.attempts.get_mut(&attempt).expect("who is admitted exists");
        assert_eq!(life.stage, Stage::Reached, "{attempt} is admitted");
        life.stage = Stage::Admitted;
        self.plan(ROUND_TRIP, Step::Answer(attempt));
    }

    fn leave(&mut self, attempt: Attempt) {
        let life = self
            .attempts
            .get_mut(&attempt)
            .expect("who is asked to leave exists");
        assert!(!life.asked_to_leave, "{attempt} is asked twice");
        let admitted = matches!(life.stage, Stage::Admitted | Stage::Registered);
        assert!(admitted, "{attempt} is asked to leave");
        life.asked_to_leave = true;
        if life.stage == Stage::Registered {
            self.plan(ROUND_TRIP, Step::Unregister(attempt));
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Found => {
                let found = self.discover();
                self.known
                    .extend(found.iter().flat_map(|found| found.regions.iter().flatten()));
                self.tell(Event::Discovered(found));
            }
            Step::Shares => self.tell(Event::Shares(self.edge.shares.clone())),
            Step::Left(attempt) => self.end(attempt, Ended::Drained),
            Step::Dialled(attempt) => self.dialled(attempt),
            Step::Answer(attempt) => self.answer(attempt),
            Step::Unregister(attempt) => self.unregister(attempt),
            Step::Silence(attempt, since) => {
                if self.is_down(attempt, since) {
                    self.tell(Event::Sick(attempt));
                }
            }
            Step::Death(attempt, since) => {
                if self.is_down(attempt, since) {
                    let cause = "timeout: no recent network activity".to_owned();
                    self.end(attempt, Ended::Lost { cause, silent: true });
                }
            }
        }
    }

    fn dialled(&mut self, attempt: Attempt) {
        if !self.attempts.contains_key(&attempt) {
            return;
        }
        if self.works(attempt) {
            self.stage(attempt, Stage::Reached);
            return self.tell(Event::Reached(attempt));
        }
        let obstacle = match (self.routed(attempt), self.network.rejects) {
            (false, _) => Obstacle::NoRoute,
            (true, true) => Obstacle::Refused,
            (true, false) => Obstacle::Silence,
        };
        let cause = "no way".to_owned();
        self.end(attempt, Ended::Unreachable { cause, obstacle });
    }

    fn answer(&mut self, attempt: Attempt) {
        let Some(life) = self.attempts.get(&attempt) else {
            return;
        };
        let same = |other: &Life| {
            let near = self.edge.one_per_index || other.dial.address == life.dial.address;
            other.stage == Stage::Registered && other.dial.index == life.dial.index && near
        };
        if !self.works(attempt) {
            let cause = "context deadline exceeded".to_owned();
            return self.end(attempt, Ended::Deferred { cause, after: None });
        }
        if self.attempts.values().any(same) {
            return self.end(attempt, Ended::Duplicate);
        }
        if let Some(answer) = self.edge.answer.clone() {
            return self.end(attempt, answer);
        }
        self.stage(attempt, Stage::Registered);
        self.tell(Event::Registered(attempt));
        self.feel(attempt);
        if self
            .attempts
            .get(&attempt)
            .is_some_and(|life| life.asked_to_leave)
        {
            self.plan(ROUND_TRIP, Step::Unregister(attempt));
        }
    }

    fn unregister(&mut self, attempt: Attempt) {
        if !self.attempts.contains_key(&attempt) {
            return;
        }
        if self.works(attempt) {
            self.stage(attempt, Stage::Unregistered);
            self.tell(Event::Unregistered(attempt));
        }
        let rest = self.dice.shorter_than(self.supervisor.terms.grace);
        self.plan(rest, Step::Left(attempt));
    }

    fn end(&mut self, attempt: Attempt, ended: Ended) {
        if self.attempts.remove(&attempt).is_some() {
            self.tell(Event::Ended(attempt, ended));
        }
    }

    fn feel(&mut self, attempt: Attempt) {
        let works = self.works(attempt);
        let now = self.now;
        let Some(life) = self
            .attempts
            .get_mut(&attempt)
            .filter(|life| life.stage == Stage::Registered)
        else {
            return;
        };
        match (works, life.down_since) {
            (false, None) => {
                life.down_since = Some(now);
                self.plan(SICK_AFTER, Step::Silence(attempt, now));
                self.plan(DEAD_AFTER, Step::Death(attempt, now));
            }
            (true, Some(_)) => {
                life.down_since = None;
                self.tell(Event::Well(attempt));
            }
            (false, Some(_)) | (true, None) => {}
        }
    }

    fn is_down(&self, attempt: Attempt, since: Instant) -> bool {
        self.attempts
            .get(&attempt)
            .is_some_and(|life| life.down_since == Some(since))
    }

    fn works(&self, attempt: Attempt) -> bool {
        let Some(Life { dial, .. }) = self.attempts.get(&attempt) else {
            return false;
        };
        let region = self
            .edge
            .regions
            .iter()
            .position(|region| region.contains(&dial.address));
        let transport = match dial.transport {
            Transport::Quic => self.network.udp,
            Transport::Http2 => self.network.tcp,
        };
        let Families { v4, v6 } = self.network.arrives;
        let arrives = if dial.address.is_ipv4() { v4 } else { v6 };
        transport
            && arrives
            && self.routed(attempt)
            && region.is_some_and(|region| self.network.regions[region])
    }

    fn routed(&self, attempt: Attempt) -> bool {
        let v4 = self.attempts[&attempt].dial.address.is_ipv4();
        if v4 { self.network.v4 } else { self.network.v6 }
    }

    fn discover(&self) -> Result<Discovered, String> {
        if !self.network.dns {
            return Err("Could not lookup srv records".to_owned());
        }
        Ok(Discovered {
            regions: self.edge.regions.clone(),
            routes: Routes {
                v4: self.network.v4,
                v6: self.network.v6,
            },
        })
    }

    fn stage(&mut self, attempt: Attempt, stage: Stage) {
        if let Some(life) = self.attempts.get_mut(&attempt) {
            life.stage = stage;
        }
    }

    fn plan(&mut self, after: Duration, step: Step) {
        self.steps += 1;
        self.agenda.insert((self.now + after, self.steps), step);
    }
}

impl Default for Network {
    fn default() -> Self {
        Self {
            dns: true,
            udp: true,
            tcp: true,
            v4: true,
            v6: true,
            arrives: Families { v4: true, v6: true },
            regions: [true, true],
            rejects: false,
        }
    }
}

impl Edge {
    /// Gives each region addresses of the other family, before or after those that it has.
    pub(super) fn grow(&mut self, before: bool) {
        for (number, region) in (1..).zip(&mut self.regions) {
            let v6 = |last: u16| SocketAddr::from(([0x2001, 0xdb8, number, 0, 0, 0, 0, last], 7844));
            let position = if before { 0 } else { region.len() };
            region.splice(position..position, (1..=5).map(v6));
        }
    }
}

impl Default for Edge {
    fn default() -> Self {
        let region = |third: u8| {
            (1..=5)
                .map(|last| SocketAddr::from(([198, 51, third, last], 7844)))
                .collect()
        };
        Self {
            regions: [region(1), region(2)],
            answer: None,
            one_per_index: false,
            shares: Ok(Percentages::default()),
        }
    }
}

pub(super) fn terms() -> Terms {
    Terms {
        connections: 4,
        retries: 5,
        address_retries: 8,
        grace: Duration::from_secs(30),
        give_up: false,
        family: Family::Auto,
        protocol: Protocol::Auto { token: true },
        account: String::new(),
    }
}

pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const WINDOW: Duration = Duration::from_secs(10);

/// Two transports for each round, and rounds a tenth of a second apart only if every draw of the
/// back-off is close to nothing.
const DIALS_PER_WINDOW: usize = 24;
