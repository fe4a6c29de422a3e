//! Origins that speak HTTP: over TCP or a Unix socket, with or without TLS.

use std::sync::Arc;

use adit_config::{HttpOrigin as TcpPlace, OriginRequest, Scheme, UnixOrigin as UnixPlace};
use adit_dial::{Detour, Dialer, Failure, Kind, Tls};
use adit_dialect::{hostport, idna};
use adit_exchange::{Body, Class, Connected, Framing, Headers, Io, Refusal, Reply, Response};
use bytes::Bytes;

use super::World;
use super::multiplexed::{self, Multiplexed};
use super::outgoing::{Hosts, expects_continue, forward};
use super::unix;
use crate::connection::{Connection, Ends};
use crate::error::unreachable;
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
use crate::tls;

/// Bytes of a body that are held to learn its length where chunks are forbidden.
const MAX_HELD: usize = 4 << 20;

/// An origin that speaks HTTP.
#[derive(Debug)]
pub(crate) struct HttpOrigin {
    place: Place,
    hosts: Hosts,
    dialer: Dialer,
    tls: Option<Tls>,
    /// The name in its certificate; nothing if that is the host that is sent.
    server_name: Option<Arc<str>>,
    detour: Option<Detour>,
    /// How TLS is spoken with the proxy, if it is.
    proxy_tls: Option<Tls>,
    pool: Arc<Pool>,
    /// Where the origin may speak HTTP/2.
    multiplexed: Option<Multiplexed>,
    /// Whether it speaks HTTP/2 without TLS, where nothing is agreed on.
    prior_knowledge: bool,
    /// Whether bodies may not be sent in chunks.
    unchunked: bool,
}

/// Where an origin is.
#[derive(Clone, Debug)]
enum Place {
    /// Host and port to dial.
    Tcp(String),
    Unix(Arc<str>),
}

/// A request on its way.
struct Outgoing {
    head: Head,
    sent: Sent,
    body: Body,
    /// What a visitor sends after an upgrade: the body where it is no part of the request.
    after: Body,
    /// The name in the origin's certificate: requests with the same may share connections.
    server_name: Arc<str>,
    websocket: bool,
    /// A connection that is there already.
    ready: Option<Connection>,
}

impl HttpOrigin {
    /// Returns an origin behind an address.
    ///
    /// # Errors
    ///
    /// Fails when its certificates cannot be read.
    pub(crate) fn tcp(
        origin: &TcpPlace,
        settings: &OriginRequest,
        world: &World<'_>,
    ) -> Result<Self, String> {
        let tls = origin.scheme == Scheme::Https;
        let multiplexed = origin.speaks_http2(settings);
        let host = idna::lookup(origin.host()).unwrap_or_else(|| origin.host().into());
        let name: Option<Arc<str>> = match settings.origin_server_name.as_str() {
            _ if settings.match_sni_to_host => None,
            "" => Some(host.as_ref().into()),
            name => Some(name.into()),
        };
        let detour = world.environment.detour(tls, &host, origin.port());
        let is_sealed = detour.as_ref().is_some_and(|detour| detour.kind == Kind::Https);
        let proxy_tls = is_sealed.then(|| tls::of(settings, &(world.roots)()));
        Ok(Self {
            place: Place::Tcp(hostport::join(&host, origin.port())),
            hosts: Hosts::tcp(&origin.authority, settings),
            proxy_tls: proxy_tls.transpose()?,
            detour,
            multiplexed: multiplexed.then(|| Multiplexed::new(tls, Limits::of(settings).idle())),
            server_name: if tls { name } else { Some("".into()) },
            prior_knowledge: !tls && multiplexed,
            ..Self::unix_like(Place::Unix("".into()), tls, settings, world)?
        })
    }

    /// Returns an origin behind a socket.
    ///
    /// # Errors
    ///
    /// Fails when its certificates cannot be read.
    pub(crate) fn unix(
        origin: &UnixPlace,
        settings: &OriginRequest,
        world: &World<'_>,
    ) -> Result<Self, String> {
        let multiplexed = origin.speaks_http2(settings);
        Ok(Self {
            multiplexed: multiplexed.then(|| Multiplexed::new(origin.tls, Limits::of(settings).idle())),
            prior_knowledge: !origin.tls && multiplexed,
            ..Self::unix_like(
                Place::Unix(origin.path.as_str().into()),
                origin.tls,
                settings,
                world,
            )?
        })
    }

    fn unix_like(
        place: Place,
        tls: bool,
        settings: &OriginRequest,
        world: &World<'_>,
    ) -> Result<Self, String> {
        let name = settings.origin_server_name.as_str();
        let names = world.names.clone();
        let dialer = Dialer::new(names, settings.connect_timeout, settings.tcp_keep_alive);
        Ok(Self {
            place,
            hosts: Hosts::Unix,
            dialer: dialer.racing(!settings.no_happy_eyeballs),
            tls: tls.then(|| tls::of(settings, &(world.roots)())).transpose()?,
            server_name: (!tls || !name.is_empty()).then(|| name.into()),
            detour: None,
            proxy_tls: None,
            pool: Pool::new(Limits::of(settings)),
            multiplexed: None,
            prior_knowledge: false,
            unchunked: settings.disable_chunked_encoding,
        })
    }

    /// Carries a request to the origin and returns its reply.
    ///
    /// # Errors
    ///
    /// Fails when the origin cannot be reached or does not answer as HTTP demands.
    pub(crate) async fn call(&self, incoming: Incoming) -> Result<Reply, Refusal> {
        headers::check(&incoming.headers).map_err(unreachable)?;
        let outgoing = self.outgoing(incoming).await.map_err(unreachable)?;
        let Some(outgoing) = outgoing else {
            return Ok(length_required());
        };
        let decode = outgoing.head.offer_gzip;
        let outgoing = match &self.multiplexed {
            Some(multiplexed) if !outgoing.websocket => {
                let answered = Box::pin(self.multiplexed(multiplexed, outgoing)).await;
                match answered.map_err(unreachable)? {
                    Ok(response) => return Ok(Reply::Response(undone(response, decode))),
                    Err(outgoing) => outgoing,
                }
            }
            Some(_) | None => outgoing,
        };
        let exchanged = self.exchange(outgoing).await;
        let (answer, exchange, after) = exchanged.map_err(unreachable)?;
        if answer.body == Framed::Switched {
            return switched(answer, exchange, after);
        }
        let body = exchange.into_body(&answer, Arc::clone(&self.pool));
        let response = Response {
            status: answer.status,
            wording: answer.wording,
            headers: headers::answered(answer.headers),
            body,
        };
        Ok(Reply::Response(undone(response, decode)))
    }

    /// Sends a request over HTTP/2 if the origin speaks it; else gives the request back.
    async fn multiplexed(
        &self,
        multiplexed: &Multiplexed,
        mut outgoing: Outgoing,
    ) -> Result<Result<Response, Outgoing>, Failure> {
        if let Some(connection) = self.pool.take(&outgoing.server_name) {
            outgoing.ready = Some(connection);
            return Ok(Err(outgoing));
        }
        let repeatable = matches!(outgoing.sent, Sent::None | Sent::Zero);
        let mut again = true;
        loop {
            let open = async {
                let connection = self.connect(&outgoing.server_name, true).await?;
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
        let mut head = self.hosts.head(incoming);
        let server_name = self.server_name(&head.host);
        if !self.is_tunnelled()
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
            server_name,
        }))
    }

    /// Finds another framing for a body in chunks where chunks are forbidden: an unframed body
    /// would be taken for the next request.
    async fn unchunked(&self, sent: Sent, body: Body) -> Result<Option<(Sent, Body)>, Failure> {
        if sent != Sent::Chunked || !self.unchunked {
            return Ok(Some((sent, body)));
        }
        let held = collect(body, MAX_HELD).await;
        let held = held.map_err(|error| Failure::new(Class::Abandoned, error.message))?;
        Ok(held.map(|held| match held.len() {
            0 => (Sent::None, Body::empty()),
            length => (Sent::Length(length as u64), Body::full(held)),
        }))
    }

    /// Returns the name that the certificate of the origin must carry.
    fn server_name(&self, host: &[u8]) -> Arc<str> {
        match &self.server_name {
            Some(name) => Arc::clone(name),
            // A port in a server name could never be verified.
            None => String::from_utf8_lossy(hostport::host(host)).into(),
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
            server_name,
            websocket: _,
            mut ready,
        } = outgoing;
        let bytes = head.write(sent);
        let expects = expects_continue(&head.headers);
        let head_only = head.method == b"HEAD"[..];
        loop {
            let connection = match ready.take().or_else(|| self.pool.take(&server_name)) {
                Some(connection) => connection,
                // Large, and needed for few requests.
                None => Box::pin(self.connect(&server_name, false)).await?,
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

    /// Returns whether a proxy on the way just carries bytes: it could not forward them.
    const fn is_tunnelled(&self) -> bool {
        self.tls.is_some() || self.prior_knowledge
    }

    async fn connect(&self, server_name: &Arc<str>, multiplex: bool) -> Result<Connection, Failure> {
        let (io, ends): (Box<dyn Io>, _) = match &self.place {
            Place::Tcp(address) => match &self.detour {
                Some(detour) => {
                    let stream = detour.connect(&self.dialer).await?;
                    let ends = Ends::of(&stream)?;
                    let (tls, tunnelled) = (self.proxy_tls.as_ref(), self.is_tunnelled());
                    (detour.greet(stream, tls, address, tunnelled).await?, ends)
                }
                None => {
                    let stream = self.dialer.connect(address).await?;
                    let ends = Ends::of(&stream)?;
                    (Box::new(stream), ends)
                }
            },
            Place::Unix(path) => {
                let ends = Ends::Unix {
                    path: Arc::clone(path),
                };
                (unix::connect(path).await?, ends)
            }
        };
        let (io, multiplexed) = match &self.tls {
            None => (io, multiplex && self.prior_knowledge),
            Some(tls) => tls.handshake(io, server_name, multiplex).await?,
        };
        Ok(Connection {
            io,
            ends,
            key: Arc::clone(server_name),
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

/// Returns the reply to a request with an endless body for an origin that takes no chunks.
fn length_required() -> Reply {
    Reply::Response(Response {
        status: 411,
        wording: None,
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
