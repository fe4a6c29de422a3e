//! Sans-IO. Percent escapes, both ways.

use std::borrow::Cow;

use super::class::Class;
use crate::error::UrlProblem;

/// Decodes the escapes of a path, fragment, name or password.
pub(super) fn decode(text: &[u8]) -> Result<Cow<'_, [u8]>, UrlProblem> {
    decode_where(text, |_| true, |_| true)
}

/// Decodes the escapes of a host, where only bytes outside ASCII and `%` itself may be escaped.
pub(super) fn decode_host(text: &[u8]) -> Result<Cow<'_, [u8]>, UrlProblem> {
    decode_where(text, is_host_byte, |byte| byte >= 0x80 || byte == b'%')
}

/// Decodes the escapes of the zone of an address.
pub(super) fn decode_zone(text: &[u8]) -> Result<Cow<'_, [u8]>, UrlProblem> {
    decode_where(text, is_host_byte, |byte| {
        matches!(byte, b'%' | b' ') || Class::Host.holds(byte)
    })
}

fn is_host_byte(byte: u8) -> bool {
    !byte.is_ascii() || Class::Host.holds(byte)
}

/// Appends `text`, with every byte escaped that may not stand there.
pub(super) fn encode(text: &[u8], class: Class, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        if class.holds(byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}

/// Decodes escapes; `plain` and `escaped` tell which bytes may stand there as they are and escaped.
fn decode_where(
    text: &[u8],
    plain: impl Fn(u8) -> bool,
    escaped: impl Fn(u8) -> bool,
) -> Result<Cow<'_, [u8]>, UrlProblem> {
    let Some(first) = text.iter().position(|&byte| byte == b'%' || !plain(byte)) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while let [byte, after @ ..] = rest {
        rest = if *byte == b'%' {
            let decoded = read_escape(after).filter(|&byte| escaped(byte));
            out.push(decoded.ok_or_else(|| fault(rest))?);
            &after[2..]
        } else if plain(*byte) {
            out.push(*byte);
            after
        } else {
            return Err(UrlProblem::HostCharacter(*byte));
        };
    }
    Ok(Cow::Owned(out))
}

/// Reads the two digits of an escape.
fn read_escape(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

fn fault(text: &[u8]) -> UrlProblem {
    UrlProblem::Escape(text[..text.len().min(3)].to_vec())
}
