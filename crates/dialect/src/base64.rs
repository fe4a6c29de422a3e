//! Sans-IO. Base64 with the standard alphabet.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::error::Base64Error;

/// Decodes padded base64; line ends inside are skipped.
///
/// # Errors
///
/// Fails at the first byte that does not belong there.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Base64Error> {
    read(text.as_ref(), Padding::Required)
}

/// Decodes base64 without padding; line ends inside are skipped.
///
/// # Errors
///
/// Fails at the first byte that does not belong there.
pub fn decode_unpadded(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Base64Error> {
    read(text.as_ref(), Padding::None)
}

/// Encodes with padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Appends the encoding without padding to `out`.
///
/// # Panics
///
/// Never: room for all of it is made before.
pub fn encode_unpadded_into(bytes: impl AsRef<[u8]>, out: &mut Vec<u8>) {
    let bytes = bytes.as_ref();
    let start = out.len();
    out.resize(start + (bytes.len() * 4).div_ceil(3), 0);
    let encoded = STANDARD_NO_PAD.encode_slice(bytes, &mut out[start..]);
    encoded.expect("three bytes are four digits");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Required,
    None,
}

/// Reads groups of four digits; spare bits of the last group may be anything.
fn read(text: &[u8], padding: Padding) -> Result<Vec<u8>, Base64Error> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut group = Group::default();
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => {}
            b'=' if padding == Padding::Required => {
                let end = closing(text, at, group.digits)?;
                group.finish(&mut out);
                return trailing(text, end).map_or(Ok(out), |at| Err(Base64Error(at)));
            }
            _ => group.push(digit(byte).ok_or(Base64Error(at))?, &mut out),
        }
    }
    match group.digits {
        0 => Ok(out),
        2 | 3 if padding == Padding::None => {
            group.finish(&mut out);
            Ok(out)
        }
        digits => Err(Base64Error(text.len() - digits)),
    }
}

/// Up to four digits of six bits.
#[derive(Default)]
struct Group {
    bits: u32,
    digits: usize,
}

impl Group {
    fn push(&mut self, digit: u8, out: &mut Vec<u8>) {
        self.bits = self.bits << 6 | u32::from(digit);
        self.digits += 1;
        if self.digits == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            *self = Self::default();
        }
    }

    /// Gives the whole bytes of a group of two or three digits.
    fn finish(&self, out: &mut Vec<u8>) {
        let missing = 4 - self.digits;
        let bits = self.bits << (6 * missing);
        out.extend_from_slice(&bits.to_be_bytes()[1..4 - missing]);
    }
}

/// Returns where the padding that begins at `at` ends.
fn closing(text: &[u8], at: usize, digits: usize) -> Result<usize, Base64Error> {
    match digits {
        3 => Ok(at + 1),
        2 => {
            let second = trailing(text, at + 1).ok_or(Base64Error(text.len()))?;
            if text[second] != b'=' {
                return Err(Base64Error(second - 1));
            }
            Ok(second + 1)
        }
        _ => Err(Base64Error(at)),
    }
}

/// Returns the first byte from `at` on that is no line end.
fn trailing(text: &[u8], at: usize) -> Option<usize> {
    (at..text.len()).find(|&at| !matches!(text[at], b'\r' | b'\n'))
}

const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded() {
        let rows: &[(&str, Result<&[u8], usize>)] = &[
            ("", Ok(b"")),
            ("AQID", Ok(b"\x01\x02\x03")),
            ("AQI=", Ok(b"\x01\x02")),
            ("AQ==", Ok(b"\x01")),
            ("AR==", Ok(b"\x01")),
            ("A\nQ\r\nI\n=\n", Ok(b"\x01\x02")),
            ("AQ=\n=\n", Ok(b"\x01")),
            ("not base64!", Err(3)),
            ("eyJhIjoi_-8ifQ==", Err(8)),
            ("eyJhIjoiYWNjIn0", Err(12)),
            ("%%", Err(0)),
            ("A", Err(0)),
            ("=", Err(0)),
            ("A=", Err(1)),
            ("AQ=", Err(3)),
            ("AQ=x", Err(2)),
            ("AQ==x", Err(4)),
            ("AQI==", Err(4)),
            ("AQI=AQI=", Err(4)),
            ("AQ ==", Err(2)),
        ];
        for (text, expect) in rows {
            assert_eq!(
                decode(text),
                expect.map(<[u8]>::to_vec).map_err(Base64Error),
                "{text:?}"
            );
        }
    }

    #[test]
    fn unpadded() {
        let rows: &[(&str, Result<&[u8], usize>)] = &[
            ("", Ok(b"")),
            ("AQ", Ok(b"\x01")),
            ("AR", Ok(b"\x01")),
            ("AQI", Ok(b"\x01\x02")),
            ("AQID", Ok(b"\x01\x02\x03")),
            ("A", Err(0)),
            ("AQIDA", Err(4)),
            ("AQ==", Err(2)),
            ("_w", Err(0)),
        ];
        for (text, expect) in rows {
            assert_eq!(
                decode_unpadded(text),
                expect.map(<[u8]>::to_vec).map_err(Base64Error),
                "{text:?}"
            );
        }
        let mut out = b"x".to_vec();
        encode_unpadded_into("a", &mut out);
        assert_eq!(out, b"xYQ");
        assert_eq!(encode("a"), "YQ==");
    }
}
