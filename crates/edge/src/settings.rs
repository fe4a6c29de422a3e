//! What the program tells the edge side: everything checked, nothing optional that has a default.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use crate::tls::Roots;

/// Everything the edge side needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which tunnel, and the proof that it is ours.
    pub credentials: Credentials,
    /// Who we are.
    pub identity: Identity,
    /// Where the addresses of the edge come from.
    pub source: Source,
    /// Which address family to use.
    pub family: Family,
    /// The local address of sockets towards the edge.
    pub bind: Option<IpAddr>,
    /// How names are resolved.
    pub dns: Dns,
    /// Which transport to use.
    pub protocol: Protocol,
    /// Connections to hold at the same time.
    pub connections: u8,
    /// Cap of the exponential back-off, and attempts before another transport is tried.
    pub retries: u8,
    /// Dial failures on one connection before another transport is considered.
    pub address_retries: u8,
    /// Whether the process gives up when the edge cannot be found at start.
    pub give_up: bool,
    /// Time for requests in flight to finish while draining.
    pub grace: Duration,
    /// Time for one call to the edge.
    pub rpc_timeout: Duration,
    /// Time for the edge to take a chunk of a response; none by default.
    pub write_timeout: Option<Duration>,
    /// Which certificates vouch for the edge.
    pub roots: Roots,
    /// Whether key exchange without a post-quantum part is refused.
    pub post_quantum: bool,
    /// Settings of the QUIC transport.
    pub quic: Quic,
    /// Features named by the user, beside those always announced.
    pub features: Vec<String>,
}

/// Which tunnel, and the proof that it is ours.
#[derive(Clone)]
pub struct Credentials {
    /// The account that owns the tunnel.
    pub account: String,
    /// The tunnel's secret. It never reaches a log.
    pub secret: Bytes,
    /// The tunnel.
    pub tunnel: Uuid,
}

/// Who this connector is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// New for every start of the process.
    pub connector: Uuid,
    /// What the edge is told as our version.
    pub version: String,
    /// Operating system and architecture in Go's names, such as `linux_amd64`.
    pub arch: String,
}

/// Where the addresses of the edge come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From SRV records, of a region if one is named.
    Discovered {
        /// Prefix of the name that is looked up.
        region: Option<String>,
    },
    /// From the user, as `host:port`, alternating between two regions.
    Fixed(Vec<String>),
}

/// Which address family to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Whatever works.
    #[default]
    Auto,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// How names are resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dns {
    /// As resolv.conf says; when that fails for SRV records, over TLS by a public resolver.
    #[default]
    System,
    /// By these servers alone.
    Servers(Vec<SocketAddr>),
}

/// Which transport to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Whatever works, beginning with the better one.
    Auto {
        /// Whether the tunnel was named by a token on the command line or in the environment.
        token: bool,
    },
    /// QUIC and nothing else.
    Quic,
    /// HTTP/2 and nothing else.
    Http2,
}

/// Settings of the QUIC transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quic {
    /// Bytes that a connection may hold unread; the built-in limit if none is given.
    pub connection_window: Option<u64>,
    /// Bytes that a stream may hold unread; the built-in limit if none is given.
    pub stream_window: Option<u64>,
    /// Whether larger packets are tried on the path.
    pub probe_path: bool,
    /// Whether the user wants to know of a kernel that grants too little buffer.
    pub tell_shortage: bool,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            connection_window: None,
            stream_window: None,
            probe_path: true,
            tell_shortage: true,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("account", &self.account)
            .field("tunnel", &self.tunnel)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Returns settings with upstream's defaults.
    #[must_use]
    pub fn new(credentials: Credentials, identity: Identity) -> Self {
        Self {
            credentials,
            identity,
            source: Source::Discovered { region: None },
            family: Family::Auto,
            bind: None,
            dns: Dns::System,
            protocol: Protocol::Auto { token: false },
            connections: 4,
            retries: 5,
            address_retries: 8,
            give_up: false,
            grace: Duration::from_secs(30),
            rpc_timeout: Duration::from_secs(5),
            write_timeout: None,
            roots: Roots::System,
            post_quantum: false,
            quic: Quic::default(),
            features: Vec::new(),
        }
    }
}
