//! Sans-IO. Strings of JSON: their escapes, and when two names are the same.

use std::borrow::Cow;

/// Reads a string that was accepted, with its quotes.
pub(super) fn read(quoted: &[u8]) -> Cow<'_, str> {
    let text = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\\') => Cow::Borrowed(text),
        _ => Cow::Owned(decode(text)),
    }
}

/// Compares names without regard to case.
///
/// Beside the capital letters there are two that count as ASCII letters: the long s and the
/// Kelvin sign.
pub(super) fn same_name(given: &str, wanted: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    given.chars().map(fold).eq(wanted.chars().map(fold))
}

/// Decodes escapes; each byte that is not UTF-8 and each lone surrogate becomes U+FFFD.
fn decode(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        push_lossy(&mut out, &rest[..at]);
        rest = escape(&rest[at + 1..], &mut out);
    }
    push_lossy(&mut out, rest);
    out
}

fn push_lossy(out: &mut String, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Decodes the escape whose backslash has been read, and returns what is left.
fn escape<'a>(text: &'a [u8], out: &mut String) -> &'a [u8] {
    let Some((&letter, rest)) = text.split_first() else {
        return text;
    };
    let c = match letter {
        b'b' => '\x08',
        b'f' => '\x0c',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest, out),
        _ => char::from(letter),
    };
    out.push(c);
    rest
}

/// Decodes four digits, and a second half behind them if there is one.
fn unicode<'a>(text: &'a [u8], out: &mut String) -> &'a [u8] {
    let first = digits(text);
    let rest = text.get(4..).unwrap_or_default();
    let second = rest.strip_prefix(b"\\u").map(digits);
    if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (first, second) {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &rest[6..];
    }
    out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn digits(text: &[u8]) -> u32 {
    let digit = |&byte: &u8| char::from(byte).to_digit(16).unwrap_or_default();
    text.iter()
        .take(4)
        .fold(0, |value, byte| value << 4 | digit(byte))
}
