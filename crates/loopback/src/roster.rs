//! Who is connected: every connection that came in, every registration, and what became of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use crate::link::{Link, Place, Transport};

/// What a connector said when it registered a connection, and where it did so.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Counts the connections to the edge in the order in which they came in.
    pub serial: u64,
    /// The index of the connection.
    pub index: u8,
    /// The account.
    pub account_tag: String,
    /// The tunnel.
    pub tunnel_id: Uuid,
    /// The id of the connector.
    pub client_id: Uuid,
    /// What the connector can do, in its order.
    pub features: Vec<String>,
    /// The version of the connector.
    pub version: String,
    /// The system it runs on.
    pub arch: String,
    /// Its own address, as it knows it.
    pub origin_local_ip: Option<IpAddr>,
    /// How often it has tried before.
    pub previous_attempts: u8,
    /// The transport.
    pub transport: Transport,
    /// The data centre.
    pub site: usize,
    /// The address of the edge.
    pub address: SocketAddr,
    /// The address of the connector, as the edge sees it.
    pub peer: SocketAddr,
    /// The id that the edge gave the connection.
    pub connection_id: Uuid,
    /// When it registered.
    pub at: Instant,
}

/// What became of a registered connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It gets requests.
    Serving,
    /// The connector has unregistered it: it gets no new requests and ends once it is drained.
    Leaving,
    /// It has ended.
    Gone,
}

/// An attempt to reach the edge, successful or not.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The transport.
    pub transport: Transport,
    /// The address of the edge.
    pub address: SocketAddr,
    /// The address of the connector.
    pub peer: SocketAddr,
    /// When it came.
    pub at: Instant,
}

/// A registration that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The index of the connection.
    pub index: u8,
    /// The transport.
    pub transport: Transport,
    /// The address of the edge.
    pub address: SocketAddr,
    /// What the connector was told.
    pub cause: String,
    /// When.
    pub at: Instant,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Roster {
    state: Mutex<Inner>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    next: u64,
    turn: u64,
    entries: BTreeMap<u64, Entry>,
    /// The registrations there ever were, with the latest state.
    history: Vec<(Registration, State)>,
    arrivals: Vec<Arrival>,
    refused: Vec<Refused>,
    configurations: Vec<(u64, Bytes)>,
}

#[derive(Debug)]
struct Entry {
    link: Arc<Link>,
    registered: Option<Listed>,
}

/// A registration that has been accepted.
#[derive(Debug)]
struct Listed {
    registration: Registration,
    state: State,
    /// Where it stands in the history, if that had room.
    place: usize,
}

impl Entry {
    fn serves(&self) -> bool {
        self.registered
            .as_ref()
            .is_some_and(|listed| listed.state == State::Serving)
    }
}

/// A connector that tries forever must not fill the memory.
const KEPT: usize = 1 << 16;

impl Roster {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changes: watch::Sender::new(0),
        })
    }

    /// Counts an attempt to reach the edge.
    pub(crate) fn arrived(&self, transport: Transport, place: Place) {
        let arrival = Arrival {
            transport,
            address: place.address,
            peer: place.peer,
            at: Instant::now(),
        };
        self.change(|inner| keep(&mut inner.arrivals, arrival));
    }

    /// Returns the number of the next connection.
    pub(crate) fn serial(&self) -> u64 {
        let mut inner = self.lock();
        inner.next += 1;
        inner.next
    }

    /// Lists a connection that has been set up.
    pub(crate) fn add(&self, link: &Arc<Link>) {
        let entry = Entry {
            link: Arc::clone(link),
            registered: None,
        };
        self.change(|inner| {
            inner.entries.insert(link.serial, entry);
        });
    }

    /// Lists the registration of a connection.
    pub(crate) fn register(&self, registration: Registration) {
        self.change(|inner| {
            let Some(entry) = inner.entries.get_mut(&registration.serial) else {
                return;
            };
            entry.registered = Some(Listed {
                registration: registration.clone(),
                state: State::Serving,
                place: inner.history.len(),
            });
            keep(&mut inner.history, (registration, State::Serving));
        });
    }

    pub(crate) fn refuse(&self, refused: Refused) {
        self.change(|inner| keep(&mut inner.refused, refused));
    }

    /// Lists the configuration that a connector runs with.
    pub(crate) fn configure(&self, serial: u64, configuration: Bytes) {
        self.change(|inner| keep(&mut inner.configurations, (serial, configuration)));
    }

    /// Gives a connection no new requests.
    pub(crate) fn leave(&self, serial: u64) {
        self.set(serial, State::Leaving);
    }

    /// Takes a connection off the list.
    pub(crate) fn remove(&self, serial: u64) {
        self.set(serial, State::Gone);
        self.change(|inner| {
            inner.entries.remove(&serial);
        });
    }

    fn set(&self, serial: u64, state: State) {
        self.change(|inner| {
            let entry = inner.entries.get_mut(&serial);
            let Some(listed) = entry.and_then(|entry| entry.registered.as_mut()) else {
                return;
            };
            listed.state = state;
            if let Some((kept, current)) = inner.history.get_mut(listed.place)
                && kept.serial == serial
            {
                *current = state;
            }
        });
    }

    /// Returns the connection whose turn it is to take a request.
    pub(crate) fn next(&self) -> Option<Arc<Link>> {
        let mut inner = self.lock();
        let turn = inner.turn;
        let mut later = inner
            .entries
            .range(turn + 1..)
            .chain(inner.entries.range(..=turn));
        let (serial, entry) = later.find(|(_, entry)| entry.serves())?;
        let (serial, link) = (*serial, Arc::clone(&entry.link));
        inner.turn = serial;
        Some(link)
    }

    /// Returns the latest connection with this index that serves, without what it said.
    pub(crate) fn link(&self, index: u8) -> Option<Arc<Link>> {
        let inner = self.lock();
        let mut serving = inner
            .serving()
            .filter(|(registration, _)| registration.index == index);
        serving.next_back().map(|(_, link)| Arc::clone(link))
    }

    /// Returns the latest connection with this index that serves.
    pub(crate) fn connection(&self, index: u8) -> Option<(Registration, Arc<Link>)> {
        self.lock().connection(index)
    }

    /// Returns every connection, registered or not.
    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.lock().links().map(Arc::clone).collect()
    }

    /// Looks at the state.
    pub(crate) fn look<T>(&self, see: impl FnOnce(&Inner) -> T) -> T {
        see(&self.lock())
    }

    /// Waits until the state shows something.
    pub(crate) async fn until<T>(&self, mut see: impl FnMut(&Inner) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            if let Some(seen) = see(&self.lock()) {
                return seen;
            }
            let changed = changes.changed().await;
            changed.expect("the sender lives as long as the roster, which is borrowed");
        }
    }

    fn change<T>(&self, apply: impl FnOnce(&mut Inner) -> T) -> T {
        let applied = apply(&mut self.lock());
        self.changes.send_modify(|changes| *changes += 1);
        applied
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Returns the registrations that get requests, with their links.
    pub(crate) fn serving(&self) -> impl DoubleEndedIterator<Item = (&Registration, &Arc<Link>)> {
        let serving = self.entries.values().filter(|entry| entry.serves());
        serving.filter_map(|entry| Some((&entry.registered.as_ref()?.registration, &entry.link)))
    }

    /// Returns whether any registered connection is left, serving or leaving.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.values().all(|entry| entry.registered.is_none())
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.entries.values().map(|entry| &entry.link)
    }

    pub(crate) fn connection(&self, index: u8) -> Option<(Registration, Arc<Link>)> {
        let mut of_index = self
            .serving()
            .filter(|(registration, _)| registration.index == index);
        of_index
            .next_back()
            .map(|(registration, link)| (registration.clone(), Arc::clone(link)))
    }

    pub(crate) fn history(&self) -> &[(Registration, State)] {
        &self.history
    }

    pub(crate) fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    pub(crate) fn refused(&self) -> &[Refused] {
        &self.refused
    }

    pub(crate) fn configurations(&self) -> &[(u64, Bytes)] {
        &self.configurations
    }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    if list.len() < KEPT {
        list.push(item);
    }
}
