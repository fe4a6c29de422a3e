//! What the program tells about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use adit_exchange::Transport;
use uuid::Uuid;

/// Tells how the connector is doing right now.
pub trait Witness: Send + Sync + 'static {
    /// Returns the connections that are registered; none while the connector is leaving.
    fn connections(&self) -> Vec<Connection>;

    /// Returns the rules in force, as JSON, or why they cannot be shown.
    ///
    /// # Errors
    ///
    /// Fails with the reason.
    fn configuration(&self) -> Result<String, String>;

    /// Returns why the connector is not ready, in a few words each.
    fn obstacles(&self) -> Vec<String>;
}

/// A registered connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its index.
    pub index: u8,
    /// Its transport.
    pub transport: Transport,
    /// The edge's address.
    pub edge: IpAddr,
}

/// What stays the same while the process lives.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The tunnel.
    pub tunnel: Uuid,
    /// This connector.
    pub connector: Uuid,
    /// The host of a quick tunnel; empty for others.
    pub quick_host: String,
    /// What the command line and the file set, without secrets.
    pub settings: BTreeMap<String, String>,
    /// Where echo requests leave from: IPv4, then IPv6.
    pub icmp_sources: Vec<String>,
    /// The version of the program.
    pub version: String,
    /// What the program was built with.
    pub compiler: String,
}
