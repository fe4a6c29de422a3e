//! Why a host could not be reached.

use std::io;

use adit_dialect::errno;
use adit_exchange::{Class, Refusal};

/// A failure on the way to a host: its class and its cause, word for word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// What kind of failure this is.
    pub class: Class,
    /// The cause as users and logs know it.
    pub cause: String,
}

impl Failure {
    /// Returns a failure of this class with this cause.
    pub fn new(class: Class, cause: impl Into<String>) -> Self {
        Self {
            class,
            cause: cause.into(),
        }
    }

    /// Returns the failure of dialing `what`.
    #[must_use]
    pub fn dialing(what: &str, error: &io::Error) -> Self {
        let timed_out = error.kind() == io::ErrorKind::TimedOut;
        let class = if timed_out { Class::Timeout } else { Class::Refused };
        Self::new(class, format!("{what}: connect: {}", errno::text(error)))
    }

    /// Returns the failure of something that took too long.
    pub(crate) fn timed_out(what: &str) -> Self {
        Self::new(Class::Timeout, format!("{what}: i/o timeout"))
    }

    /// Returns the same failure with these words before its cause.
    pub(crate) fn behind(self, words: &str) -> Self {
        Self {
            cause: format!("{words}{}", self.cause),
            ..self
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::new(failure.class, failure.cause)
    }
}
