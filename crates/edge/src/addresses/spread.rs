//! Sans-IO. Which connection had better be elsewhere: in the data centre that has fewer, or at an
//! address of its own.

use std::net::SocketAddr;
use std::time::Instant;

use super::region::{Entry, Region};
use super::{Addresses, User};
use crate::dice::Dice;

/// A connection, and the region where it had better be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) index: u8,
    pub(crate) region: usize,
}

impl Addresses {
    /// Returns a connection that had better move to a free address, if there is one. `lives` are the
    /// connections that serve, and where.
    pub(crate) fn ill_placed(&self, lives: &[(u8, SocketAddr)]) -> Option<Move> {
        let is_in = |region: usize, address| self.regions[region].entries().any(|of| of.address == address);
        let count = |region| {
            lives
                .iter()
                .filter(|(_, address)| is_in(region, *address))
                .count()
        };
        let (few, many) = if count(0) > count(1) { (1, 0) } else { (0, 1) };
        let has_room = |region: &usize| self.regions[*region].free(None).next().is_some();
        if count(many) >= count(few) + 2 && has_room(&few) {
            let last = lives.iter().rev().find(|(_, address)| is_in(many, *address));
            return last.map(|(index, _)| Move {
                index: *index,
                region: few,
            });
        }
        let is_second = |(index, address): &&(u8, SocketAddr)| {
            let same = |(other, at): &(u8, SocketAddr)| other < index && at == address;
            lives.iter().any(same)
        };
        let (index, _) = *lives.iter().rev().find(is_second)?;
        let region = [few, many].into_iter().find(has_room)?;
        Some(Move { index, region })
    }

    /// Returns a second address for a connection, in the region where it had better be. There is none
    /// if all that are free have failed lately.
    pub(crate) fn elsewhere(&mut self, now: Instant, to: Move, dice: &mut Dice) -> Option<SocketAddr> {
        let healthy = |entry: &Entry| !entry.failed_lately(now);
        let region: &mut Region = &mut self.regions[to.region];
        let chosen = region.choose(None, &healthy, dice)?;
        let entry = region.entries_mut().find(|entry| entry.address == chosen)?;
        entry.users.push(User::Connection(to.index));
        Some(chosen)
    }
}
