//! Origins that speak HTTP: over TCP or a Unix socket, with or without TLS.

use std::sync::Arc;

use adit_config::{OriginRequest, Scheme, Service};
use adit_dialect::{header, hostport, idna};
use adit_exchange::{Body, Class, Connected, Framing, Headers, Io, Refusal, Reply, Response, Transport};
use bytes::Bytes;

use super::multiplexed::{self, Multiplexed};
use super::unix;
use crate::connection::{Connection, Ends};
use crate::detour::{Detour, Environment, Kind};
use crate::dial::Dialer;
use crate::error::Failure;
use crate::framing::{self, Plan};
use crate::gunzip;
use crate::h1::answer::{Answer, Framed};
use crate::h1::exchange::{Exchange, Lost};
use crate::h1::request::{Head, Sent};
use crate::h1::upload::Upload;
use crate::headers;
use crate::incoming::Incoming;
use crate::lookahead::{Seen, collect, look};
use crate::pool::{Limits, Pool};
use crate::prefixed::Prefixed;
use crate::resolve::Resolve;
use crate::tls::{Roots, Tls};

/// Bytes of a body that are held to learn its length where chunks are forbidden.
const MAX_HELD: usize = 4 << 20;

/// An origin that speaks HTTP.
#[derive(Debug)]
pub(crate) struct HttpOrigin {
    place: Place,
    dialer: Dialer,
    tls: Option<Tls>,
    detour: Option<Detour>,
    pool: Arc<Pool>,
    /// Where the origin may speak HTTP/2.
    multiplexed: Option<Multiplexed>,
    settings: OriginRequest,
}

/// Where an origin is.
#[derive(Clone, Debug)]
enum Place {
    Tcp {
        /// Host and port as the service names them.
        authority: Bytes,
        /// Host and port to dial.
        address: String,
        host: String,
    },
    Unix {
        path: Arc<str>,
    },
}

/// A request on its way.
struct Outgoing {
    head: Head,
    sent: Sent,
    body: Body,
    /// What a visitor sends after an upgrade: the body where it is no part of the request.
    after: Body,
    way: Way,
    websocket: bool,
    /// A connection that is there already.
    ready: Option<Connection>,
}

/// Which connections may carry a request.
#[derive(Clone, Debug)]
struct Way {
    /// The name expected in the certificate.
    server_name: String,
    /// Requests with the same key may share connections.
    key: Arc<str>,
}

impl HttpOrigin {
    /// Returns the origin of `service`, if it is one that speaks HTTP.
    ///
    /// # Errors
    ///
    /// Fails when its certificates cannot be read.
    pub(crate) fn new(
        service: &Service,
        settings: &OriginRequest,
        resolver: Arc<dyn Resolve>,
        environment: &Environment,
        roots: impl FnOnce() -> Roots,
    ) -> Result<Option<Self>, String> {
        let (place, tls) = match service {
            Service::Http(origin) => {
                let place = Place::Tcp {
                    authority: Bytes::from(origin.authority.clone()),
                    address: hostport::join(origin.host(), origin.port()),
                    host: origin.host().to_owned(),
                };
                (place, origin.scheme == Scheme::Https)
            }
            Service::Unix(origin) => {
                let path = origin.path.as_str().into();
                (Place::Unix { path }, origin.tls)
            }
            Service::Tcp(_)
            | Service::Status(_)
            | Service::HelloWorld
            | Service::Socks(_)
            | Service::Bastion => return Ok(None),
        };
        let detour = match (service, &place) {
            (Service::Http(origin), Place::Tcp { host, .. }) => environment.detour(tls, host, origin.port()),
            _ => None,
        };
        let multiplexed = tls && settings.http2_origin && !settings.match_sni_to_host;
        Ok(Some(Self {
            place,
            detour,
            multiplexed: multiplexed.then(Multiplexed::default),
            dialer: Dialer::http(resolver, settings),
            tls: tls.then(|| Tls::new(&roots(), settings)).transpose()?,
            pool: Pool::new(Limits::of(settings)),
            settings: settings.clone(),
        }))
    }

    /// Carries a request to the origin and returns its reply.
    ///
    /// # Errors
    ///
    /// Fails when the origin cannot be reached or does not answer as HTTP demands.
    pub(crate) async fn call(&self, incoming: Incoming) -> Result<Reply, Refusal> {
        headers::check(&incoming.headers).map_err(Failure::unreachable)?;
        let outgoing = self.outgoing(incoming).await.map_err(Failure::unreachable)?;
        let Some(outgoing) = outgoing else {
            return Ok(length_required());
        };
        let decode = outgoing.head.offer_gzip;
        let outgoing = match self.multiplexed(outgoing).await.map_err(Failure::unreachable)? {
            Ok(response) => return Ok(Reply::Response(undone(response, decode))),
            Err(outgoing) => outgoing,
        };
        let exchanged = self.exchange(outgoing).await;
        let (answer, exchange, after) = exchanged.map_err(Failure::unreachable)?;
        if answer.body == Framed::Switched {
            return switched(answer, exchange, after);
        }
        let body = exchange.into_body(&answer, Arc::clone(&self.pool));
        let response = Response {
            status: answer.status,
            headers: headers::answered(answer.headers),
            body,
        };
        Ok(Reply::Response(undone(response, decode)))
    }

    /// Sends a request over HTTP/2 if the origin speaks it; else gives the request back.
    async fn multiplexed(&self, mut outgoing: Outgoing) -> Result<Result<Response, Outgoing>, Failure> {
        let Some(multiplexed) = self.multiplexed.as_ref().filter(|_| !outgoing.websocket) else {
            return Ok(Err(outgoing));
        };
        if let Some(connection) = self.pool.take(&outgoing.way.key) {
            outgoing.ready = Some(connection);
            return Ok(Err(outgoing));
        }
        let repeatable = matches!(outgoing.sent, Sent::None | Sent::Zero);
        let mut again = true;
        loop {
            let open = async {
                let connection = self.connect(&outgoing.way, true).await?;
                Ok(if connection.multiplexed {
                    Ok(connection.io)
                } else {
                    Err(connection)
                })
            };
            let requests = match multiplexed.requests(open).await? {
                Ok(requests) => requests,
                Err(connection) => {
                    outgoing.ready = Some(connection);
                    return Ok(Err(outgoing));
                }
            };
            let body = std::mem::take(&mut outgoing.body);
            match multiplexed::exchange(requests, &outgoing.head, outgoing.sent, body).await {
                Ok(response) => return Ok(Ok(response)),
                Err(lost) if lost.untouched && repeatable && again => again = false,
                Err(lost) => return Err(lost.failure),
            }
        }
    }

    /// Decides what is sent; nothing when the length of the body cannot be told as it must be.
    async fn outgoing(&self, mut incoming: Incoming) -> Result<Option<Outgoing>, Failure> {
        let body = std::mem::take(&mut incoming.body);
        let (sent, body, after) = if incoming.websocket {
            (framing::none(&incoming.method), Body::empty(), body)
        } else {
            let (sent, body) = planned(incoming.method.clone(), incoming.framing, body).await;
            match self.unchunked(sent, body).await? {
                Some((Sent::None | Sent::Zero, rest)) => {
                    (framing::none(&incoming.method), Body::empty(), rest)
                }
                Some((sent, body)) => (sent, body, Body::empty()),
                None => return Ok(None),
            }
        };
        let websocket = incoming.websocket;
        let mut head = self.head(incoming);
        let way = self.way(&head.host);
        if self.tls.is_none()
            && let Some(detour) = self.detour.as_ref().filter(|detour| detour.kind != Kind::Socks)
        {
            forward(&mut head, detour);
        }
        Ok(Some(Outgoing {
            websocket,
            ready: None,
            head,
            sent,
            body,
            after,
            way,
        }))
    }

    /// Finds another framing for a body in chunks where chunks are forbidden: an unframed body
    /// would be taken for the next request.
    async fn unchunked(&self, sent: Sent, body: Body) -> Result<Option<(Sent, Body)>, Failure> {
        if sent != Sent::Chunked || !self.settings.disable_chunked_encoding {
            return Ok(Some((sent, body)));
        }
        let held = collect(body, MAX_HELD).await;
        let held = held.map_err(|error| Failure::new(Class::Abandoned, error.message))?;
        Ok(held.map(|held| match held.len() {
            0 => (Sent::None, Body::empty()),
            length => (Sent::Length(length as u64), Body::full(held)),
        }))
    }

    fn head(&self, incoming: Incoming) -> Head {
        let mut fields = incoming.headers;
        let trailers = declared_trailers(&fields, incoming.arrival.transport);
        if incoming.websocket {
            fields.set("Connection", "Upgrade");
            fields.set("Upgrade", "websocket");
            fields.set("Sec-Websocket-Version", "13");
        } else {
            fields.set("Connection", "keep-alive");
        }
        let host = self.host(&mut fields, incoming.host, &incoming.authority);
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
    fn host(&self, fields: &mut Headers, visitor: Bytes, destination: &Bytes) -> Bytes {
        let authority = match &self.place {
            Place::Tcp { authority, .. } => authority,
            Place::Unix { .. } => destination,
        };
        let replaced = matches!(self.place, Place::Tcp { .. }) && !self.settings.http_host_header.is_empty();
        if replaced {
            fields.set("X-Forwarded-Host", visitor);
            return Bytes::from(self.settings.http_host_header.clone());
        }
        if visitor.is_empty() {
            authority.clone()
        } else {
            visitor
        }
    }

    fn way(&self, host: &[u8]) -> Way {
        if self.tls.is_none() {
            return Way {
                server_name: String::new(),
                key: "".into(),
            };
        }
        let server_name = self.server_name(host);
        Way {
            key: server_name.as_str().into(),
            server_name,
        }
    }

    fn server_name(&self, host: &[u8]) -> String {
        let sent = || String::from_utf8_lossy(hostport::host(host)).into_owned();
        match &self.place {
            // A port in a server name could never be verified.
            Place::Tcp { .. } if self.settings.match_sni_to_host => sent(),
            _ if !self.settings.origin_server_name.is_empty() => self.settings.origin_server_name.clone(),
            Place::Tcp { host, .. } => host.clone(),
            Place::Unix { .. } => sent(),
        }
    }

    /// Sends a request over a pooled connection or a new one.
    ///
    /// A pooled connection that turns out to be dead costs nothing when the request was not sent
    /// or can be repeated.
    async fn exchange(&self, outgoing: Outgoing) -> Result<(Answer, Exchange, Body), Failure> {
        let Outgoing {
            head,
            sent,
            mut body,
            after,
            way,
            websocket: _,
            mut ready,
        } = outgoing;
        let bytes = head.write(sent);
        let expects = expects_continue(&head.headers);
        let head_only = head.method == b"HEAD"[..];
        loop {
            let connection = match ready.take().or_else(|| self.pool.take(&way.key)) {
                Some(connection) => connection,
                None => self.connect(&way, false).await?,
            };
            let reused = connection.reused;
            let upload = Upload::new(bytes.clone(), body, sent, expects).with_trailers(&head.trailers);
            let lost = match Exchange::new(connection, upload, head_only).answer().await {
                Ok((answer, exchange)) => return Ok((answer, exchange, after)),
                Err(lost) => lost,
            };
            if !reused || !is_repeatable(&head, sent, &lost) {
                return Err(lost.failure);
            }
            body = lost.upload.into_body();
        }
    }

    async fn connect(&self, way: &Way, multiplex: bool) -> Result<Connection, Failure> {
        let (io, ends) = match &self.place {
            Place::Tcp { address, .. } => match &self.detour {
                Some(detour) => {
                    let tls = self.tls.as_ref();
                    detour.connect(&self.dialer, tls, address, tls.is_some()).await?
                }
                None => {
                    let (stream, ends) = self.dialer.connect(address).await?;
                    (Box::new(stream) as Box<dyn Io>, ends)
                }
            },
            Place::Unix { path } => {
                let ends = Ends::Unix {
                    path: Arc::clone(path),
                };
                (unix::connect(path).await?, ends)
            }
        };
        let (io, multiplexed) = match &self.tls {
            None => (io, false),
            Some(tls) => tls.handshake(io, &way.server_name, multiplex).await?,
        };
        Ok(Connection {
            io,
            ends,
            key: Arc::clone(&way.key),
            reused: false,
            multiplexed,
        })
    }
}

/// Undoes the compression that was offered in the visitor's place.
fn undone(mut response: Response, decode: bool) -> Response {
    if decode {
        response.body = gunzip::decoded(&mut response.headers, response.body);
    }
    response
}

/// Makes a request one that a proxy forwards.
fn forward(head: &mut Head, detour: &Detour) {
    let target = [b"http://", &head.host[..], &head.target[..]].concat();
    head.target = target.into();
    head.proxy_authorization = detour.authorization.clone().map(Bytes::from);
}

/// Decides how the body is framed, looking at it where that is the only way to know.
async fn planned(method: Bytes, framing: Framing, body: Body) -> (Sent, Body) {
    match framing::plan(&method, framing) {
        Plan::Send(sent) => (sent, body),
        Plan::Look { limit, silent } => match look(body, limit).await {
            Seen::End => (framing::none(&method), Body::empty()),
            Seen::Data(body) => (Sent::Chunked, body),
            Seen::Silence(body) => (silent, body),
        },
    }
}

/// Returns whether a request that got no answer may be sent again.
fn is_repeatable(head: &Head, sent: Sent, lost: &Lost) -> bool {
    if !lost.unanswered || !lost.upload.is_body_untouched() {
        return false;
    }
    if lost.upload.is_untouched() {
        return true;
    }
    let harmless = matches!(&head.method[..], b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE");
    let keyed = head.headers.contains("Idempotency-Key") || head.headers.contains("X-Idempotency-Key");
    matches!(sent, Sent::None | Sent::Zero) && (harmless || keyed)
}

fn expects_continue(fields: &Headers) -> bool {
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

/// Returns the reply to a request with an endless body for an origin that takes no chunks.
fn length_required() -> Reply {
    Reply::Response(Response {
        status: 411,
        headers: Headers::new(),
        body: Body::empty(),
    })
}

/// Returns the reply of an origin that agreed to speak another protocol.
fn switched(answer: Answer, exchange: Exchange, after: Body) -> Result<Reply, Refusal> {
    let mut connection = answer.headers.all(b"Connection");
    if !connection.any(|value| headers::has_token(value, b"upgrade")) {
        return Err(Refusal::new(
            Class::Protocol,
            "internal error: unsupported connection type",
        ));
    }
    drop(connection);
    let (connection, read) = exchange.switched();
    Ok(Reply::Connected(Connected {
        headers: headers::answered(answer.headers),
        body: after,
        io: Prefixed::boxed(read, connection.io),
    }))
}
