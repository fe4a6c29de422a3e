//! Sans-IO. The addresses of one region and the choice between their families.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Blame, User};
use crate::dice::Dice;
use crate::settings::Family;
use crate::supervisor::Routes;

/// One region: its addresses of either family, and the family in use.
#[derive(Clone, Debug)]
pub(super) struct Region {
    primary: Vec<Entry>,
    secondary: Vec<Entry>,
    active: Active,
    /// Failures since one of its addresses last worked.
    failures: u8,
    last_failure: Option<Instant>,
    /// Failures of the family in use since one of its addresses last worked, or since it is in use.
    streak: u8,
}

/// The family in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Active {
    Primary,
    Secondary {
        hold_until: Instant,
        /// Whether one of its addresses has worked since.
        proved: bool,
    },
}

/// One address and who uses it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) address: SocketAddr,
    /// More than one only while there are too few addresses for make-before-break.
    pub(super) users: Vec<User>,
    pub(super) failed_at: Option<Instant>,
}

impl Region {
    pub(super) fn new(addresses: &[SocketAddr], family: Family, routes: Routes) -> Self {
        let routable = addresses.iter().find(|address| routes.reach(address));
        let first_is_v4 = routable.or(addresses.first()).is_some_and(SocketAddr::is_ipv4);
        let (v4, v6): (Vec<_>, Vec<_>) = addresses
            .iter()
            .map(Entry::new)
            .partition(|entry| entry.address.is_ipv4());
        let (primary, secondary) = match family {
            Family::V4 => (v4, Vec::new()),
            Family::V6 => (v6, Vec::new()),
            Family::Auto if first_is_v4 => (v4, v6),
            Family::Auto => (v6, v4),
        };
        Self {
            primary,
            secondary,
            active: Active::Primary,
            failures: 0,
            last_failure: None,
            streak: 0,
        }
    }

    pub(super) fn give_back(
        &mut self,
        now: Instant,
        user: User,
        blame: Blame,
        routes: Routes,
    ) -> Option<SocketAddr> {
        let entry = self.entries_mut().find(|entry| entry.users.contains(&user))?;
        entry.leave(user);
        let address = entry.address;
        if blame == Blame::Address {
            self.unreached(now, address, routes);
        }
        Some(address)
    }

    /// Takes note of an address that could not be reached. It may be for its family.
    pub(super) fn unreached(&mut self, now: Instant, address: SocketAddr, routes: Routes) {
        self.blame(now, address);
        if self.entries().any(|entry| entry.address == address) {
            self.reconsider(now, address, routes);
        }
    }

    /// Takes note of an address that works.
    pub(super) fn prove(&mut self, address: SocketAddr) {
        let Some(entry) = self.entries_mut().find(|entry| entry.address == address) else {
            return;
        };
        entry.failed_at = None;
        self.failures = 0;
        if !self.is_active(address) {
            return;
        }
        self.streak = 0;
        if let Active::Secondary { proved, .. } = &mut self.active {
            *proved = true;
        }
    }

    /// Keeps what is known of the families, if this is the same region found anew and there still is
    /// a route to the one in use.
    pub(super) fn succeed(&mut self, former: &Self, routes: Routes) {
        let same = |entry: &Entry| former.entries().any(|other| other.address == entry.address);
        let first = |region: &Self| region.primary.first().map(|entry| entry.address.is_ipv4());
        if first(self) != first(former) || !self.entries().any(same) {
            return;
        }
        self.failures = former.failures;
        self.last_failure = former.last_failure;
        if former.active == Active::Primary || routes.reach_some(&self.secondary) {
            self.active = former.active;
            self.streak = former.streak;
        }
    }

    pub(super) fn blame(&mut self, now: Instant, address: SocketAddr) {
        let Some(entry) = self.entries_mut().find(|entry| entry.address == address) else {
            return;
        };
        entry.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
        if self.is_active(address) {
            self.streak = self.streak.saturating_add(1);
        }
    }

    /// Changes the family in use after an address of it could not be reached.
    ///
    /// §1.5 as far as IPv6 comes first: one failure leads to IPv4, and one there leads back. Improve:
    /// where IPv4 comes first, upstream never leaves it. Here it is left once it has failed several
    /// times in a row; IPv6 is then given up at once if it never works, and likewise if it does.
    fn reconsider(&mut self, now: Instant, failed: SocketAddr, routes: Routes) {
        let lost = usize::from(self.streak) >= self.active().len().clamp(2, LOST);
        let v6_first = self.primary.first().is_some_and(|entry| entry.address.is_ipv6());
        let enough = match self.active {
            Active::Primary if v6_first => failed.is_ipv6(),
            Active::Primary => lost,
            Active::Secondary { hold_until, .. } if v6_first => failed.is_ipv4() || hold_until <= now,
            Active::Secondary { proved, .. } => failed.is_ipv6() && (lost || !proved),
        };
        if enough {
            self.change(now, routes);
        }
    }

    /// Leaves a family without a route if the other one has one.
    pub(super) fn follow(&mut self, now: Instant, routes: Routes) {
        if !routes.reach_some(self.active()) {
            self.change(now, routes);
        }
    }

    /// Uses the other family from now on, if it has an address with a route.
    fn change(&mut self, now: Instant, routes: Routes) {
        let (other, active) = match self.active {
            Active::Primary => {
                let secondary = Active::Secondary {
                    hold_until: now + HOLD_OFF,
                    proved: false,
                };
                (&self.secondary, secondary)
            }
            Active::Secondary { .. } => (&self.primary, Active::Primary),
        };
        if routes.reach_some(other) {
            self.active = active;
            self.streak = 0;
        }
    }

    /// Returns a free address of the family in use, other than `excluded`.
    pub(super) fn choose(
        &self,
        excluded: Option<SocketAddr>,
        fit: &dyn Fn(&Entry) -> bool,
        dice: &mut Dice,
    ) -> Option<SocketAddr> {
        let fitting = self.free(excluded).filter(|entry| fit(entry));
        let choices: Vec<_> = fitting.map(|entry| entry.address).collect();
        dice.pick(&choices)
    }

    pub(super) fn free(&self, excluded: Option<SocketAddr>) -> impl Iterator<Item = &Entry> {
        let free = self.active().iter().filter(|entry| entry.is_free());
        free.filter(move |entry| Some(entry.address) != excluded)
    }

    pub(super) fn active(&self) -> &[Entry] {
        match self.active {
            Active::Primary => &self.primary,
            Active::Secondary { .. } => &self.secondary,
        }
    }

    fn is_active(&self, address: SocketAddr) -> bool {
        self.active().iter().any(|entry| entry.address == address)
    }

    pub(super) fn fails(&self, now: Instant) -> bool {
        self.failures >= FAILING && self.last_failure.is_some_and(|at| now < at + MEMORY)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.primary.iter().chain(&self.secondary)
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.primary.iter_mut().chain(&mut self.secondary)
    }
}

impl Entry {
    pub(super) const fn new(address: &SocketAddr) -> Self {
        Self {
            address: *address,
            users: Vec::new(),
            failed_at: None,
        }
    }

    pub(super) const fn is_free(&self) -> bool {
        self.users.is_empty()
    }

    /// Takes one mark of this user away.
    pub(super) fn leave(&mut self, user: User) {
        if let Some(position) = self.users.iter().position(|held| *held == user) {
            self.users.remove(position);
        }
    }

    pub(super) fn failed_lately(&self, now: Instant) -> bool {
        self.failed_at.is_some_and(|at| now < at + MEMORY)
    }
}

impl Routes {
    pub(super) const fn reach(self, address: &SocketAddr) -> bool {
        match address {
            SocketAddr::V4(_) => self.v4,
            SocketAddr::V6(_) => self.v6,
        }
    }

    pub(super) fn reach_some(self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| self.reach(&entry.address))
    }
}

/// How long a region stays with its second family before a failure there leads back to the first.
/// Upstream's number.
const HOLD_OFF: Duration = Duration::from_secs(10 * 60);

/// How long a failure speaks against an address or a region: long enough to try all others first,
/// short enough that a data centre that was away is tried again soon after it is back.
const MEMORY: Duration = Duration::from_secs(60);

/// Failures in a row after which a region whose IPv4 addresses come first is tried over IPv6, unless
/// it has fewer addresses: each is worth a try.
const LOST: usize = 4;

/// Failures in a row, with none of its addresses working meanwhile, after which a region comes
/// second. One may be a single dead server.
const FAILING: u8 = 2;
