//! Sans-IO. What happens to header fields between a request and its origin.

use adit_dialect::header;
use adit_dialect::quote::quote;
use adit_exchange::{Class, Headers};
use bytes::Bytes;

use adit_dial::Failure;

/// Fields that tell the connector something and that no origin sees.
const INTERNAL: [&[u8]; 2] = [b"Cf-Cloudflared-Proxy-Connection-Upgrade", b"Cf-Trace-Id"];

/// The field that a response may carry only when the connector itself traced the request.
const TRACING: &[u8] = b"Cf-Int-Cloudflared-Tracing";

/// A piece of information that is sent to origins with every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    name: Bytes,
    value: Bytes,
}

impl Tag {
    /// Returns the tag `name` with this value; nothing if no header can carry it.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Option<Self> {
        let field = header::canonical(Bytes::from(format!("Cf-Warp-Tag-{name}")));
        let carried = header::is_token(&field) && header::is_value(value.as_bytes());
        carried.then(|| Self {
            name: field,
            value: Bytes::from(value.to_owned()),
        })
    }
}

/// Returns the fields of a request as origins see them: spelled canonically, less what is
/// internal, with the tags behind everything.
pub(crate) fn arrived(headers: Headers, tags: &[Tag]) -> Headers {
    let mut arrived: Headers = headers
        .into_iter()
        .map(|field| (header::canonical(field.name), field.value))
        .collect();
    arrived.retain(|field| !INTERNAL.iter().any(|name| field.is(name)));
    for tag in tags {
        arrived.append(tag.name.clone(), tag.value.clone());
    }
    arrived
}

/// Checks that the fields can be sent.
pub(crate) fn check(headers: &Headers) -> Result<(), Failure> {
    for field in headers {
        if !header::is_token(&field.name) {
            let text = format!("net/http: invalid header field name {}", quote(&field.name));
            return Err(Failure::new(Class::Request, text));
        }
        if !header::is_value(&field.value) {
            let text = format!("net/http: invalid header field value for {}", quote(&field.name));
            return Err(Failure::new(Class::Request, text));
        }
    }
    Ok(())
}

/// Returns the fields of a response as the edge sees them.
pub(crate) fn answered(mut headers: Headers) -> Headers {
    headers.remove(TRACING);
    headers
}

/// Returns `name` as upstream spells it; a name that is no token stays as it is.
pub(crate) fn canonical(name: &Bytes) -> Bytes {
    header::canonical(name.clone())
}

/// Returns whether a list of tokens holds `token`, whatever the case of its letters.
pub(crate) fn has_token(value: &[u8], token: &[u8]) -> bool {
    value
        .split(|byte| *byte == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
}

/// Returns the number that `digits` write; nothing if they write none or one beyond `i64`.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let number = adit_dialect::number::decimal_u64(digits).ok()?;
    i64::try_from(number).is_ok().then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_arrives_without_what_is_internal_and_with_its_tags() {
        let sent = [
            ("cf-trace-id", "1"),
            ("x-a", "1"),
            ("cf-warp-tag-id", "spoofed"),
            ("X y", "2"),
        ];
        let tags = [Tag::new("ID", "me").expect("a name that fits")];
        let expect = [
            ("X-A", "1"),
            ("Cf-Warp-Tag-Id", "spoofed"),
            ("X y", "2"),
            ("Cf-Warp-Tag-Id", "me"),
        ];
        assert_eq!(
            arrived(sent.into_iter().collect(), &tags),
            expect.into_iter().collect()
        );
    }

    #[test]
    fn a_tag_that_no_header_carries_is_none() {
        assert_eq!(Tag::new("Weird Name", "x"), None);
        assert_eq!(Tag::new("A", "line\n"), None);
    }
}
