//! Sans-IO. Which address of the edge belongs to which connection: two regions, two families.
//!
//! No address is shared while another is free, connections spread over both regions, and each keeps
//! its address until a failure speaks against it. All of it is upstream's book-keeping; on top of it
//! addresses that failed lately come last, a region that keeps failing gives way to the other, and a
//! family that this host has no route for is never chosen while the other one has.

mod region;
mod spread;

use std::net::SocketAddr;
use std::time::Instant;

use crate::dice::Dice;
use crate::error::Obstacle;
use crate::settings::Family;
use crate::supervisor::{Discovered, Routes};
use region::{Entry, Region};
pub(crate) use spread::Move;

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
        for region in &mut renewed.regions {
            for former in &self.regions {
                region.succeed(former, found.routes);
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

    /// Takes note that an address could not be reached which is not given back.
    pub(crate) fn unreached(&mut self, now: Instant, address: SocketAddr, obstacle: Obstacle) {
        if obstacle == Obstacle::Local {
            return self.blame(now, address);
        }
        if obstacle == Obstacle::NoRoute {
            self.unroutable(now, address);
        }
        let routes = self.routes;
        for region in &mut self.regions {
            region.unreached(now, address, routes);
        }
    }

    /// Forgets what spoke against an address: it works.
    pub(crate) fn proved(&mut self, address: SocketAddr) {
        for region in &mut self.regions {
            region.prove(address);
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

#[cfg(test)]
mod tests;
