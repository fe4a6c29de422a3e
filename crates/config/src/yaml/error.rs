//! Sans-IO. Why a YAML text is not usable.

use crate::error::{ConfigError, Place};

/// Why a text is no usable document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum YamlError {
    /// The text breaks the grammar, or a rule without which nothing can be said about it.
    Broken(Problem),
    /// Values that do not fit their types, in the order in which they were found.
    Misfits(Vec<Problem>),
}

/// One thing that is wrong, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where; nothing where the library does not say.
    pub place: Option<Place>,
    /// What; starts with `line N: ` where upstream says so.
    pub text: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Problem {
    /// Returns what is wrong as a warning of its own, without the line in its text.
    pub(crate) fn into_warning(self) -> ConfigError {
        let bare = match self.text.split_once(": ") {
            Some((line, rest)) if line.starts_with("line ") => rest,
            _ => &self.text,
        };
        let mut warning = ConfigError::new(bare).at(self.place);
        warning.hint = self.hint;
        warning
    }
}

impl YamlError {
    /// Makes the error of a broken text without a position.
    pub(crate) fn broken(text: impl Into<String>) -> Self {
        Self::Broken(Problem {
            place: None,
            text: text.into(),
            hint: None,
        })
    }

    /// Returns the error that tells `problem`, at the first place and with the first hint.
    pub(crate) fn into_error(self, problem: String) -> ConfigError {
        let first = match self {
            Self::Broken(problem) => Some(problem),
            Self::Misfits(problems) => problems.into_iter().next(),
        };
        let mut error = ConfigError::new(problem);
        if let Some(first) = first {
            error.place = first.place;
            error.hint = first.hint;
        }
        error
    }

    /// Returns upstream's text.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Broken(problem) => format!("yaml: {}", problem.text),
            Self::Misfits(problems) => misfits(problems),
        }
    }
}

/// Returns upstream's text for a list of misfits.
pub(crate) fn misfits(problems: &[Problem]) -> String {
    let mut text = String::from("yaml: unmarshal errors:");
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.text);
    }
    text
}
