//! Sans-IO. What a request over HTTP/2 may not say, although a server can read it (RFC 9113 §8.2.2).

use adit_exchange::Headers;

/// Fields that are about one connection of HTTP/1.1, in the order in which they are told.
const OF_CONNECTIONS: [&str; 5] = [
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Transfer-Encoding",
    "Upgrade",
];

/// Returns what to answer to a request with these fields if it may not be made.
///
/// Names must be in canonical spelling.
pub(super) fn complaint(fields: &Headers) -> Option<String> {
    let is_suspect =
        |name: &[u8]| name == b"Te" || OF_CONNECTIONS.iter().any(|other| other.as_bytes() == name);
    if !fields.iter().any(|field| is_suspect(&field.name)) {
        return None;
    }
    let said = OF_CONNECTIONS.into_iter().find(|name| fields.contains(name));
    if let Some(name) = said {
        return Some(format!("request header \"{name}\" is not valid in HTTP/2\n"));
    }
    let mut encodings = fields.all(b"Te");
    let is_fine = encodings
        .next()
        .is_none_or(|te| te.is_empty() || te == "trailers")
        && encodings.next().is_none();
    (!is_fine).then(|| "request header \"TE\" may only be \"trailers\" in HTTP/2\n".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_one_connection_is_refused() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(Fields, Option<&str>); 8] = [
            (&[], None),
            (&[("Cookie", "connection")], None),
            (&[("Te", "trailers")], None),
            (&[("Te", "")], None),
            (&[("Te", "gzip")], Some("\"TE\"")),
            (&[("Te", "trailers"), ("Te", "trailers")], Some("\"TE\"")),
            (&[("Upgrade", ""), ("Te", "x")], Some("\"Upgrade\"")),
            (&[("Upgrade", "x"), ("Connection", "y")], Some("\"Connection\"")),
        ];
        for (fields, named) in cases {
            let said = complaint(&fields.iter().map(|(name, value)| (*name, *value)).collect());
            let is_right = match (&said, named) {
                (Some(said), Some(named)) => said.contains(named) && said.ends_with("in HTTP/2\n"),
                (said, named) => said.is_none() && named.is_none(),
            };
            assert!(is_right, "{fields:?}: {said:?}");
        }
    }
}
