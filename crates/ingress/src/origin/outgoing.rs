//! Sans-IO. The head of a request as an origin gets it.

use adit_config::OriginRequest;
use adit_dial::Detour;
use adit_dialect::{header, idna};
use adit_exchange::{Headers, Transport};
use bytes::Bytes;

use crate::h1::request::Head;
use crate::headers;
use crate::incoming::Incoming;

/// What decides which host is sent.
#[derive(Debug)]
pub(crate) enum Hosts {
    /// The visitor's, or the one that the configuration puts in its place, or the origin's own.
    Tcp {
        /// Host and port as the service names them.
        authority: Bytes,
        /// What the configuration puts in the place of the visitor's; empty is nothing.
        replacement: Bytes,
    },
    /// The visitor's, or the one of the destination.
    Unix,
}

impl Hosts {
    /// Returns what decides for an origin at `authority`.
    pub(crate) fn tcp(authority: &str, settings: &OriginRequest) -> Self {
        Self::Tcp {
            authority: Bytes::from(authority.to_owned()),
            replacement: Bytes::from(settings.http_host_header.clone()),
        }
    }

    /// Makes the head of a request.
    pub(crate) fn head(&self, incoming: Incoming) -> Head {
        let mut fields = incoming.headers;
        let trailers = declared_trailers(&fields, incoming.arrival.transport);
        if incoming.websocket {
            fields.set("Connection", "Upgrade");
            fields.set("Upgrade", "websocket");
            fields.set("Sec-Websocket-Version", "13");
        } else {
            fields.set("Connection", "keep-alive");
        }
        let host = self.host(&mut fields, incoming.host, incoming.authority);
        let says = |name: &str| fields.get(name).is_some_and(|value| !value.is_empty());
        Head {
            offer_gzip: incoming.method != b"HEAD"[..] && !says("Accept-Encoding") && !says("Range"),
            method: incoming.method,
            target: incoming.target,
            host: wire_host(host),
            headers: fields,
            proxy_authorization: None,
            trailers,
        }
    }

    /// Returns the host that is sent.
    fn host(&self, fields: &mut Headers, visitor: Bytes, destination: Bytes) -> Bytes {
        match self {
            Self::Tcp { replacement, .. } if !replacement.is_empty() => {
                fields.set("X-Forwarded-Host", visitor);
                replacement.clone()
            }
            _ if !visitor.is_empty() => visitor,
            Self::Tcp { authority, .. } => authority.clone(),
            Self::Unix => destination,
        }
    }
}

/// Makes a request one that a proxy forwards.
pub(crate) fn forward(head: &mut Head, detour: &Detour) {
    let target = [b"http://", &head.host[..], &head.target[..]].concat();
    head.target = target.into();
    let authorization = detour.authorization.as_ref();
    head.proxy_authorization = authorization.map(|value| Bytes::copy_from_slice(value.expose().as_bytes()));
}

/// Returns whether a request waits for leave to send its body.
pub(crate) fn expects_continue(fields: &Headers) -> bool {
    fields
        .get("Expect")
        .is_some_and(|value| headers::has_token(value, b"100-continue"))
}

/// Returns the trailers that were announced, where the transport can bring them.
fn declared_trailers(fields: &Headers, transport: Transport) -> Vec<Bytes> {
    if transport == Transport::Quic {
        return Vec::new();
    }
    let values = fields.all(b"Trailer");
    let names = values.flat_map(|value| value.split(|byte| *byte == b','));
    let mut names: Vec<Bytes> = names
        .map(|name| header::canonical(Bytes::copy_from_slice(name.trim_ascii())))
        .filter(|name| header::is_token(name))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Returns the form of `host` that can be sent: empty if there is none.
fn wire_host(host: Bytes) -> Bytes {
    let host = match std::str::from_utf8(&host).map(idna::wire_host) {
        Ok(Some(std::borrow::Cow::Borrowed(_))) => host,
        Ok(Some(std::borrow::Cow::Owned(host))) => Bytes::from(host),
        Ok(None) | Err(_) => return Bytes::new(),
    };
    let host = without_zone(host);
    if header::is_host(&host) {
        host
    } else {
        Bytes::new()
    }
}

/// Removes the zone of an IPv6 address: it means something on this machine only.
fn without_zone(host: Bytes) -> Bytes {
    let zone = host
        .iter()
        .position(|byte| *byte == b'%')
        .filter(|_| host.starts_with(b"["));
    let close = host.iter().rposition(|byte| *byte == b']');
    match (zone, close) {
        (Some(zone), Some(close)) if zone < close => Bytes::from([&host[..zone], &host[close..]].concat()),
        _ => host,
    }
}
