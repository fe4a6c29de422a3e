//! Sans-IO. What is wrong with what the user wrote, for a person to read.

use std::fmt;

/// One problem with the configuration.
///
/// [`ConfigError::problem`] is the text that scripts match; `Display` puts the place before it,
/// and the hint is printed by whoever prints errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file as named by the user; nothing for flags and pushes.
    pub file: Option<String>,
    /// Where in the file.
    pub place: Option<Place>,
    /// The problem, in upstream's words where it has some.
    pub problem: String,
    /// What to try.
    pub hint: Option<String>,
}

/// A position in a file, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl ConfigError {
    /// Makes an error that has no place yet.
    pub fn new(problem: impl Into<String>) -> Self {
        Self {
            file: None,
            place: None,
            problem: problem.into(),
            hint: None,
        }
    }

    /// Says where, unless that is known.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = self.place.or(place);
        self
    }

    /// Says in which file, unless that is known.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file.get_or_insert_with(|| file.to_owned());
        self
    }

    /// Says what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{file}:")?;
        }
        if let Some(Place { line, column }) = self.place {
            write!(out, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.place.is_some() {
            out.write_str(" ")?;
        }
        out.write_str(&self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_stands_before_the_problem() {
        let place = Some(Place { line: 14, column: 5 });
        let error = ConfigError::new("no host");
        assert_eq!(error.to_string(), "no host");
        let error = error.at(place).in_file("config.yml");
        assert_eq!(error.to_string(), "config.yml:14:5: no host");
    }
}
