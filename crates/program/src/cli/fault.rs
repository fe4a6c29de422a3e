//! What is wrong with a command line, in upstream's words, with the nearest right thing as a hint.

use std::fmt;

use adit_dialect::quote::quote;

use super::commands::Command;
use super::line::Form;

/// Why a command line cannot be obeyed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The line is wrong at the last of these commands.
    Usage {
        /// The commands from the root down.
        path: Vec<&'static Command>,
        /// What is wrong.
        form: Form,
    },
    /// A variable of the environment does not fit its flag.
    Environment {
        /// The variable.
        variable: String,
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is no such command.
    NoTopic(String),
}

impl Fault {
    /// Returns what to try next.
    pub(crate) fn hint(&self) -> Option<String> {
        let Self::Usage {
            path,
            form: Form::Unknown(name),
        } = self
        else {
            return None;
        };
        let command = path.last()?;
        if let Some(owner) = command.commands.iter().find(|below| has(below, name)) {
            return Some(format!("`--{name}` belongs after `{}`", owner.name));
        }
        let names = path.iter().flat_map(|command| command.own());
        let near = names
            .flat_map(super::flag::Flag::names)
            .filter(|known| known.len() > 2)
            .map(|known| (distance(known, name), known))
            .min()?;
        (near.0 <= name.len() / 3 + 1).then(|| format!("did you mean `--{}`?", near.1))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage {
                path,
                form: form @ Form::Two(..),
            } if path.last().is_some_and(|command| command.is_group()) => form.fmt(f),
            Self::Usage { path, form } => {
                let group = path.last().is_some_and(|command| command.is_group());
                write!(f, "Incorrect Usage{} {form}", if group { '.' } else { ':' })
            }
            Self::Environment {
                variable,
                flag,
                reason,
            } => write!(
                f,
                "environment variable {variable} does not fit --{flag}: {reason}"
            ),
            Self::NoTopic(topic) => write!(f, "No help topic for '{topic}'"),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "flag provided but not defined: -{name}"),
            Self::Missing(name) => write!(f, "flag needs an argument: -{name}"),
            Self::Syntax(word) => write!(f, "bad flag syntax: {word}"),
            Self::Value { name, text, reason } => {
                write!(f, "invalid value {} for flag -{name}: {reason}", quote(text))
            }
            Self::Switch { name, text, reason } => {
                write!(f, "invalid boolean value {} for -{name}: {reason}", quote(text))
            }
            Self::Two(one, other) => write!(f, "Cannot use two forms of the same flag: {one} {other}"),
        }
    }
}

fn has(command: &Command, name: &str) -> bool {
    command.own().any(|flag| flag.is(name))
}

/// Returns how many letters must change to make one word the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
