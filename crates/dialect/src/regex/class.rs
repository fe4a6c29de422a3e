//! Sans-IO. Sets of characters: `[…]`, `[:name:]`, `\d`.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use super::limit::failed;
use super::node::fold;
use super::parse::Flags;
use super::{escape, unicode};
use crate::error::{RegexError, RegexProblem};

/// Reads the set in brackets with which `text` begins.
pub(super) fn bracketed(text: &str, flags: Flags) -> Result<(ClassUnicode, &str), RegexError> {
    let inner = &text[1..];
    let (negated, mut rest) = match inner.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, inner),
    };
    let mut set = ClassUnicode::empty();
    let mut first = true;
    // A bracket at the beginning stands for itself.
    while first || !rest.starts_with(']') {
        first = false;
        let (member, behind) = member(text, rest, flags)?;
        set.union(&member);
        rest = behind;
    }
    if negated {
        set.negate();
    }
    Ok((set, &rest[1..]))
}

/// Reads the escape of a set, such as `\d`, with which `text` begins, if there is one.
pub(super) fn perl(text: &str, flags: Flags) -> Option<(ClassUnicode, &str)> {
    let (ranges, negated): (&[_], _) = match text.as_bytes().get(..2)? {
        b"\\d" => (DIGIT, false),
        b"\\D" => (DIGIT, true),
        b"\\s" => (BLANKS, false),
        b"\\S" => (BLANKS, true),
        b"\\w" => (WORD, false),
        b"\\W" => (WORD, true),
        _ => return None,
    };
    Some((ascii(ranges, negated, flags), &text[2..]))
}

/// Returns a set, with its other cases if case is ignored, and all but it if `negated`.
pub(super) fn finished(mut set: ClassUnicode, negated: bool, flags: Flags) -> ClassUnicode {
    if flags.ignore_case {
        fold(&mut set);
    }
    if negated {
        set.negate();
    }
    set
}

/// Reads one member of the set that begins with `whole`.
fn member<'a>(whole: &str, text: &'a str, flags: Flags) -> Result<(ClassUnicode, &'a str), RegexError> {
    if let Some(named) = named(text, flags)? {
        return Ok(named);
    }
    if let Some(named) = unicode::escape(text, flags)? {
        return Ok(named);
    }
    if let Some(named) = perl(text, flags) {
        return Ok(named);
    }
    range(whole, text, flags)
}

/// Reads `[:name:]` or `[:^name:]`.
fn named(text: &str, flags: Flags) -> Result<Option<(ClassUnicode, &str)>, RegexError> {
    let inner = text.strip_prefix("[:").filter(|inner| !inner.is_empty());
    let Some((name, rest)) = inner.and_then(|inner| inner.split_once(":]")) else {
        return Ok(None);
    };
    let (negated, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let Some(ranges) = posix(name) else {
        let given = &text[..text.len() - rest.len()];
        return Err(failed(RegexProblem::ClassRange, given));
    };
    Ok(Some((ascii(ranges, negated, flags), rest)))
}

/// Reads one character, or two with a hyphen between them.
fn range<'a>(whole: &str, text: &'a str, flags: Flags) -> Result<(ClassUnicode, &'a str), RegexError> {
    let (low, mut rest) = character(whole, text)?;
    let mut high = low;
    let upper = rest
        .strip_prefix('-')
        .filter(|upper| !upper.is_empty() && !upper.starts_with(']'));
    if let Some(upper) = upper {
        (high, rest) = character(whole, upper)?;
    }
    if high < low {
        let given = &text[..text.len() - rest.len()];
        return Err(failed(RegexProblem::ClassRange, given));
    }
    let set = ClassUnicode::new(scalars(low, high));
    Ok((finished(set, false, flags), rest))
}

fn character<'a>(whole: &str, text: &'a str) -> Result<(u32, &'a str), RegexError> {
    match text.chars().next() {
        None => Err(failed(RegexProblem::MissingBracket, whole)),
        Some('\\') => escape::character(text),
        Some(c) => Ok((u32::from(c), &text[c.len_utf8()..])),
    }
}

/// Returns the range from `low` to `high` without the halves of surrogate pairs.
fn scalars(low: u32, high: u32) -> Option<ClassUnicodeRange> {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    (low <= high).then(|| ClassUnicodeRange::new(low, high))
}

type Ranges = [(char, char)];

fn ascii(ranges: &Ranges, negated: bool, flags: Flags) -> ClassUnicode {
    let ranges = ranges
        .iter()
        .map(|&(low, high)| ClassUnicodeRange::new(low, high));
    finished(ClassUnicode::new(ranges), negated, flags)
}

fn posix(name: &str) -> Option<&'static Ranges> {
    let ranges: &Ranges = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    Some(ranges)
}

const DIGIT: &Ranges = &[('0', '9')];
const WORD: &Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// White space without the vertical tab, which only `[:space:]` holds.
const BLANKS: &Ranges = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
