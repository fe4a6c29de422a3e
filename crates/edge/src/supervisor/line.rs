//! Sans-IO. Log lines of the supervisor, as data: message and field names are what scripts look for.

use std::borrow::Cow;
use std::net::IpAddr;

/// A line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who should look.
    pub level: Level,
    /// The message, without its fields.
    pub message: Cow<'static, str>,
    /// Field `connIndex`.
    pub index: Option<u8>,
    /// Field `ip`, the address of the edge; with it comes the field `event`, which is 0.
    pub ip: Option<IpAddr>,
    /// Field `error`.
    pub error: Option<String>,
}

/// Who should look at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nobody, until something is to be understood.
    Debug,
    /// Whoever keeps the diary.
    Info,
    /// Whoever sees it again and again.
    Warn,
    /// Somebody, now.
    Error,
}

impl Line {
    /// Returns a line without fields.
    pub(super) fn new(level: Level, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            level,
            message: message.into(),
            index: None,
            ip: None,
            error: None,
        }
    }

    /// Adds the index of a connection.
    pub(super) const fn of(mut self, index: u8) -> Self {
        self.index = Some(index);
        self
    }

    /// Adds the index and the address of a connection.
    pub(super) const fn at(mut self, index: u8, ip: IpAddr) -> Self {
        self.index = Some(index);
        self.ip = Some(ip);
        self
    }

    /// Adds what went wrong.
    pub(super) fn because(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }
}
