//! Why a request could not be carried to its origin.

use adit_dial::Failure;
use adit_exchange::Refusal;

/// What the edge is told in front of the cause.
const UNREACHABLE: &str = "Unable to reach the origin service. The service may be down or it may not be \
                           responding to traffic from cloudflared: ";

/// Returns the refusal of a request to an HTTP origin.
pub(crate) fn unreachable(failure: Failure) -> Refusal {
    Refusal::new(failure.class, format!("{UNREACHABLE}{}", failure.cause))
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
