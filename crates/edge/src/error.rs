//! How a connection ends, sorted by what the supervisor does next, and what keeps one from starting.

use std::time::Duration;

/// The end of one attempt to hold a connection.
///
/// The variants are choices for the supervisor, not kinds of failure; the text of each is what logs
/// show and starts with upstream's words where scripts may look for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to drain and has left: nothing to do.
    Drained,
    /// It was established and broke off: the same address again.
    Lost {
        /// What happened.
        cause: String,
        /// Whether the edge went silent, instead of saying that it closes.
        silent: bool,
    },
    /// It was never established: another address, perhaps another transport.
    Unreachable {
        /// What happened.
        cause: String,
        /// What stood in the way.
        obstacle: Obstacle,
    },
    /// This server already holds a connection of this index: another address.
    Duplicate,
    /// The edge refused the registration for now: again, after a while.
    Deferred {
        /// The edge's words, or why the call failed.
        cause: String,
        /// The shortest time to wait, when the edge named one.
        after: Option<Duration>,
    },
    /// The edge refused the registration for good.
    Rejected {
        /// The edge's words.
        cause: String,
    },
}

/// What stands between the connector and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// Nothing came back in time.
    Silence,
    /// The operating system forbids sending.
    Forbidden,
    /// This host has no route to the address, perhaps none to its whole family.
    NoRoute,
    /// Somebody answered that nobody listens there.
    Refused,
    /// The handshake was answered and failed.
    Handshake,
    /// Something on this side: no socket, no port, no memory.
    Local,
}

/// Why a connection to an address did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct DialError {
    /// What happened, as logs show it.
    pub cause: String,
    /// What stood in the way.
    pub obstacle: Obstacle,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file of roots holds no certificate.
    #[error("no certificate in the file of root certificates")]
    NoRoot,
    /// A root certificate cannot be read.
    #[error("unusable root certificate: {0}")]
    Root(String),
    /// TLS cannot be set up with the groups the edge demands.
    #[error("unable to create TLS config to connect with edge: {0}")]
    Tls(#[from] rustls::Error),
}

impl Ended {
    /// Returns what happened, as logs show it; empty after a drain.
    #[must_use]
    pub fn cause(&self) -> &str {
        match self {
            Self::Drained => "",
            Self::Lost { cause, .. }
            | Self::Unreachable { cause, .. }
            | Self::Deferred { cause, .. }
            | Self::Rejected { cause } => cause,
            Self::Duplicate => DUPLICATE,
        }
    }
}

impl From<DialError> for Ended {
    fn from(error: DialError) -> Self {
        Self::Unreachable {
            cause: error.cause,
            obstacle: error.obstacle,
        }
    }
}

/// Upstream's words for a connection that its server already holds.
const DUPLICATE: &str = "already connected to this server, trying another address";
