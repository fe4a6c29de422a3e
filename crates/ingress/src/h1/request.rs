//! Sans-IO. Writes the head of a request, byte for byte as origins have come to know it.

use adit_exchange::{Header, Headers};
use bytes::Bytes;

use super::fields::trim;

/// The head of a request, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: Bytes,
    /// The target as it stands in the request line.
    pub(crate) target: Bytes,
    pub(crate) host: Bytes,
    /// Canonical, checked, in the order of arrival.
    pub(crate) headers: Headers,
    /// Whether gzip is offered in the visitor's place.
    pub(crate) offer_gzip: bool,
    /// What a proxy on the way is shown.
    pub(crate) proxy_authorization: Option<Bytes>,
    /// Names of trailers that follow a chunked body.
    pub(crate) trailers: Vec<Bytes>,
}

/// How the body of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// There is none, and nothing says so.
    None,
    /// There is none, and `Content-Length: 0` says so.
    Zero,
    /// This many bytes.
    Length(u64),
    /// Until the last chunk.
    Chunked,
    /// Until the stream ends, without any header: only for `CONNECT`.
    Raw,
}

/// Fields that are rebuilt from the message and never copied.
const REBUILT: [&[u8]; 5] = [
    b"Host",
    b"User-Agent",
    b"Content-Length",
    b"Transfer-Encoding",
    b"Trailer",
];

impl Head {
    /// Returns the bytes of the head for a body framed like this.
    pub(crate) fn write(&self, body: Sent) -> Bytes {
        let sorted = self.sorted();
        let mut out = Vec::with_capacity(self.size(&sorted));
        for part in [&self.method[..], b" ", &self.target, b" HTTP/1.1\r\n"] {
            out.extend_from_slice(part);
        }
        field(&mut out, b"Host", &self.host);
        match self.headers.get("User-Agent") {
            Some(agent) if !agent.is_empty() => field(&mut out, b"User-Agent", agent),
            Some(_) | None => {}
        }
        self.write_framing(&mut out, body);
        for header in sorted {
            field(&mut out, &header.name, &header.value);
        }
        if self.offer_gzip {
            out.extend_from_slice(b"Accept-Encoding: gzip\r\n");
        }
        if let Some(authorization) = &self.proxy_authorization {
            field(&mut out, b"Proxy-Authorization", authorization);
        }
        out.extend_from_slice(b"\r\n");
        Bytes::from(out)
    }

    fn sorted(&self) -> Vec<&Header> {
        let copied = |header: &&Header| !REBUILT.iter().any(|name| header.is(name));
        let mut sorted: Vec<&Header> = self.headers.iter().filter(copied).collect();
        sorted.sort_by(|one, other| one.name.cmp(&other.name));
        sorted
    }

    fn size(&self, sorted: &[&Header]) -> usize {
        let fields: usize = sorted
            .iter()
            .map(|header| header.name.len() + header.value.len() + 4)
            .sum();
        let agent = self.headers.get("User-Agent").map_or(0, Bytes::len);
        fields + agent + self.method.len() + self.target.len() + self.host.len() + 128
    }

    fn write_framing(&self, out: &mut Vec<u8>, body: Sent) {
        match body {
            Sent::None | Sent::Raw => {}
            Sent::Zero => out.extend_from_slice(b"Content-Length: 0\r\n"),
            Sent::Length(length) => field(out, b"Content-Length", length.to_string().as_bytes()),
            Sent::Chunked => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                if !self.trailers.is_empty() {
                    field(out, b"Trailer", &self.trailers.join(&b","[..]));
                }
            }
        }
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(trim(value));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_host_agent_framing_names_gzip() {
        let headers = [
            ("X-B", "1"),
            ("Accept", " a/b\t"),
            ("User-Agent", "one"),
            ("User-Agent", "two"),
            ("X-A", ""),
            ("X-B", "2"),
            ("Content-Length", "9"),
        ];
        let head = Head {
            method: "POST".into(),
            target: "/p?q".into(),
            host: "h:1".into(),
            headers: headers.into_iter().collect(),
            offer_gzip: true,
            proxy_authorization: None,
            trailers: vec!["X-T".into(), "X-U".into()],
        };
        let expect = "POST /p?q HTTP/1.1\r\nHost: h:1\r\nUser-Agent: one\r\nTransfer-Encoding: chunked\r\n\
                      Trailer: X-T,X-U\r\nAccept: a/b\r\nX-A: \r\nX-B: 1\r\nX-B: 2\r\n\
                      Accept-Encoding: gzip\r\n\r\n";
        assert_eq!(head.write(Sent::Chunked), expect);
    }
}
