//! Which connections are registered, for whoever asks: readiness, diagnostics, a trial run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use adit_exchange::Transport;
use tokio::sync::watch;
use uuid::Uuid;

/// A view of the registered connections that changes as they do.
#[derive(Clone, Debug)]
pub struct Status(watch::Receiver<Vec<Arc<Registered>>>);

/// One registered connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Which of the connections it is.
    pub index: u8,
    /// The edge's name for it.
    pub id: Uuid,
    /// The data centre.
    pub location: String,
    /// What carries it.
    pub transport: Transport,
    /// Where it leads.
    pub address: SocketAddr,
}

/// Where connections enter and strike out themselves.
#[derive(Debug)]
pub(crate) struct Board {
    entries: watch::Sender<Vec<Arc<Registered>>>,
    locations: Mutex<BTreeMap<u8, String>>,
}

/// An entry on the board; dropping it strikes it out.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    board: &'a Board,
    registered: Arc<Registered>,
}

impl Status {
    /// Returns the connections that are registered now, by index.
    ///
    /// While one is being replaced there may be two of the same index.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<Registered>> {
        self.0.borrow().clone()
    }

    /// Waits until the connections are as `wanted` says. Returns whether they are; otherwise the
    /// tunnel is gone.
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&[Arc<Registered>]) -> bool) -> bool {
        let reached = self.0.wait_for(|connections| wanted(connections)).await;
        reached.is_ok()
    }

    /// Waits for any change. Returns whether there was one; otherwise the tunnel is gone.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

impl Board {
    /// Returns a board without entries.
    pub(crate) fn new() -> Self {
        Self {
            entries: watch::Sender::new(Vec::new()),
            locations: Mutex::default(),
        }
    }

    /// Returns a view of the board.
    pub(crate) fn status(&self) -> Status {
        Status(self.entries.subscribe())
    }

    /// Returns the data centre that each connection was registered at last.
    pub(crate) fn locations(&self) -> MutexGuard<'_, BTreeMap<u8, String>> {
        self.locations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection.
    pub(crate) fn enter(&self, registered: Registered) -> Entry<'_> {
        let registered = Arc::new(registered);
        self.entries.send_modify(|entries| {
            entries.push(Arc::clone(&registered));
            entries.sort_by_key(|entry| entry.index);
        });
        Entry {
            board: self,
            registered,
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.board
            .entries
            .send_modify(|entries| entries.retain(|entry| !Arc::ptr_eq(entry, &self.registered)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_lasts_as_long_as_its_connection() {
        let board = Board::new();
        let mut status = board.status();
        let registered = |index| Registered {
            index,
            id: Uuid::nil(),
            location: "lhr01".to_owned(),
            transport: Transport::Quic,
            address: SocketAddr::from(([127, 0, 0, 1], 7844)),
        };
        let second = board.enter(registered(1));
        let first = board.enter(registered(0));
        assert!(status.wait_for(|all| all.len() == 2).await);
        assert_eq!(status.connections()[0].index, 0);
        drop(first);
        assert_eq!(status.connections().len(), 1);
        drop(second);
        assert!(status.connections().is_empty());
    }
}
