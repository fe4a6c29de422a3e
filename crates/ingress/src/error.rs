//! Why a request could not be carried to its origin.

use adit_exchange::{Class, Refusal};

/// What the edge is told in front of the cause.
const UNREACHABLE: &str = "Unable to reach the origin service. The service may be down or it may not be \
                           responding to traffic from cloudflared: ";

/// A failure on the way to an origin: its class and its cause, word for word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// What kind of failure this is.
    pub class: Class,
    /// The cause as logs and the edge show it.
    pub cause: String,
}

impl Failure {
    /// Returns a failure of this class with this cause.
    pub(crate) fn new(class: Class, cause: impl Into<String>) -> Self {
        Self {
            class,
            cause: cause.into(),
        }
    }

    /// Returns the refusal of a request to an HTTP origin.
    pub(crate) fn unreachable(self) -> Refusal {
        Refusal::new(self.class, format!("{UNREACHABLE}{}", self.cause))
    }

    /// Returns the refusal with the bare cause.
    pub(crate) fn bare(self) -> Refusal {
        Refusal::new(self.class, self.cause)
    }
}

/// Why the services of a configuration could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The settings of one rule cannot be put to use.
    #[error("failed to start origin: Error starting local service {service}: {cause}")]
    Service {
        /// The service as it is shown.
        service: String,
        /// What is wrong with it.
        cause: String,
    },
}
