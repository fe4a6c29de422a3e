//! Sans-IO. Which address of the edge belongs to which connection: two regions, two families.
//!
//! No address is shared while another is free, connections spread over both regions, and each keeps
//! its address until a failure speaks against it. All of it is upstream's book-keeping; on top of it
//! addresses that failed lately come last, a region that keeps failing gives way to the other, and a
//! family that this host has no route for is never chosen while the other one has.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::settings::Family;
use crate::supervisor::{Discovered, Routes};

/// The addresses of both regions and who uses them.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    regions: [Region; 2],
    routes: Routes,
}

/// Who uses an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    /// The connection of this index.
    Connection(u8),
    /// A connection that is leaving and will not come back to it.
    Leaving,
}

/// What is told about an address that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// It could not be reached.
    Address,
    /// Nothing speaks against it.
    Nothing,
}

#[derive(Clone, Debug)]
struct Region {
    primary: Vec<Entry>,
    secondary: Vec<Entry>,
    active: Active,
    /// Failures since one of its addresses last worked.
    failures: u8,
    last_failure: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Active {
    Primary,
    Secondary { hold_until: Instant },
}

#[derive(Clone, Debug)]
struct Entry {
    address: SocketAddr,
    /// More than one only while there are too few addresses for make-before-break.
    users: Vec<User>,
    failed_at: Option<Instant>,
}

impl Addresses {
    /// Returns the addresses that were found, none of them in use.
    pub(crate) fn new(found: &Discovered, family: Family) -> Self {
        let region = |addresses| Region::new(addresses, family, found.routes);
        Self {
            regions: [region(&found.regions[0]), region(&found.regions[1])],
            routes: found.routes,
        }
    }

    /// Returns what was found anew; connections keep the addresses that are still there.
    pub(crate) fn renewed(&self, found: &Discovered, family: Family) -> Self {
        let mut renewed = Self::new(found, family);
        for entry in self.regions.iter().flat_map(Region::entries) {
            let same = |new: &&mut Entry| new.address == entry.address && new.is_free();
            if let Some(new) = renewed.entries_mut().find(same) {
                new.users.clone_from(&entry.users);
                new.failed_at = entry.failed_at;
            }
        }
        renewed
    }

    /// Returns the address of this connection: the one it has, unless it shares it and another one is
    /// free, or else a free one.
    pub(crate) fn get(&mut self, now: Instant, index: u8, dice: &mut Dice) -> Option<SocketAddr> {
        let own = self.of(index);
        if own.is_some_and(|own| !self.is_shared(own)) {
            return own;
        }
        let free = self.allocate(now, index, None, dice);
        if let (Some(own), Some(_)) = (own, free) {
            self.release(index, own);
        }
        free.or(own)
    }

    /// Returns the address that this connection has.
    pub(crate) fn of(&self, index: u8) -> Option<SocketAddr> {
        let mut entries = self.regions.iter().flat_map(Region::entries);
        let own = entries.find(|entry| entry.users.contains(&User::Connection(index)));
        own.map(|entry| entry.address)
    }

    /// Gives back the address of this connection and returns another one.
    ///
    /// The old one is free again even when there is no other.
    pub(crate) fn different(
        &mut self,
        now: Instant,
        index: u8,
        blame: Blame,
        dice: &mut Dice,
    ) -> Option<SocketAddr> {
        let given_back = self.give_back(now, index, blame);
        self.allocate(now, index, given_back, dice)
    }

    /// Returns a second address for this connection, beside the one it has at `present`.
    ///
    /// When none is free it is one that another connection uses: for a while, two are better than
    /// one that is sick. When there is no other it is the one it has.
    pub(crate) fn second(
        &mut self,
        now: Instant,
        index: u8,
        present: SocketAddr,
        dice: &mut Dice,
    ) -> SocketAddr {
        if let Some(address) = self.allocate(now, index, Some(present), dice) {
            return address;
        }
        let active = self.regions.iter().flat_map(Region::active);
        let others: Vec<_> = active.filter(|entry| entry.address != present).collect();
        let healthy = others.iter().filter(|entry| !entry.failed_lately(now));
        let healthy: Vec<_> = healthy.map(|entry| entry.address).collect();
        let any: Vec<_> = others.iter().map(|entry| entry.address).collect();
        let chosen = dice.pick(&healthy).or_else(|| dice.pick(&any)).unwrap_or(present);
        if let Some(entry) = self.entries_mut().find(|entry| entry.address == chosen) {
            entry.users.push(User::Connection(index));
        }
        chosen
    }

    /// Frees the address of this connection and returns it.
    pub(crate) fn give_back(&mut self, now: Instant, index: u8, blame: Blame) -> Option<SocketAddr> {
        let routes = self.routes;
        let own = User::Connection(index);
        self.regions
            .iter_mut()
            .find_map(|region| region.give_back(now, own, blame, routes))
    }

    /// Frees one of the addresses of this connection.
    pub(crate) fn release(&mut self, index: u8, address: SocketAddr) {
        self.mark(address, User::Connection(index), None);
    }

    /// Keeps an address occupied by a connection that is about to leave it.
    pub(crate) fn hand_over(&mut self, index: u8, address: SocketAddr) {
        self.mark(address, User::Connection(index), Some(User::Leaving));
    }

    /// Keeps an address occupied by a connection that is about to leave it, and by its successor.
    pub(crate) fn make_room(&mut self, index: u8, address: SocketAddr) {
        self.mark(address, User::Connection(index), Some(User::Leaving));
        if let Some(entry) = self.entries_mut().find(|entry| entry.address == address) {
            entry.users.push(User::Connection(index));
        }
    }

    /// Frees an address that a connection has left.
    pub(crate) fn left(&mut self, address: SocketAddr) {
        self.mark(address, User::Leaving, None);
    }

    /// Blames an address that is not given back.
    pub(crate) fn blame(&mut self, now: Instant, address: SocketAddr) {
        for region in &mut self.regions {
            region.blame(now, address);
        }
    }

    /// Forgets what spoke against an address: it works.
    pub(crate) fn proved(&mut self, address: SocketAddr) {
        for region in &mut self.regions {
            let Some(entry) = region.entries_mut().find(|entry| entry.address == address) else {
                continue;
            };
            entry.failed_at = None;
            region.failures = 0;
        }
    }

    /// Takes note that this host has no route to the family of `address`.
    ///
    /// When there is no route to either, the network is down and says nothing about families.
    pub(crate) fn unroutable(&mut self, now: Instant, address: SocketAddr) {
        if address.is_ipv4() {
            self.routes.v4 = false;
        } else {
            self.routes.v6 = false;
        }
        if !self.routes.v4 && !self.routes.v6 {
            self.routes = Routes::default();
        }
        for region in &mut self.regions {
            region.follow(now, self.routes);
        }
    }

    /// Returns how many addresses there are in the families in use.
    pub(crate) fn total(&self) -> usize {
        self.regions.iter().map(|region| region.active().len()).sum()
    }

    fn allocate(
        &mut self,
        now: Instant,
        index: u8,
        excluded: Option<SocketAddr>,
        dice: &mut Dice,
    ) -> Option<SocketAddr> {
        let order = self.order(now, dice);
        let healthy = |entry: &Entry| !entry.failed_lately(now);
        let any = |_: &Entry| true;
        let chosen = order
            .iter()
            .find_map(|&region| self.regions[region].choose(excluded, &healthy, dice))
            .or_else(|| {
                order
                    .iter()
                    .find_map(|&region| self.regions[region].choose(excluded, &any, dice))
            })?;
        let entry = self
            .entries_mut()
            .find(|entry| entry.address == chosen && entry.is_free())?;
        entry.users.push(User::Connection(index));
        Some(chosen)
    }

    /// Returns the regions in the order in which they are tried.
    fn order(&self, now: Instant, dice: &mut Dice) -> [usize; 2] {
        let rank = |region: &Region| (!region.fails(now), region.free(None).count());
        let [first, second] = &self.regions;
        match rank(first).cmp(&rank(second)) {
            std::cmp::Ordering::Greater => [0, 1],
            std::cmp::Ordering::Less => [1, 0],
            std::cmp::Ordering::Equal if dice.coin() => [0, 1],
            std::cmp::Ordering::Equal => [1, 0],
        }
    }

    fn is_shared(&self, address: SocketAddr) -> bool {
        let mut entries = self.regions.iter().flat_map(Region::entries);
        entries.any(|entry| entry.address == address && entry.users.len() > 1)
    }

    fn mark(&mut self, address: SocketAddr, from: User, to: Option<User>) {
        let held = |entry: &&mut Entry| entry.address == address && entry.users.contains(&from);
        if let Some(entry) = self.entries_mut().find(held) {
            entry.leave(from);
            entry.users.extend(to);
        }
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.regions.iter_mut().flat_map(Region::entries_mut)
    }
}

impl Region {
    fn new(addresses: &[SocketAddr], family: Family, routes: Routes) -> Self {
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
        }
    }

    fn give_back(&mut self, now: Instant, user: User, blame: Blame, routes: Routes) -> Option<SocketAddr> {
        let entry = self.entries_mut().find(|entry| entry.users.contains(&user))?;
        entry.leave(user);
        let address = entry.address;
        if blame == Blame::Address {
            self.blame(now, address);
            self.reconsider(now, address, routes);
        }
        Some(address)
    }

    fn blame(&mut self, now: Instant, address: SocketAddr) {
        let Some(entry) = self.entries_mut().find(|entry| entry.address == address) else {
            return;
        };
        entry.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(now);
    }

    /// Changes the family in use after an address of it could not be reached.
    fn reconsider(&mut self, now: Instant, failed: SocketAddr, routes: Routes) {
        match self.active {
            Active::Primary if failed.is_ipv6() && routes.reach_some(&self.secondary) => {
                self.active = Active::Secondary {
                    hold_until: now + HOLD_OFF,
                };
            }
            Active::Secondary { hold_until }
                if (failed.is_ipv4() || hold_until <= now) && routes.reach_some(&self.primary) =>
            {
                self.active = Active::Primary;
            }
            Active::Primary | Active::Secondary { .. } => {}
        }
    }

    /// Leaves a family without a route if the other one has one.
    fn follow(&mut self, now: Instant, routes: Routes) {
        match self.active {
            Active::Primary if !routes.reach_some(&self.primary) && routes.reach_some(&self.secondary) => {
                self.active = Active::Secondary {
                    hold_until: now + HOLD_OFF,
                };
            }
            Active::Secondary { .. }
                if !routes.reach_some(&self.secondary) && routes.reach_some(&self.primary) =>
            {
                self.active = Active::Primary;
            }
            Active::Primary | Active::Secondary { .. } => {}
        }
    }

    /// Returns a free address of the family in use, other than `excluded`.
    fn choose(
        &self,
        excluded: Option<SocketAddr>,
        fit: &dyn Fn(&Entry) -> bool,
        dice: &mut Dice,
    ) -> Option<SocketAddr> {
        let fitting = self.free(excluded).filter(|entry| fit(entry));
        let choices: Vec<_> = fitting.map(|entry| entry.address).collect();
        dice.pick(&choices)
    }

    fn free(&self, excluded: Option<SocketAddr>) -> impl Iterator<Item = &Entry> {
        let free = self.active().iter().filter(|entry| entry.is_free());
        free.filter(move |entry| Some(entry.address) != excluded)
    }

    fn active(&self) -> &[Entry] {
        match self.active {
            Active::Primary => &self.primary,
            Active::Secondary { .. } => &self.secondary,
        }
    }

    fn fails(&self, now: Instant) -> bool {
        self.failures >= FAILING && self.last_failure.is_some_and(|at| now < at + MEMORY)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.primary.iter().chain(&self.secondary)
    }

    fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.primary.iter_mut().chain(&mut self.secondary)
    }
}

impl Entry {
    const fn new(address: &SocketAddr) -> Self {
        Self {
            address: *address,
            users: Vec::new(),
            failed_at: None,
        }
    }

    const fn is_free(&self) -> bool {
        self.users.is_empty()
    }

    /// Takes one mark of this user away.
    fn leave(&mut self, user: User) {
        if let Some(position) = self.users.iter().position(|held| *held == user) {
            self.users.remove(position);
        }
    }

    fn failed_lately(&self, now: Instant) -> bool {
        self.failed_at.is_some_and(|at| now < at + MEMORY)
    }
}

impl Routes {
    const fn reach(self, address: &SocketAddr) -> bool {
        match address {
            SocketAddr::V4(_) => self.v4,
            SocketAddr::V6(_) => self.v6,
        }
    }

    fn reach_some(self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| self.reach(&entry.address))
    }
}

/// How long a region stays with its second family before a failure there leads back to the first.
/// Upstream's number.
const HOLD_OFF: Duration = Duration::from_secs(10 * 60);

/// How long a failure speaks against an address or a region: long enough to try all others first,
/// short enough that a data centre that was away is tried again soon after it is back.
const MEMORY: Duration = Duration::from_secs(60);

/// Failures in a row, with none of its addresses working meanwhile, after which a region comes
/// second. One may be a single dead server.
const FAILING: u8 = 2;

#[cfg(test)]
mod tests;
