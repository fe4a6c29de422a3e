//! Sans-IO. Lengths of time as the configuration states them: signed nanoseconds.
//!
//! A setting may be zero or negative, and both mean something; [`Span::limit`] says what.

use std::time::Duration;

use adit_dialect::DurationError;

/// A signed length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

/// What a [`Span`] means as a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Zero: there is no limit.
    None,
    /// Negative: the time is over before it began.
    Expired,
    /// Positive: after this time.
    After(Duration),
}

impl Span {
    /// Makes a span of nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Reads a span as written in files and flags: `1m30s`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        adit_dialect::duration::parse(text).map(Self)
    }

    /// Returns the nanoseconds.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Returns the meaning as a time limit.
    #[must_use]
    pub const fn limit(self) -> Limit {
        match self.0 {
            0 => Limit::None,
            ..0 => Limit::Expired,
            1.. => Limit::After(Duration::from_nanos(self.0.unsigned_abs())),
        }
    }

    /// Returns the seconds as upstream reports them: the whole seconds, then the fraction.
    #[must_use]
    pub fn seconds(self) -> f64 {
        adit_dialect::duration::seconds(self.0)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&adit_dialect::duration::print(self.0))
    }
}
