//! Sans-IO. Bytes of a file → characters for the scanner: encodings, byte order marks, and the
//! characters that YAML forbids.
//!
//! The scanner is fed in pieces, so that a forbidden character far behind the end of the first
//! document goes unseen, as it does upstream.

use std::io::{self, BufRead, Read};

/// The characters of a file, up to the first that YAML forbids.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The characters as UTF-8.
    pub(super) utf8: Vec<u8>,
    /// What is wrong with what follows them.
    pub(super) problem: Option<&'static str>,
    /// Whether a line end was added, because the library relies on one at the end of the text.
    pub(super) completed: bool,
}

/// Feeds the scanner with a text.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    text: &'t Text,
    given: usize,
}

/// Bytes that upstream's library looks at in one go; a forbidden character is told when the piece
/// that holds it is needed.
const PIECE: usize = 512;

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

impl Text {
    /// Decodes the bytes of a file.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let (encoding, rest) = encoding(bytes);
        let mut text = Vec::with_capacity(rest.len() + 1);
        let problem = match encoding {
            Encoding::Utf8 => utf8(rest, &mut text),
            Encoding::Utf16Little => utf16(rest, u16::from_le_bytes, &mut text),
            Encoding::Utf16Big => utf16(rest, u16::from_be_bytes, &mut text),
        };
        let completed = problem.is_ok() && text.last().is_some_and(|last| *last != b'\n');
        if completed {
            text.push(b'\n');
        }
        Self {
            utf8: text,
            problem: problem.err(),
            completed,
        }
    }

    /// Returns whether a position lies behind the line end that was added.
    pub(super) fn is_beyond(&self, index: u64) -> bool {
        self.completed && usize::try_from(index).is_ok_and(|index| index >= self.utf8.len())
    }
}

impl<'t> Reader<'t> {
    /// Starts at the beginning of a text.
    pub(super) const fn new(text: &'t Text) -> Self {
        Self { text, given: 0 }
    }

    fn piece_end(&self) -> usize {
        let utf8 = &self.text.utf8;
        let mut end = (self.given + PIECE).min(utf8.len());
        while utf8.get(end).is_some_and(|byte| byte & 0xC0 == 0x80) {
            end += 1;
        }
        end
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let taken = piece.len().min(out.len());
        out[..taken].copy_from_slice(&piece[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl BufRead for Reader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let end = self.piece_end();
        let last = end == self.text.utf8.len();
        match self.text.problem {
            Some(problem) if last => Err(io::Error::new(io::ErrorKind::InvalidData, problem)),
            _ => Ok(&self.text.utf8[self.given..end]),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.given = (self.given + amount).min(self.text.utf8.len());
    }
}

fn encoding(bytes: &[u8]) -> (Encoding, &[u8]) {
    match bytes {
        [0xFF, 0xFE, rest @ ..] => (Encoding::Utf16Little, rest),
        [0xFE, 0xFF, rest @ ..] => (Encoding::Utf16Big, rest),
        [0xEF, 0xBB, 0xBF, rest @ ..] => (Encoding::Utf8, rest),
        _ => (Encoding::Utf8, bytes),
    }
}

/// Copies the characters before the first forbidden one.
fn utf8(mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    while let Some(&lead) = bytes.first() {
        let width = match lead {
            0x00..=0x7F => 1,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            0x80..=0xBF | 0xF8.. => return Err("invalid leading UTF-8 octet"),
        };
        let Some((sequence, rest)) = bytes.split_at_checked(width) else {
            return Err("incomplete UTF-8 octet sequence");
        };
        check_character(utf8_value(sequence)?)?;
        out.extend_from_slice(sequence);
        bytes = rest;
    }
    Ok(())
}

fn utf8_value(sequence: &[u8]) -> Result<u32, &'static str> {
    let (lead_bits, least) = match sequence.len() {
        1 => (0x7F, 0),
        2 => (0x1F, 0x80),
        3 => (0x0F, 0x800),
        _ => (0x07, 0x1_0000),
    };
    let mut value = u32::from(sequence[0] & lead_bits);
    for octet in &sequence[1..] {
        if octet & 0xC0 != 0x80 {
            return Err("invalid trailing UTF-8 octet");
        }
        value = (value << 6) | u32::from(octet & 0x3F);
    }
    if value < least {
        return Err("invalid length of a UTF-8 sequence");
    }
    if char::from_u32(value).is_none() {
        return Err("invalid Unicode character");
    }
    Ok(value)
}

/// Copies the characters before the first forbidden one as UTF-8.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut units = pairs.iter().map(|pair| u32::from(unit(*pair)));
    while let Some(first) = units.next() {
        let value = match first & 0xFC00 {
            0xDC00 => return Err("unexpected low surrogate area"),
            0xD800 => match units.next() {
                None => return Err("incomplete UTF-16 surrogate pair"),
                Some(second) if second & 0xFC00 != 0xDC00 => {
                    return Err("expected low surrogate area");
                }
                Some(second) => 0x1_0000 + ((first & 0x3FF) << 10) + (second & 0x3FF),
            },
            _ => first,
        };
        let character = check_character(value)?;
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    if odd.is_empty() {
        Ok(())
    } else {
        Err("incomplete UTF-16 character")
    }
}

fn check_character(value: u32) -> Result<char, &'static str> {
    let allowed = matches!(value,
        0x09 | 0x0A | 0x0D | 0x20..=0x7E | 0x85 | 0xA0..=0xD7FF | 0xE000..=0xFFFD
        | 0x1_0000..=0x10_FFFF);
    let character = char::from_u32(value).filter(|_| allowed);
    character.ok_or("control characters are not allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_by_kind() {
        let rows: &[(&[u8], Option<&str>)] = &[
            (b"a: b", None),
            (b"\xEF\xBB\xBFa", None),
            (b"a\x00", Some("control characters are not allowed")),
            (b"a\xE9\n", Some("incomplete UTF-8 octet sequence")),
            (b"a\xE9\nab", Some("invalid trailing UTF-8 octet")),
            (b"\xC0\x80", Some("invalid length of a UTF-8 sequence")),
            (b"\xED\xA0\x80", Some("invalid Unicode character")),
            (b"\xFF", Some("invalid leading UTF-8 octet")),
            (b"\xFF\xFEa\0", None),
            (b"\xFF\xFEa", Some("incomplete UTF-16 character")),
            (b"\xFF\xFE\x00\xDC", Some("unexpected low surrogate area")),
            (b"\xFF\xFE\x00\xD8", Some("incomplete UTF-16 surrogate pair")),
            (b"\xFF\xFE\x00\xD8a\0", Some("expected low surrogate area")),
        ];
        for (bytes, expected) in rows {
            assert_eq!(Text::new(bytes).problem, *expected, "{bytes:?}");
        }
    }
}
