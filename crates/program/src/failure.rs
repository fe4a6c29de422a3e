//! Why the program ends without having done what it was asked: exit codes, texts, hints.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::Fault;

/// A failure, as the shell sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    kind: Kind,
    text: String,
    hint: Option<String>,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The command line is wrong.
    Usage,
    /// The command line is right, but not what this command needs.
    Arguments,
    /// There is no such help topic.
    Topic,
    /// Everything else.
    Other,
}

impl Kind {
    /// Returns what the shell is told.
    const fn code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Topic => 3,
            Self::Arguments => 255,
        }
    }
}

impl Failure {
    /// Returns a failure of the ordinary kind.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::of(Kind::Other, text)
    }

    /// Returns a failure of this kind.
    pub(crate) fn of(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            hint: None,
        }
    }

    /// Returns an error and its causes as a failure.
    pub(crate) fn of_error(error: impl std::error::Error + 'static) -> Self {
        Self::new(crate::logging::chain(&error))
    }

    /// Returns a failure of a command whose line lacks something, with where to read on.
    pub(crate) fn arguments(text: impl Into<String>, program: &str, words: &str) -> Self {
        let text = text.into();
        let text = format!("{text}\nSee '{program} {words} --help'.");
        Self::of(Kind::Arguments, text)
    }

    /// Adds what to try next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what to try next, if there is something.
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns what is wrong.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the failure with its texts as `clean` leaves them: a service may repeat in its reasons
    /// what it was sent.
    pub(crate) fn cleaned(self, clean: impl Fn(String) -> String) -> Self {
        Self {
            kind: self.kind,
            text: clean(self.text),
            hint: self.hint.map(clean),
        }
    }

    /// Tells the user, and returns what the shell is told.
    pub(crate) fn tell(&self) -> ExitCode {
        let mut text = format!("{}\n", self.text);
        if let Some(hint) = &self.hint {
            text.push_str(&format!("  hint: {hint}\n"));
        }
        match io::stderr().lock().write_all(text.as_bytes()) {
            // Nobody is left to read it, and the exit code says enough.
            Ok(()) | Err(_) => ExitCode::from(self.kind.code()),
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let kind = match fault {
            Fault::Usage { .. } | Fault::Environment { .. } => Kind::Usage,
            Fault::NoTopic(_) => Kind::Topic,
        };
        Self {
            kind,
            text: fault.to_string(),
            hint: fault.hint(),
        }
    }
}
