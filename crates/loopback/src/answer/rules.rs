//! Sans-IO. What an answer must look like. Whatever is not allowed here is refused with the reason.

use adit_wire::connect::{HEADER, RATE_LIMITED, STATUS, TRACING};
use adit_wire::{ConnectResponse, Metadata, h2, preamble as wire};
use bytes::Bytes;
use http::response::Parts;

use super::Head;
use crate::request::Kind;

/// Says why the first bytes of an answer are wrong.
pub(super) fn preamble(head: &[u8; 8]) -> Result<(), String> {
    let (signature, version) = head.split_at(wire::DATA.len());
    if signature != wire::DATA {
        return Err(format!("an answer begins with {signature:02x?}"));
    }
    if version != wire::VERSION {
        return Err(format!("an answer has version {version:02x?}"));
    }
    Ok(())
}

/// Reads the head of an answer over QUIC.
pub(super) fn quic(response: ConnectResponse, kind: Kind) -> Result<Head, String> {
    let mut head = Head {
        raw: raw(&response.metadata),
        ..Head::default()
    };
    if !response.error.is_empty() {
        head.status = REFUSED;
        head.refusal = Some(text(&response.error));
        head.rate_limited = rate_limited(&response.metadata)?;
        return Ok(head);
    }
    if kind == Kind::Tcp {
        head.status = ACCEPTED;
        head.tracing = tracing(response.metadata)?;
        return Ok(head);
    }
    for pair in response.metadata {
        if pair.key == STATUS && head.status == 0 {
            head.status = status(&pair.value)?;
        } else if let Some(name) = header_name(&pair.key) {
            head.headers.push((name, pair.value));
        } else {
            return Err(format!("an answer has metadata `{}`", text(&pair.key)));
        }
    }
    if head.status == 0 {
        return Err("an answer has no status".to_owned());
    }
    Ok(head)
}

/// What a visitor sees when the connector refused.
const REFUSED: u16 = 502;
/// How an accepted TCP stream is told from a refused one.
const ACCEPTED: u16 = 200;

fn raw(metadata: &[Metadata]) -> Vec<(Bytes, Bytes)> {
    let pairs = metadata.iter();
    pairs.map(|pair| (pair.key.clone(), pair.value.clone())).collect()
}

fn rate_limited(metadata: &[Metadata]) -> Result<bool, String> {
    match metadata {
        [] => Ok(false),
        [pair] if pair.key == RATE_LIMITED && pair.value == "true" => Ok(true),
        [pair, ..] => Err(format!("a refusal has metadata `{}`", text(&pair.key))),
    }
}

fn tracing(metadata: Vec<Metadata>) -> Result<Option<Bytes>, String> {
    match <[_; 1]>::try_from(metadata) {
        Ok([pair]) if pair.key == TRACING => Ok(Some(pair.value)),
        Ok([pair]) => Err(format!(
            "an accepted TCP stream has metadata `{}`",
            text(&pair.key)
        )),
        Err(metadata) if metadata.is_empty() => Ok(None),
        Err(metadata) => Err(format!(
            "an accepted TCP stream has {} pairs of metadata",
            metadata.len()
        )),
    }
}

fn status(value: &Bytes) -> Result<u16, String> {
    let digits = std::str::from_utf8(value).ok();
    let status = digits.and_then(|digits| digits.parse().ok());
    let status = status.filter(|status| matches!(status, 101 | 200..=999));
    status.ok_or_else(|| format!("an answer has status `{}`", text(value)))
}

fn header_name(key: &Bytes) -> Option<Bytes> {
    let name = key.strip_prefix(HEADER.as_bytes())?;
    let is_name = !name.is_empty() && !name.contains(&b':');
    is_name.then(|| key.slice_ref(name))
}

/// Reads the head of an answer over HTTP/2.
pub(super) fn http2(parts: &Parts, kind: Kind) -> Result<Head, String> {
    let field = |name| {
        parts
            .headers
            .get(name)
            .map(|value| Bytes::copy_from_slice(value.as_bytes()))
    };
    let fields = parts.headers.iter();
    let mut head = Head {
        status: parts.status.as_u16(),
        tracing: field(h2::name::TRACING),
        raw: fields
            .map(|(name, value)| (owned(name.as_str()), owned(value.as_bytes())))
            .collect(),
        ..Head::default()
    };
    let source = field(h2::name::RESPONSE_META).ok_or("an answer does not say where it comes from")?;
    match std::str::from_utf8(&source) {
        Ok(h2::meta::ORIGIN) => {}
        Ok(h2::meta::CONNECTOR) => return refused(head, false),
        Ok(h2::meta::RATE_LIMITED) => return refused(head, true),
        Ok(_) | Err(_) => return Err(format!("an answer says `{}` about its source", text(&source))),
    }
    let serialised = field(h2::name::RESPONSE_HEADERS).ok_or("an answer has no serialised header fields")?;
    let fields = h2::deserialize(&serialised).map_err(|error| error.to_string())?;
    head.headers = fields
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect();
    same_length(&head, field("content-length"))?;
    // The transport cannot say 101; whoever asked for a WebSocket knows what 200 means.
    let upgraded = kind == Kind::WebSocket && head.value("sec-websocket-accept").is_some();
    if upgraded && head.status == ACCEPTED {
        head.status = 101;
    }
    Ok(head)
}

fn refused(mut head: Head, rate_limited: bool) -> Result<Head, String> {
    if head.status != REFUSED {
        return Err(format!("a refusal has status {}", head.status));
    }
    head.refusal = Some(String::new());
    head.rate_limited = rate_limited;
    Ok(head)
}

/// A length stands both among the serialised fields and beside them.
fn same_length(head: &Head, plain: Option<Bytes>) -> Result<(), String> {
    let serialised = head.value("content-length");
    if serialised.is_some() && serialised != plain.as_ref() {
        return Err("the content length is not the same beside and among the serialised fields".to_owned());
    }
    Ok(())
}

fn owned(bytes: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(bytes.as_ref())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: &'static str, metadata: &[(&'static str, &'static str)]) -> ConnectResponse {
        let pairs = metadata.iter();
        ConnectResponse {
            error: error.into(),
            metadata: pairs.map(|(key, value)| Metadata::new(*key, *value)).collect(),
        }
    }

    #[test]
    fn what_is_allowed_over_quic() {
        let fields = [(STATUS, "204"), ("HttpHeader:X-a", "1"), ("HttpHeader:X-a", "2")];
        let head = quic(answer("", &fields), Kind::Http).expect("an answer");
        assert_eq!((head.status, head.values("x-A").count()), (204, 2));
        let head = quic(answer("no rule", &[]), Kind::Http).expect("a refusal");
        assert_eq!((head.status, head.refusal.as_deref()), (502, Some("no rule")));
        let head = quic(answer("full", &[(RATE_LIMITED, "true")]), Kind::Tcp).expect("a refusal");
        assert!(head.rate_limited);
        let head = quic(answer("", &[]), Kind::Tcp).expect("an acknowledgement");
        assert_eq!((head.status, head.tracing), (200, None));
    }

    #[test]
    fn what_is_forbidden_over_quic() {
        let cases = [
            (answer("", &[]), Kind::Http),
            (answer("", &[(STATUS, "100")]), Kind::Http),
            (answer("", &[(STATUS, "abc")]), Kind::Http),
            (answer("", &[(STATUS, "200"), (STATUS, "200")]), Kind::Http),
            (answer("", &[(STATUS, "200"), ("HttpHeader:", "x")]), Kind::Http),
            (
                answer("", &[(STATUS, "200"), ("HttpHeader:a:b", "x")]),
                Kind::Http,
            ),
            (answer("", &[(STATUS, "200"), ("x", "y")]), Kind::Http),
            (answer("", &[(STATUS, "200")]), Kind::Tcp),
            (answer("why", &[("x", "y")]), Kind::Tcp),
        ];
        for (answer, kind) in cases {
            let shown = format!("{answer:?}");
            assert!(quic(answer, kind).is_err(), "{shown}");
        }
    }
}
