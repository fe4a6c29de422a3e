//! Sans-IO. How groups begin.

use super::limit::failed;
use super::parse::Flags;
use crate::error::{RegexError, RegexProblem};

/// What a group does beside grouping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Capturing,
    #[default]
    Plain,
}

/// What stands at an opening parenthesis.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    /// The group that begins, or nothing where only flags are set.
    pub(super) kind: Option<Kind>,
    /// The flags that hold from here on.
    pub(super) flags: Flags,
    pub(super) rest: &'a str,
}

/// Reads the beginning of a group.
pub(super) fn open(text: &str, flags: Flags) -> Result<Opening<'_>, RegexError> {
    let Some(inner) = text.strip_prefix("(?") else {
        return Ok(Opening {
            kind: Some(Kind::Capturing),
            flags,
            rest: &text[1..],
        });
    };
    let name = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<'));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        let rest = behind_name(text, name)?;
        return Ok(Opening {
            kind: Some(Kind::Capturing),
            flags,
            rest,
        });
    }
    set_flags(text, inner, flags)
}

/// Checks the name of a group and returns what stands behind it.
fn behind_name<'a>(text: &'a str, name: &'a str) -> Result<&'a str, RegexError> {
    let Some((name, rest)) = name.split_once('>') else {
        return Err(failed(RegexProblem::NamedCapture, text));
    };
    let valid = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    if name.is_empty() || !name.bytes().all(valid) {
        let opening = &text[..text.len() - rest.len()];
        return Err(failed(RegexProblem::NamedCapture, opening));
    }
    Ok(rest)
}

/// Reads flags up to the colon or parenthesis behind them.
fn set_flags<'a>(text: &'a str, letters: &'a str, flags: Flags) -> Result<Opening<'a>, RegexError> {
    let mut flags = flags;
    let mut on = true;
    let mut pending = false;
    let mut rest = letters;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            'i' => flags.ignore_case = on,
            'm' => flags.lines = on,
            's' => flags.dot_all = on,
            'U' => flags.lazy = on,
            '-' if on => on = false,
            ':' | ')' if !pending => {
                let kind = (letter == ':').then_some(Kind::Plain);
                return Ok(Opening { kind, flags, rest });
            }
            _ => break,
        }
        pending = letter == '-';
    }
    let opening = &text[..text.len() - rest.len()];
    Err(failed(RegexProblem::PerlSyntax, opening))
}
