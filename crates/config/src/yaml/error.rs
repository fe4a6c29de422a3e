//! Sans-IO. Why a YAML text is not usable.

use crate::error::Place;

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
}

impl YamlError {
    /// Makes the error of a broken text without a position.
    pub(crate) fn broken(text: impl Into<String>) -> Self {
        Self::Broken(Problem {
            place: None,
            text: text.into(),
        })
    }

    /// Returns the first thing that is wrong.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::Broken(problem) => problem.place,
            Self::Misfits(problems) => problems.first().and_then(|first| first.place),
        }
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
