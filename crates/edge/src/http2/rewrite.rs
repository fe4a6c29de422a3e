//! Sans-IO. What the HTTP/2 library sees of a header block, and what passes it by.
//!
//! The library reads less than visitors send: a request target with `<`, `` ` `` or a space is refused,
//! one with `#` is cut, and one byte that is no UTF-8 costs the whole connection. So it is shown what
//! it judges a request by and nothing else, which also spares it work that nobody needs, and a block
//! that no server would take breaks in a way that costs its stream alone.

use adit_dialect::header::{canonicalize, is_token, is_value};
use adit_exchange::Headers;
use bytes::{Bytes, BytesMut};

use super::hpack::{Fields, put};

/// What passes the library by of a request.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) target: Option<Bytes>,
    pub(super) authority: Option<Bytes>,
    /// All fields that are not about the request line, names in canonical spelling.
    pub(super) fields: Headers,
}

/// Writes fields so that the library takes them, and returns beside that what it need not see of a
/// request; nothing if no server would take them.
pub(super) fn rewrite(fields: &Fields) -> Option<(BytesMut, Option<Head>)> {
    let is_request = fields
        .iter()
        .next()
        .is_some_and(|(name, _)| name.starts_with(b":"));
    if !is_request {
        return trailers(fields).map(|block| (block, None));
    }
    let is_connect = fields
        .iter()
        .any(|field| field == (&b":method"[..], &b"CONNECT"[..]));
    let texts = canonical(fields);
    let mut block = BytesMut::with_capacity(SHOWN);
    let mut head = Head {
        fields: Headers::with_capacity(fields.spans().len()),
        ..Head::default()
    };
    let mut is_past_pseudo = false;
    for ((name, value), (name_at, value_at)) in fields.iter().zip(fields.spans()) {
        let is_pseudo = name.starts_with(b":");
        // The library does not see all that it would refuse.
        if is_pseudo && is_past_pseudo || head.authority.is_some() && name == b":authority" {
            return None;
        }
        is_past_pseudo |= !is_pseudo;
        match name {
            b":path" if is_visible(value) && is_target(value) => {
                put(&mut block, name, if value == b"*" { b"*" } else { b"/" });
                head.target = Some(texts.slice(value_at));
            }
            b":authority" if is_visible(value) => {
                if is_connect {
                    put(&mut block, name, b"-");
                }
                head.authority = Some(texts.slice(value_at));
            }
            b":path" if !value.is_empty() => return None,
            // The library wants it whole or not at all.
            b":authority" if value.is_empty() => {}
            b":path" | b":authority" | b":scheme" if value.is_ascii() => put(&mut block, name, value),
            b":method" if is_token(value) => put(&mut block, name, value),
            _ if is_field(name, value) => {
                if name == JUDGED {
                    put(&mut block, name, value);
                }
                head.fields.append(texts.slice(name_at), texts.slice(value_at));
            }
            _ => return None,
        }
    }
    Some((block, Some(head)))
}

/// Writes the fields behind a body, all of which the library sees.
fn trailers(fields: &Fields) -> Option<BytesMut> {
    let mut block = BytesMut::new();
    for (name, value) in fields.iter() {
        if !is_field(name, value) {
            return None;
        }
        put(&mut block, name, value);
    }
    Some(block)
}

/// Copies the texts of fields, names in canonical spelling.
fn canonical(fields: &Fields) -> Bytes {
    let mut texts = BytesMut::from(fields.texts());
    for (name, _) in fields.spans() {
        canonicalize(&mut texts[name]);
    }
    texts.freeze()
}

/// A block that says twice what may be said once: the library resets its stream.
pub(super) fn broken() -> BytesMut {
    let mut block = BytesMut::new();
    put(&mut block, b":method", b"GET");
    put(&mut block, b":method", b"GET");
    block
}

/// Returns whether HTTP/2 lets a field be called and say this.
fn is_field(name: &[u8], value: &[u8]) -> bool {
    is_token(name) && !name.iter().any(u8::is_ascii_uppercase) && is_value(value)
}

/// Returns whether there is something, and nothing that cannot stand in a field.
fn is_visible(value: &[u8]) -> bool {
    !value.is_empty() && is_value(value) && !value.contains(&b'\t')
}

/// Returns whether a request may ask for this: a path whose escapes can be read, whatever the query.
fn is_target(target: &[u8]) -> bool {
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    let mut parts = path.split(|byte| *byte == b'%');
    let is_path = target == b"*" || parts.next().is_some_and(|first| first.starts_with(b"/"));
    is_path && parts.all(|part| matches!(part, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// The field by which the library judges a request; what else it would refuse is answered.
const JUDGED: &[u8] = b"content-length";
/// Bytes that the library is usually shown of a request.
const SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::hpack::Decoder;
    use super::*;

    type Fields<'f> = [(&'f str, &'f [u8])];

    fn block(fields: &Fields<'_>) -> BytesMut {
        let mut block = BytesMut::new();
        for (name, value) in fields {
            put(&mut block, name.as_bytes(), value);
        }
        block
    }

    fn rewritten(fields: &Fields<'_>) -> Option<(BytesMut, Option<Head>)> {
        let mut decoder = Decoder::default();
        let read = decoder.decode(&block(fields), usize::MAX);
        rewrite(read.expect("it is a block"))
    }

    #[test]
    fn what_the_library_need_not_judge_passes_it_by() {
        let fields: [(&str, &[u8]); 6] = [
            (":method", b"GET"),
            (":path", b"/<a b>`\xff#x"),
            (":authority", b"b\xff"),
            ("x-latin", b"caf\xe9"),
            ("content-length", b"5"),
            ("te", b"trailers"),
        ];
        let (shown, head) = rewritten(&fields).expect("a server takes it");
        assert_eq!(shown, block(&[fields[0], (":path", b"/"), fields[4]]));
        let head = head.expect("it is a request");
        assert_eq!(head.target.as_deref(), Some(fields[1].1));
        assert_eq!(head.authority.as_deref(), Some(fields[2].1));
        let expected = [
            (&b"X-Latin"[..], &b"caf\xe9"[..]),
            (b"Content-Length", b"5"),
            (b"Te", b"trailers"),
        ];
        assert_eq!(head.fields, expected.into_iter().collect());
    }

    #[test]
    fn what_no_server_takes_is_not_taken() {
        let cases: [&Fields<'_>; 14] = [
            &[(":path", b"no-slash")],
            &[(":path", b"https://h/")],
            &[(":path", b"/%zz")],
            &[(":path", b"/a%2")],
            &[(":path", b"%2f")],
            &[("Upper", b"1")],
            &[("control", b"a\0b")],
            &[(":unknown", b"1")],
            &[(":method", b"GE T")],
            &[(":path", b"/\x01\xff")],
            &[(":scheme", b"\xff")],
            &[(":method", b"GET"), ("a", b"1"), (":path", b"/")],
            &[("a", b"1"), (":method", b"GET")],
            &[(":authority", b"a"), (":authority", b"a")],
        ];
        for case in cases {
            assert!(rewritten(case).is_none(), "{case:?}");
        }
    }

    #[test]
    fn trailers_stay_as_they_are() {
        let fields: [(&str, &[u8]); 2] = [("x-sum", b"1"), ("te", b"2")];
        let (shown, head) = rewritten(&fields).expect("a server takes them");
        assert!(head.is_none());
        assert_eq!(shown, block(&fields));
    }
}
