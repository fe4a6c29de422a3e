//! Values of flags: from their text, and back to the text that logs and diagnostics show.

use std::collections::btree_map::Entry;
use std::fmt;

use adit_account::Moment;
use adit_dialect::{NumberError, NumberProblem, duration, number};

use super::flag::Kind;

/// The value of a flag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of a text or a path.
    Text(String),
    /// Of a switch.
    Switch(bool),
    /// Of a signed integer.
    Integer(i64),
    /// Of an unsigned integer.
    Unsigned(u64),
    /// Of a floating point number.
    Number(f64),
    /// Of a duration, in nanoseconds.
    Duration(i64),
    /// Of a point in time, as written.
    Moment(String),
    /// Of a list.
    List(Vec<String>),
}

/// Why a text is no value of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    /// It does not look like one.
    Syntax,
    /// It is too large or too small.
    Range,
    /// For a reason of its own.
    Other(String),
}

impl Value {
    /// Reads the text of a value as it stands on the command line.
    ///
    /// # Errors
    ///
    /// Fails for a text that is no value of this kind.
    pub(crate) fn read(kind: Kind, text: &str) -> Result<Self, Invalid> {
        match kind {
            Kind::Text | Kind::Path => Ok(Self::Text(text.to_owned())),
            Kind::List => Ok(Self::List(vec![text.to_owned()])),
            Kind::Switch => Self::switch(text).map(Self::Switch),
            Kind::Integer => Ok(Self::Integer(number::any_base(text)?)),
            Kind::Unsigned => Ok(Self::Unsigned(number::any_base_unsigned(text)?)),
            Kind::Number => Ok(Self::Number(number::float(text)?)),
            Kind::Duration => match duration::parse(text) {
                Ok(nanos) => Ok(Self::Duration(nanos)),
                Err(_) => Err(Invalid::Syntax),
            },
            Kind::Moment => moment(text),
        }
    }

    /// Reads the text of a value as it stands in the environment; nothing if it says nothing.
    ///
    /// # Errors
    ///
    /// Fails for a text that is no value of this kind.
    pub(crate) fn read_variable(kind: Kind, text: &str) -> Result<Option<Self>, Invalid> {
        match kind {
            Kind::Text | Kind::Path => Ok(Some(Self::Text(text.to_owned()))),
            _ if text.is_empty() => Ok(None),
            Kind::List => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Ok(Some(Self::List(items.collect())))
            }
            Kind::Switch | Kind::Integer | Kind::Unsigned | Kind::Number | Kind::Duration | Kind::Moment => {
                Self::read(kind, text).map(Some)
            }
        }
    }

    /// Reads true or false.
    ///
    /// # Errors
    ///
    /// Fails for everything else.
    pub(crate) fn switch(text: &str) -> Result<bool, Invalid> {
        Ok(number::boolean(text)?)
    }

    /// Adds this value to what was given before: lists grow, of the others the last one counts.
    pub(super) fn add_to(self, entry: Entry<'_, &'static str, Self>) {
        match (entry, self) {
            (Entry::Occupied(mut entry), Self::List(new)) => match entry.get_mut() {
                Self::List(items) => items.extend(new),
                // A flag has one kind of values.
                Self::Text(_)
                | Self::Switch(_)
                | Self::Integer(_)
                | Self::Unsigned(_)
                | Self::Number(_)
                | Self::Duration(_)
                | Self::Moment(_) => {}
            },
            (Entry::Occupied(mut entry), value) => {
                entry.insert(value);
            }
            (Entry::Vacant(entry), value) => {
                entry.insert(value);
            }
        }
    }

    /// Returns whether the configuration file's merging takes it for nothing said.
    pub(crate) fn is_nothing(&self) -> bool {
        match self {
            Self::Text(text) | Self::Moment(text) => text.is_empty(),
            Self::Switch(on) => !on,
            Self::Integer(number) | Self::Duration(number) => *number <= 0,
            Self::Unsigned(number) => *number == 0,
            Self::Number(number) => *number <= 0.0,
            Self::List(items) => items.is_empty(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Moment(text) => f.write_str(text),
            Self::Switch(on) => on.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Unsigned(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Duration(nanos) => f.write_str(&duration::print(*nanos)),
            Self::List(items) => write!(f, "[{}]", items.join(" ")),
        }
    }
}

impl From<NumberError> for Invalid {
    fn from(error: NumberError) -> Self {
        match error.problem {
            NumberProblem::Syntax => Self::Syntax,
            NumberProblem::Range => Self::Range,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "parse error",
            Self::Range => "value out of range",
            Self::Other(reason) => reason,
        })
    }
}

/// Reads a point in time: `2026-01-02T15:04:05Z`, with a fraction and another offset if wished.
fn moment(text: &str) -> Result<Value, Invalid> {
    if Moment::parse(text).is_some() {
        return Ok(Value::Moment(text.to_owned()));
    }
    let quoted = adit_dialect::quote::quote(text);
    let wanted = "2006-01-02T15:04:05Z07:00";
    Err(Invalid::Other(format!(
        "parsing time {quoted} as \"{wanted}\": cannot parse {quoted} as \"2006\""
    )))
}
