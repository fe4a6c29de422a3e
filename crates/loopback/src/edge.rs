//! The edge itself: data centres, names, a registrar, and a door for visitors.

mod builder;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

pub use builder::{Builder, Family, new};

use crate::area::Area;
use crate::authority::Authority;
use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::dns::Dns;
use crate::error::StreamError;
use crate::faults::Order;
use crate::push::Pushed;
use crate::registrar::Registrar;
use crate::request::Request;
use crate::roster::{Arrival, Refused, Registration, Roster, State};
use crate::site::Spot;
use crate::tasks::Tasks;
use crate::violations::Violations;
use crate::visitor::{Response, Visitor};

/// An edge that runs until it is dropped.
#[derive(Debug)]
pub struct Edge {
    authority: Authority,
    dns: Dns,
    registrar: Arc<Registrar>,
    pub(crate) roster: Arc<Roster>,
    /// The addresses of each data centre.
    sites: Vec<Vec<Arc<Spot>>>,
    front: SocketAddr,
    visitor: Visitor,
    violations: Violations,
    tasks: Tasks,
}

impl Edge {
    /// Returns the authority that connectors must trust.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the DNS server that knows the names of the edge.
    #[must_use]
    pub const fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Returns the credentials that the edge accepts.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.registrar.credentials()
    }

    /// Accepts other credentials from now on; connections that are registered stay.
    pub fn accept_only(&self, credentials: Credentials) {
        self.registrar.accept_only(credentials);
    }

    /// Returns where visitors are served over HTTP/1.1.
    #[must_use]
    pub const fn front(&self) -> SocketAddr {
        self.front
    }

    /// Returns an address for a browser or curl that reaches `hostname` through the tunnel.
    #[must_use]
    pub fn url(&self, hostname: &str) -> String {
        format!("http://{hostname}.localhost:{}/", self.front.port())
    }

    /// Returns the addresses, those of the data centres in turn: as static addresses they come to
    /// lie in as many regions.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let most = self.sites.iter().map(Vec::len).max().unwrap_or_default();
        let ranks = (0..most).flat_map(|rank| self.sites.iter().filter_map(move |site| site.get(rank)));
        ranks.map(|spot| spot.address).collect()
    }

    /// Returns the arguments with which a connector that takes upstream's flags joins, given where
    /// the authority's PEM file lies.
    #[must_use]
    pub fn arguments(&self, authority: &Path) -> Vec<String> {
        let mut arguments = vec!["tunnel".to_owned(), "--no-autoupdate".to_owned()];
        for address in self.addresses() {
            arguments.extend(["--edge".to_owned(), address.to_string()]);
        }
        arguments.extend(["--cacert".to_owned(), authority.display().to_string()]);
        arguments.extend(["run".to_owned(), "--token".to_owned(), self.credentials().token()]);
        arguments
    }

    /// Returns all addresses, to let something happen to them.
    #[must_use]
    pub fn everywhere(&self) -> Area {
        Area::new(self.sites.iter().flatten().map(Arc::clone).collect())
    }

    /// Returns the addresses of a data centre, to let something happen to them.
    #[must_use]
    pub fn data_centre(&self, site: usize) -> Area {
        Area::new(self.sites.get(site).cloned().unwrap_or_default())
    }

    /// Returns one address, to let something happen to it.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Area {
        let spots = self.sites.iter().flatten().filter(|spot| spot.address == address);
        Area::new(spots.map(Arc::clone).collect())
    }

    /// Orders a fault for registrations.
    pub fn order(&self, order: Order) {
        self.registrar.orders.add(order);
    }

    /// Withdraws all faults for registrations.
    pub fn withdraw_orders(&self) {
        self.registrar.orders.withdraw();
    }

    /// Returns the connection with this index.
    #[must_use]
    pub fn connection(&self, index: u8) -> Connection {
        Connection::new(Arc::clone(&self.roster), self.tasks.clone(), index)
    }

    /// Waits until this many connections serve at once, and returns them by index.
    pub async fn registered(&self, count: usize) -> Vec<Registration> {
        self.serving(|serving| serving.len() >= count).await
    }

    /// Waits until the connections that serve are as `wanted` has it, and returns them by index.
    pub async fn serving(&self, wanted: impl Fn(&[Registration]) -> bool) -> Vec<Registration> {
        self.roster
            .until(|inner| {
                let serving = inner.serving().map(|(registration, _)| registration.clone());
                let mut serving: Vec<Registration> = serving.collect();
                serving.sort_by_key(|registration| (registration.index, registration.serial));
                wanted(&serving).then_some(serving)
            })
            .await
    }

    /// Returns the connections that serve now, by index.
    #[must_use]
    pub fn connections(&self) -> Vec<Registration> {
        let mut serving: Vec<Registration> = self.roster.look(|inner| {
            inner
                .serving()
                .map(|(registration, _)| registration.clone())
                .collect()
        });
        serving.sort_by_key(|registration| (registration.index, registration.serial));
        serving
    }

    /// Waits until this many registrations have been accepted since the beginning, and returns them
    /// in order, each with what became of it.
    pub async fn history(&self, count: usize) -> Vec<(Registration, State)> {
        let enough = |history: &[(Registration, State)]| (history.len() >= count).then(|| history.to_vec());
        self.roster.until(|inner| enough(inner.history())).await
    }

    /// Waits until no connection serves.
    pub async fn deserted(&self) {
        let deserted = |serving: usize| (serving == 0).then_some(());
        self.roster.until(|inner| deserted(inner.serving().count())).await;
    }

    /// Waits until no connection is left, serving or leaving.
    pub async fn empty(&self) {
        self.roster.until(|inner| inner.is_empty().then_some(())).await;
    }

    /// Returns the attempts to reach the edge, in order: UDP packets that ask for a connection and
    /// TCP connections.
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.roster.look(|inner| inner.arrivals().to_vec())
    }

    /// Waits until there have been this many attempts to reach the edge.
    pub async fn arrived(&self, count: usize) -> Vec<Arrival> {
        let enough = |arrivals: &[Arrival]| (arrivals.len() >= count).then(|| arrivals.to_vec());
        self.roster.until(|inner| enough(inner.arrivals())).await
    }

    /// Waits until this many registrations have been refused, and returns them in order.
    pub async fn refused(&self, count: usize) -> Vec<Refused> {
        let enough = |refused: &[Refused]| (refused.len() >= count).then(|| refused.to_vec());
        self.roster.until(|inner| enough(inner.refused())).await
    }

    /// Waits until connectors have told this many local configurations, and returns them in order,
    /// each with the serial number of the connection.
    pub async fn configurations(&self, count: usize) -> Vec<(u64, Bytes)> {
        let enough = |told: &[(u64, Bytes)]| (told.len() >= count).then(|| told.to_vec());
        self.roster.until(|inner| enough(inner.configurations())).await
    }

    /// Pushes a configuration to a connector, on the connection whose turn it is.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids.
    pub async fn push(&self, version: i32, configuration: &str) -> Result<Pushed, StreamError> {
        let link = self.roster.next().ok_or(StreamError::NoConnection)?;
        crate::push::push(&link, version, configuration).await
    }

    /// Returns a visitor, for tasks of its own.
    #[must_use]
    pub fn visitor(&self) -> Visitor {
        self.visitor.clone()
    }

    /// Sends a request as a visitor does.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids.
    pub async fn visit(&self, request: Request) -> Result<Response, StreamError> {
        self.visitor.visit(request).await
    }

    /// Returns what connectors did that the protocol forbids. A correct connector leaves it empty.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.violations.list()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.tasks.end();
    }
}
