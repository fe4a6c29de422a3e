//! Sans-IO. The regular expressions of rules: accepted and refused as upstream does it, then
//! written anew for the `regex` crate with the same meaning.

mod class;
mod escape;
mod group;
mod limit;
mod node;
mod parse;
mod repeat;
mod unicode;

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
            translated: parse::expression(source)?.to_string(),
        })
    }

    /// Returns the expression as the user wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the expression in the syntax of the `regex` crate, with no group that captures.
    ///
    /// It is meant for `regex::RegexBuilder` with [`NEST_LIMIT`] and [`SIZE_LIMIT`], and to be
    /// searched for in what [`subject`] returns.
    #[must_use]
    pub fn translated(&self) -> &str {
        &self.translated
    }

    /// Returns what upstream says about an expression that is too large to compile.
    #[must_use]
    pub fn too_large(&self) -> RegexError {
        limit::too_large(&self.source)
    }
}

/// Returns the text in which a pattern is searched for: each byte that is not UTF-8 is one U+FFFD.
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

/// Levels of nesting that a compiler must allow: each of upstream's may become two.
pub const NEST_LIMIT: u32 = 2 * limit::MAX_HEIGHT;

/// Bytes that a compiled pattern may take, below the 128 MiB that upstream allows.
pub const SIZE_LIMIT: usize = 64 << 20;

#[cfg(test)]
mod tests;
