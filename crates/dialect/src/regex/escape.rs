//! Sans-IO. Escapes that stand for one character.

use super::limit::failed;
use crate::error::{RegexError, RegexProblem};

/// Reads the escape with which `text` begins; it may be half of a surrogate pair.
pub(super) fn character(text: &str) -> Result<(u32, &str), RegexError> {
    let inner = &text[1..];
    let Some(letter) = inner.chars().next() else {
        return Err(failed(RegexProblem::TrailingBackslash, ""));
    };
    let rest = &inner[letter.len_utf8()..];
    let read = match letter {
        '1'..='7' if rest.starts_with(|c| matches!(c, '0'..='7')) => Ok(octal(inner)),
        '0' => Ok(octal(inner)),
        'x' => hexadecimal(rest),
        'a' => Ok((0x07, rest)),
        'f' => Ok((0x0c, rest)),
        'n' => Ok((0x0a, rest)),
        'r' => Ok((0x0d, rest)),
        't' => Ok((0x09, rest)),
        'v' => Ok((0x0b, rest)),
        _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Ok((u32::from(letter), rest)),
        _ => Err(rest),
    };
    read.map_err(|rest| failed(RegexProblem::Escape, &text[..text.len() - rest.len()]))
}

/// Reads up to three digits.
fn octal(text: &str) -> (u32, &str) {
    let digits = text
        .bytes()
        .take(3)
        .take_while(|byte| matches!(byte, b'0'..=b'7'));
    let (mut code, mut length) = (0, 0);
    for digit in digits {
        code = code * 8 + u32::from(digit - b'0');
        length += 1;
    }
    (code, &text[length..])
}

/// Reads two digits, or any number of them in braces; fails with what stands behind the fault.
fn hexadecimal(text: &str) -> Result<(u32, &str), &str> {
    if let Some(digits) = text.strip_prefix('{') {
        return braces(digits);
    }
    let mut rest = text;
    let mut code = Some(0);
    for _ in 0..2 {
        let Some(c) = rest.chars().next() else {
            return Err(rest);
        };
        rest = &rest[c.len_utf8()..];
        code = code.zip(c.to_digit(16)).map(|(code, digit)| code * 16 + digit);
    }
    code.map(|code| (code, rest)).ok_or(rest)
}

fn braces(text: &str) -> Result<(u32, &str), &str> {
    let mut code = 0;
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        if c == '}' && at > 0 {
            return Ok((code, rest));
        }
        let digit = c.to_digit(16).ok_or(rest)?;
        code = code * 16 + digit;
        if code > u32::from(char::MAX) {
            return Err(rest);
        }
    }
    Err("")
}
