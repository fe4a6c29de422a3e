//! Why a request has no reply from an origin.

use std::fmt;

/// A request that was refused or failed before there was a reply.
///
/// Only the edge side turns it into bytes, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of failure this is.
    pub class: Class,
    /// What the edge is told, word for word.
    pub message: String,
}

/// The kinds of failure, as they appear in log lines and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The request itself is malformed.
    Request,
    /// No rule answers it.
    NoRule,
    /// The origin's name does not resolve.
    Dns,
    /// The origin cannot be reached: connection refused, no route, no such socket.
    Refused,
    /// The origin did not accept the connection in time.
    Timeout,
    /// The TLS handshake with the origin failed.
    Tls,
    /// The origin broke the protocol.
    Protocol,
    /// The origin closed or reset the connection.
    Reset,
    /// A policy forbids it.
    Policy,
    /// A limit on concurrent flows is reached.
    Limit,
    /// The visitor left before there was an answer.
    Abandoned,
    /// The connector is at fault.
    Internal,
}

impl Refusal {
    /// Returns a refusal of this class with this text.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
        }
    }
}

impl Class {
    /// Every class, in order.
    pub const ALL: [Self; 12] = [
        Self::Request,
        Self::NoRule,
        Self::Dns,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
        Self::Protocol,
        Self::Reset,
        Self::Policy,
        Self::Limit,
        Self::Abandoned,
        Self::Internal,
    ];

    /// Returns the word for this class in logs, metrics and headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::NoRule => "no-rule",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Reset => "reset",
            Self::Policy => "policy",
            Self::Limit => "limit",
            Self::Abandoned => "abandoned",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
