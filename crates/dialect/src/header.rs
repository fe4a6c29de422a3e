//! Sans-IO. Names and values of header fields.
//!
//! All of it is inlined: it runs for every field of every request, in crates that are built for speed.

use bytes::Bytes;

/// Returns `name` in canonical spelling: `content-type` becomes `Content-Type`.
///
/// A name that is no token stays as it is. Nothing is copied when the spelling is canonical.
#[inline]
#[must_use]
pub fn canonical(name: Bytes) -> Bytes {
    if is_canonical(&name) || !is_token(&name) {
        return name;
    }
    let mut spelled = name.to_vec();
    spell(&mut spelled);
    Bytes::from(spelled)
}

/// Brings `name` into canonical spelling when it is a token.
#[inline]
pub fn canonicalize(name: &mut [u8]) {
    if is_token(name) {
        spell(name);
    }
}

/// Tells whether `text` is a token: a name of a header field or a method.
#[inline]
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Tells whether `byte` may stand in a token.
#[inline]
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Tells whether `value` may be sent as the value of a header field: no control byte but the tab.
#[inline]
#[must_use]
pub fn is_value(value: &[u8]) -> bool {
    // All of it is looked at, whatever is found: that takes several bytes at a time.
    value.iter().fold(true, |fine, &byte| {
        fine & (byte == b'\t' || (byte >= b' ' && byte != 0x7f))
    })
}

/// Tells whether `host` holds only bytes that a `Host` field may hold.
#[inline]
#[must_use]
pub fn is_host(host: &[u8]) -> bool {
    host.iter()
        .all(|&byte| byte.is_ascii_alphanumeric() || b"!$%&'()*+,-.:;=[]_~".contains(&byte))
}

#[inline]
fn is_canonical(name: &[u8]) -> bool {
    let mut first = true;
    name.iter().all(|&byte| {
        let right = is_token_byte(byte) && byte == spelled(byte, first);
        first = byte == b'-';
        right
    })
}

#[inline]
fn spell(name: &mut [u8]) {
    let mut first = true;
    for byte in name {
        *byte = spelled(*byte, first);
        first = *byte == b'-';
    }
}

const fn spelled(byte: u8, first: bool) -> u8 {
    if first {
        byte.to_ascii_uppercase()
    } else {
        byte.to_ascii_lowercase()
    }
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_spelling() {
        let rows: &[(&'static [u8], &'static [u8])] = &[
            (b"content-type", b"Content-Type"),
            (b"ETag", b"Etag"),
            (b"WWW-Authenticate", b"Www-Authenticate"),
            (b"X-XSS-Protection", b"X-Xss-Protection"),
            (b"x_u", b"X_u"),
            (b"X-1A--b-", b"X-1a--B-"),
            (b"Host", b"Host"),
            (b"x y", b"x y"),
            (b"name ", b"name "),
            (b"na\xc3\xafve", b"na\xc3\xafve"),
            (b"", b""),
        ];
        for (name, expect) in rows {
            assert_eq!(canonical(Bytes::from_static(name)), *expect);
            let mut name = name.to_vec();
            canonicalize(&mut name);
            assert_eq!(name, *expect);
        }
    }

    #[test]
    fn a_canonical_name_is_not_copied() {
        let name = Bytes::from(b"Content-Type".to_vec());
        assert_eq!(canonical(name.clone()).as_ptr(), name.as_ptr());
    }

    #[test]
    fn what_may_be_sent() {
        assert!(is_token(b"X-A") && !is_token(b"") && !is_token(b"a:b") && !is_token(b"\x80"));
        assert!(is_value(b"a\tb\xff") && is_value(b"") && !is_value(b"a\nb") && !is_value(b"\x7f"));
        assert!(is_host(b"[::1]:80") && is_host(b"") && !is_host(b"a b") && !is_host(b"a/b"));
    }
}
