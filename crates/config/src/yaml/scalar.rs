//! Sans-IO. What the text of a scalar is.

use std::borrow::Cow;

use super::error::YamlError;
use super::time;
use super::tree::{BINARY, BOOL, FLOAT, INT, MERGE, NULL, STR, TIMESTAMP};

/// A scalar, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plain<'a> {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number of at most 63 bits and a sign.
    Int(i64),
    /// A whole number above that.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A date or time, printed.
    Time(String),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes, of which a text was made.
    Binary(String),
}

impl Plain<'_> {
    /// Returns the tag of this kind of value.
    pub(crate) const fn tag(&self) -> &'static str {
        match self {
            Self::Null => NULL,
            Self::Bool(_) => BOOL,
            Self::Int(_) | Self::Uint(_) => INT,
            Self::Float(_) => FLOAT,
            Self::Time(_) => TIMESTAMP,
            Self::Text(_) => STR,
            Self::Binary(_) => BINARY,
        }
    }
}

/// Resolves a text that stands plain, without a tag.
pub(crate) fn plain(text: &str) -> Plain<'_> {
    word(text)
        .or_else(|| time::print(text).map(Plain::Time))
        .or_else(|| number(text))
        .unwrap_or(Plain::Text(Cow::Borrowed(text)))
}

/// Resolves a text under a tag.
pub(crate) fn tagged<'a>(tag: &str, text: &'a str) -> Result<Plain<'a>, YamlError> {
    let found = match tag {
        BOOL | INT | FLOAT | NULL => untimed(text),
        TIMESTAMP => plain(text),
        BINARY => return binary(text),
        _ => return Ok(Plain::Text(Cow::Borrowed(text))),
    };
    match (tag, found) {
        #[expect(clippy::cast_precision_loss, reason = "a float is what the tag asks for")]
        (FLOAT, Plain::Int(number)) => Ok(Plain::Float(number as f64)),
        (tag, found) if found.tag() == tag => Ok(found),
        (tag, found) => {
            let text = format!("cannot decode {} `{text}` as a {tag}", found.tag());
            Err(YamlError::broken(text))
        }
    }
}

fn untimed(text: &str) -> Plain<'_> {
    word(text)
        .or_else(|| number(text))
        .unwrap_or(Plain::Text(Cow::Borrowed(text)))
}

fn binary(text: &str) -> Result<Plain<'_>, YamlError> {
    let broken = |_| YamlError::broken("!!binary value contains invalid base64 data");
    let bytes = adit_dialect::base64::decode(text.as_bytes()).map_err(broken)?;
    Ok(Plain::Binary(String::from_utf8_lossy(&bytes).into_owned()))
}

fn word(text: &str) -> Option<Plain<'_>> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Plain::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Float(f64::NEG_INFINITY),
        _ => return None,
    })
}

fn number(text: &str) -> Option<Plain<'_>> {
    match text.as_bytes().first()? {
        b'.' => point_float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = text.replace('_', "");
            whole(&digits)
                .or_else(|| float(&digits))
                .or_else(|| prefixed(&digits))
        }
        _ => None,
    }
}

/// Reads a whole number; the prefixes `0x`, `0b`, `0o` and `0` choose the base.
fn whole(digits: &str) -> Option<Plain<'static>> {
    let (sign, unsigned) = match digits.as_bytes().first()? {
        b'-' => ("-", &digits[1..]),
        b'+' => ("", &digits[1..]),
        _ => ("", digits),
    };
    let (base, rest) = base(unsigned);
    if !rest.bytes().next()?.is_ascii_alphanumeric() {
        return None;
    }
    let signless = digits.len() == unsigned.len();
    let above = || u64::from_str_radix(rest, base).ok().filter(|_| signless);
    signed(sign, rest, base).or_else(|| above().map(Plain::Uint))
}

fn base(unsigned: &str) -> (u32, &str) {
    let lower = |at: usize| unsigned.as_bytes().get(at).map(u8::to_ascii_lowercase);
    match (lower(0), lower(1)) {
        (Some(b'0'), Some(b'x')) if unsigned.len() > 2 => (16, &unsigned[2..]),
        (Some(b'0'), Some(b'b')) if unsigned.len() > 2 => (2, &unsigned[2..]),
        (Some(b'0'), Some(b'o')) if unsigned.len() > 2 => (8, &unsigned[2..]),
        (Some(b'0'), Some(_)) => (8, &unsigned[1..]),
        _ => (10, unsigned),
    }
}

fn signed(sign: &str, digits: &str, base: u32) -> Option<Plain<'static>> {
    let number = i64::from_str_radix(&format!("{sign}{digits}"), base).ok()?;
    Some(Plain::Int(number))
}

/// Reads `0b` and `0o` numbers whose sign stands behind the prefix.
fn prefixed(digits: &str) -> Option<Plain<'static>> {
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", digits),
    };
    let (base, rest) = match unsigned.get(..2)? {
        "0b" => (2, &unsigned[2..]),
        "0o" => (8, &unsigned[2..]),
        _ => return None,
    };
    signed(sign, rest, base)
}

/// Reads a decimal number with optional fraction and exponent; one that is too large is none.
fn float(digits: &str) -> Option<Plain<'static>> {
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = all_digits(before)
        && all_digits(after)
        && (!before.is_empty() || !after.is_empty())
        && exponent.is_none_or(|exponent| {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            !digits.is_empty() && all_digits(digits)
        });
    let number: f64 = shaped.then(|| digits.parse().ok())??;
    number.is_finite().then_some(Plain::Float(number))
}

/// Reads a number that begins with a point, in which `_` may stand between digits.
fn point_float(text: &str) -> Option<Plain<'static>> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let separates = |at: usize| at > 0 && digit(at - 1) && digit(at + 1);
    let lone = |(at, byte): (usize, &u8)| *byte == b'_' && !separates(at);
    if bytes.iter().enumerate().any(lone) {
        return None;
    }
    float(&text.replace('_', ""))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a node of this tag and text merges the map that is its value.
pub(crate) fn is_merge(tag: &str, text: &str) -> bool {
    text == "<<" && tag == MERGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_have_types() {
        let text = |text: &'static str| Plain::Text(Cow::Borrowed(text));
        let rows = [
            ("", Plain::Null),
            ("~", Plain::Null),
            ("nULL", text("nULL")),
            ("True", Plain::Bool(true)),
            ("tRue", text("tRue")),
            ("yes", text("yes")),
            ("5", Plain::Int(5)),
            ("+5", Plain::Int(5)),
            ("-5", Plain::Int(-5)),
            ("1_000", Plain::Int(1000)),
            ("_1", text("_1")),
            ("010", Plain::Int(8)),
            ("08", Plain::Float(8.0)),
            ("0x1F", Plain::Int(31)),
            ("-0x1F", Plain::Int(-31)),
            ("0x", text("0x")),
            ("0o17", Plain::Int(15)),
            ("0o8", text("0o8")),
            ("0b11", Plain::Int(3)),
            ("0b-11", Plain::Int(-3)),
            ("0", Plain::Int(0)),
            ("-0", Plain::Int(0)),
            ("9223372036854775807", Plain::Int(i64::MAX)),
            ("9223372036854775808", Plain::Uint(1 << 63)),
            ("+9223372036854775808", Plain::Float(9_223_372_036_854_775_808.0)),
            ("99999999999999999999", Plain::Float(1e20)),
            ("1.", Plain::Float(1.0)),
            (".5", Plain::Float(0.5)),
            ("1e3", Plain::Float(1000.0)),
            ("1e400", text("1e400")),
            ("1:30", text("1:30")),
            ("+", text("+")),
            ("1.2.3", text("1.2.3")),
            ("2020-01-01", Plain::Time("2020-01-01 00:00:00 +0000 UTC".into())),
        ];
        for (given, expected) in rows {
            assert_eq!(plain(given), expected, "{given}");
        }
    }

    #[test]
    fn tags_convert_or_fail() {
        assert_eq!(tagged(FLOAT, "5"), Ok(Plain::Float(5.0)));
        assert_eq!(tagged("!foo", "5"), Ok(Plain::Text("5".into())));
        let failure = tagged(INT, "abc").expect_err("is no number");
        assert_eq!(failure.text(), "yaml: cannot decode !!str `abc` as a !!int");
    }
}
