//! Sans-IO. IP addresses and networks.

use std::net::{IpAddr, Ipv6Addr};

use crate::error::AddressError;

/// Reads an IPv4 address, or an IPv6 address with or without a zone.
///
/// # Errors
///
/// Fails when `text` is no address: octets have no leading zeros, a zone is never empty.
pub fn parse(text: &[u8]) -> Result<(IpAddr, Option<&[u8]>), AddressError> {
    let read = match text.iter().find(|byte| b".:%".contains(byte)) {
        Some(b'.') => v4(text).map(|octets| (IpAddr::V4(octets.into()), None)),
        Some(b':') => v6(text),
        Some(_) => Err(("missing IPv6 address", &[][..])),
        None => Err(("unable to parse IP", &[][..])),
    };
    read.map_err(|(reason, rest)| AddressError {
        input: text.to_vec(),
        reason,
        rest: rest.to_vec(),
    })
}

/// Reads a network such as `10.0.0.0/8` into its address, as written, and the length of its prefix.
#[must_use]
pub fn parse_network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let (address, zone) = parse(address.as_bytes()).ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = length
        .parse()
        .ok()
        .filter(|length| *length <= longest && digits)?;
    zone.is_none().then_some((address, length))
}

/// What is wrong, and from where on.
type Fault<'a> = (&'static str, &'a [u8]);

fn v4(text: &[u8]) -> Result<[u8; 4], Fault<'_>> {
    let mut octets = [0u8; 4];
    let mut field = 0;
    let mut digits = 0;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits == 1 && octets[field] == 0 => {
                return Err(("IPv4 field has octet with leading zero", &[]));
            }
            b'0'..=b'9' => {
                let value = octets[field]
                    .checked_mul(10)
                    .and_then(|value| value.checked_add(byte - b'0'));
                octets[field] = value.ok_or(("IPv4 field has value >255", &[][..]))?;
                digits += 1;
            }
            b'.' if digits == 0 || at + 1 == text.len() => {
                return Err(("IPv4 field must have at least one digit", &text[at..]));
            }
            b'.' if field == 3 => return Err(("IPv4 address too long", &[])),
            b'.' => (field, digits) = (field + 1, 0),
            _ => return Err(("unexpected character", &text[at..])),
        }
    }
    if field < 3 {
        return Err(("IPv4 address too short", &[]));
    }
    Ok(octets)
}

fn v6(text: &[u8]) -> Result<(IpAddr, Option<&[u8]>), Fault<'_>> {
    let zone = text.iter().position(|&byte| byte == b'%');
    let (address, zone) = zone.map_or((text, None), |at| (&text[..at], Some(&text[at + 1..])));
    if zone.is_some_and(<[u8]>::is_empty) {
        return Err(("zone must be a non-empty string", &[]));
    }
    let mut reader = V6::default();
    reader.read(address)?;
    Ok((IpAddr::V6(reader.finish()?), zone))
}

/// The fields of an IPv6 address read so far.
#[derive(Default)]
struct V6 {
    bytes: [u8; 16],
    filled: usize,
    /// Where `::` stands.
    gap: Option<usize>,
}

impl V6 {
    fn read<'a>(&mut self, text: &'a [u8]) -> Result<(), Fault<'a>> {
        let mut rest = text;
        if let Some(after) = text.strip_prefix(b"::") {
            self.gap = Some(0);
            rest = after;
        }
        let mut open = !(rest.is_empty() && self.gap.is_some());
        while open && self.filled < 16 {
            (rest, open) = self.field(rest)?;
        }
        if !rest.is_empty() {
            return Err(("trailing garbage after address", rest));
        }
        Ok(())
    }

    /// Reads one field and the colon behind it, and tells what is left and whether more must follow.
    fn field<'a>(&mut self, text: &'a [u8]) -> Result<(&'a [u8], bool), Fault<'a>> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits > 4 {
            return Err(("each group must have 4 or fewer digits", text));
        }
        if digits == 0 {
            return Err(("each colon-separated field must have at least one digit", text));
        }
        let after = &text[digits..];
        if after.first() == Some(&b'.') {
            self.embedded(text)?;
            return Ok((&[], false));
        }
        let value = text[..digits].iter().fold(0u16, |value, &byte| {
            let digit = char::from(byte).to_digit(16).unwrap_or_default();
            value << 4 | u16::try_from(digit).unwrap_or_default()
        });
        self.push(&value.to_be_bytes());
        match after {
            [] => Ok((after, false)),
            [b':'] => Err(("colon must be followed by more characters", after)),
            [b':', b':', ..] if self.gap.is_some() => Err(("multiple :: in address", &after[1..])),
            [b':', b':', rest @ ..] => {
                self.gap = Some(self.filled);
                Ok((rest, !rest.is_empty()))
            }
            [b':', rest @ ..] => Ok((rest, true)),
            _ => Err(("unexpected character, want colon", after)),
        }
    }

    fn embedded<'a>(&mut self, text: &'a [u8]) -> Result<(), Fault<'a>> {
        if self.gap.is_none() && self.filled != 12 {
            return Err((
                "embedded IPv4 address must replace the final 2 fields of the address",
                text,
            ));
        }
        if self.filled > 12 {
            return Err((
                "too many hex fields to fit an embedded IPv4 at the end of the address",
                text,
            ));
        }
        let octets = v4(text)?;
        self.push(&octets);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.filled..self.filled + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn finish(mut self) -> Result<Ipv6Addr, Fault<'static>> {
        match self.gap {
            None if self.filled < 16 => return Err(("address string too short", &[])),
            Some(_) if self.filled == 16 => {
                return Err(("the :: must expand to at least one field of zeros", &[]));
            }
            Some(gap) => {
                self.bytes[gap..].rotate_right(16 - self.filled);
            }
            None => {}
        }
        Ok(Ipv6Addr::from(self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn reads_what_the_standard_library_reads() {
        let texts = [
            "1.2.3.4",
            "0.0.0.0",
            "::",
            "::1",
            "1::",
            "fe80::1",
            "1:2:3:4:5:6:7:8",
            "::1.2.3.4",
            "1:2:3:4:5:6:1.2.3.4",
            "2001:DB8::a:b",
            "1::8",
            "::ffff:10.0.0.1",
        ];
        for text in texts {
            let expect: IpAddr = text.parse().expect("the address is right");
            assert_eq!(parse(text.as_bytes()), Ok((expect, None)), "{text}");
        }
        assert_eq!(
            parse(b"fe80::1%eth0").map(|(_, zone)| zone),
            Ok(Some(&b"eth0"[..]))
        );
    }

    #[test]
    fn refuses() {
        let rows = [
            ("", r#"ParseAddr(""): unable to parse IP"#),
            ("abc", r#"ParseAddr("abc"): unable to parse IP"#),
            ("%eth0", r#"ParseAddr("%eth0"): missing IPv6 address"#),
            ("1.2.3", r#"ParseAddr("1.2.3"): IPv4 address too short"#),
            ("1.2.3.4.5", r#"ParseAddr("1.2.3.4.5"): IPv4 address too long"#),
            (
                "01.2.3.4",
                r#"ParseAddr("01.2.3.4"): IPv4 field has octet with leading zero"#,
            ),
            (
                "256.2.3.4",
                r#"ParseAddr("256.2.3.4"): IPv4 field has value >255"#,
            ),
            (
                "1..2.3",
                r#"ParseAddr("1..2.3"): IPv4 field must have at least one digit (at ".2.3")"#,
            ),
            (
                "1.2.3.x",
                r#"ParseAddr("1.2.3.x"): unexpected character (at "x")"#,
            ),
            ("::1%", r#"ParseAddr("::1%"): zone must be a non-empty string"#),
            (
                "12345::",
                r#"ParseAddr("12345::"): each group must have 4 or fewer digits (at "12345::")"#,
            ),
            (
                ":1",
                r#"ParseAddr(":1"): each colon-separated field must have at least one digit (at ":1")"#,
            ),
            (
                "1:",
                r#"ParseAddr("1:"): colon must be followed by more characters (at ":")"#,
            ),
            (
                "1::2::3",
                r#"ParseAddr("1::2::3"): multiple :: in address (at ":3")"#,
            ),
            ("1:2", r#"ParseAddr("1:2"): address string too short"#),
            (
                "1:2:3:4:5:6:7:8:9",
                r#"ParseAddr("1:2:3:4:5:6:7:8:9"): trailing garbage after address (at "9")"#,
            ),
            (
                "1:2:3:4:5:6:7::8",
                r#"ParseAddr("1:2:3:4:5:6:7::8"): the :: must expand to at least one field of zeros"#,
            ),
            (
                "1:g",
                r#"ParseAddr("1:g"): each colon-separated field must have at least one digit (at "g")"#,
            ),
            (
                "1g:",
                r#"ParseAddr("1g:"): unexpected character, want colon (at "g:")"#,
            ),
        ];
        for (text, expect) in rows {
            assert_eq!(
                parse(text.as_bytes()).map_err(|error| error.to_string()),
                Err(expect.to_owned())
            );
        }
    }

    #[test]
    fn networks() {
        let ten = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(parse_network("10.0.0.1/8"), Some((ten, 8)));
        assert_eq!(
            parse_network("::/0"),
            Some((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0))
        );
        for text in [
            "10.0.0.0",
            "10.0.0.0/33",
            "010.0.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "fe80::%e/64",
            "x/8",
            "::/129",
        ] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }
}
