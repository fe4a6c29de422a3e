//! Sans-IO. What the supervisor is told and what it orders.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use adit_exchange::Transport;

use crate::error::Ended;
use crate::supervisor::Line;
use crate::transport::Percentages;

/// One try to hold a connection, from the dial to its end. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub u64);

/// Everything that one attempt needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// Who is asked to do it.
    pub attempt: Attempt,
    /// Which of the connections this is.
    pub index: u8,
    /// The address to dial.
    pub address: SocketAddr,
    /// The transport to dial with.
    pub transport: Transport,
    /// What the edge is told about earlier failures.
    pub previous_attempts: u8,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The moment of [`wake_at`](crate::supervisor::Supervisor::wake_at) has come.
    Time,
    /// The edge was looked for.
    Discovered(Result<Discovered, String>),
    /// The share of the transports was looked up.
    Shares(Result<Percentages, String>),
    /// The handshake is complete: the attempt waits to be admitted before it registers.
    Reached(Attempt),
    /// The edge has accepted the registration.
    Registered(Attempt),
    /// No answer for a while, though the connection is not given up.
    Sick(Attempt),
    /// Answers come again.
    Well(Attempt),
    /// The edge knows that the attempt is leaving; it may still finish what it has.
    Unregistered(Attempt),
    /// The attempt is over.
    Ended(Attempt, Ended),
    /// One connection, any, is to be broken and made again after this time.
    Reconnect(Duration),
    /// Every connection is to leave.
    Drain,
}

/// The addresses of the edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The addresses of each region, in the order of preference of the resolver.
    pub regions: [Vec<SocketAddr>; 2],
    /// Which address families this host has a route for.
    pub routes: Routes,
}

/// Which address families this host has a route for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routes {
    /// Whether IPv4 packets can leave.
    pub v4: bool,
    /// Whether IPv6 packets can leave.
    pub v6: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Dial, register once admitted, and serve.
    Dial(Dial),
    /// Let the attempt that has been reached register.
    Admit(Attempt),
    /// Ask the attempt to unregister and to finish what it has.
    Leave(Attempt),
    /// End the attempt at once. No [`Event::Ended`] follows.
    Drop(Attempt),
    /// Look for the edge; answer with [`Event::Discovered`].
    Discover,
    /// Look up the shares of the transports; answer with [`Event::Shares`].
    LookUpShares,
    /// Write this to the log.
    Tell(Line),
    /// There is nothing left to do.
    Finish(Outcome),
}

/// How the supervision of a tunnel ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Asked to, with every connection gone or the grace period over.
    Drained,
    /// The edge refused the tunnel for good before any connection had registered.
    Rejected {
        /// The edge's words.
        cause: String,
    },
    /// The edge was not found and the settings say not to wait for it.
    NotFound {
        /// Why.
        cause: String,
    },
}

impl Default for Routes {
    fn default() -> Self {
        Self { v4: true, v6: true }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}
