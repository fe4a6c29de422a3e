//! HTTP/2 towards an origin: one connection for all requests, opened when the first needs it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_dialect::header;
use adit_dialect::quote::quote;
use adit_exchange::{Body, BodyError, Class, Headers, Io, Response};
use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body::Frame;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use crate::h1::answer::MAX_HEAD;
use crate::h1::request::{Head, Sent};
use crate::headers;
use adit_dial::Failure;

/// Bytes of answers that an origin may send before they are taken, per stream and in total.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Fields that belong to a connection and have no place in HTTP/2.
const CONNECTION_FIELDS: [&[u8]; 8] = [
    b"Connection",
    b"Keep-Alive",
    b"Proxy-Connection",
    b"Transfer-Encoding",
    b"Upgrade",
    b"Host",
    b"Content-Length",
    b"Trailer",
];

/// The connection to one origin, as far as there is one.
#[derive(Debug)]
pub(crate) struct Multiplexed {
    current: Mutex<Option<Open>>,
    scheme: Scheme,
    /// How long it stays open without a request; nothing for ever.
    idle: Option<Duration>,
}

/// An open connection and the task that moves it.
#[derive(Debug)]
struct Open {
    requests: SendRequest<Bytes>,
    scheme: Scheme,
    usage: Arc<watch::Sender<usize>>,
    _driver: JoinSet<()>,
}

/// Where a request is sent.
#[derive(Debug)]
pub(crate) struct Requests {
    requests: SendRequest<Bytes>,
    scheme: Scheme,
    in_use: InUse,
}

/// A connection is in use as long as this exists.
#[derive(Debug)]
struct InUse(Arc<watch::Sender<usize>>);

impl Multiplexed {
    /// Returns a place for a connection, with or without TLS, that stays open this long without a request.
    pub(crate) fn new(tls: bool, idle: Option<Duration>) -> Self {
        Self {
            current: Mutex::default(),
            scheme: if tls { Scheme::HTTPS } else { Scheme::HTTP },
            idle,
        }
    }

    /// Returns where requests are sent if a connection is open; else asks `open` for one, while
    /// other requests wait for it.
    ///
    /// `open` may find that the origin speaks no HTTP/2; then it gives what it has.
    pub(crate) async fn requests<C>(
        &self,
        open: impl Future<Output = Result<Result<Box<dyn Io>, C>, Failure>>,
    ) -> Result<Result<Requests, C>, Failure> {
        let mut current = self.current.lock().await;
        if let Some(opened) = &*current
            && let Ok(ready) = opened.requests.clone().ready().await
        {
            return Ok(Ok(opened.used(ready)));
        }
        *current = None;
        let io = match open.await? {
            Ok(io) => io,
            Err(other) => return Ok(Err(other)),
        };
        let opened = Open::begin(io, self.scheme.clone(), self.idle).await?;
        let requests = opened.used(opened.requests.clone());
        *current = Some(opened);
        Ok(Ok(requests))
    }
}

impl Open {
    async fn begin(io: Box<dyn Io>, scheme: Scheme, idle: Option<Duration>) -> Result<Self, Failure> {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .enable_push(false);
        let (requests, connection) = builder.handshake(io).await.map_err(|error| failure(&error))?;
        let usage = Arc::new(watch::Sender::new(0));
        let uses = usage.subscribe();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "HTTP/2 connection to an origin ended");
                    }
                }
                () = unused(uses, idle) => {}
            }
        });
        Ok(Self {
            requests,
            scheme,
            usage,
            _driver: driver,
        })
    }

    fn used(&self, requests: SendRequest<Bytes>) -> Requests {
        self.usage.send_modify(|uses| *uses += 1);
        Requests {
            requests,
            scheme: self.scheme.clone(),
            in_use: InUse(Arc::clone(&self.usage)),
        }
    }
}

/// Waits until there was no request for this long.
async fn unused(mut uses: watch::Receiver<usize>, idle: Option<Duration>) {
    let Some(idle) = idle else {
        return std::future::pending().await;
    };
    loop {
        let used = async { uses.wait_for(|uses| *uses > 0).await.is_ok() };
        match tokio::time::timeout(idle, used).await {
            Err(_) => return,
            Ok(false) => return std::future::pending().await,
            Ok(true) => {}
        }
        let closed = uses.wait_for(|uses| *uses == 0).await.is_err();
        if closed {
            return std::future::pending().await;
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.send_modify(|uses| *uses -= 1);
    }
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) failure: Failure,
    /// Whether the origin said that it has not touched the request.
    pub(crate) untouched: bool,
}

/// Sends a request and returns its answer.
pub(crate) async fn exchange(
    requests: Requests,
    head: &Head,
    sent: Sent,
    body: Body,
) -> Result<Response, Lost> {
    let lost = |error: h2::Error| Lost {
        untouched: error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM),
        failure: failure(&error),
    };
    let Requests {
        requests,
        scheme,
        in_use,
    } = requests;
    let request = request(scheme, head, sent).map_err(|failure| Lost {
        failure,
        untouched: false,
    })?;
    let is_empty = matches!(sent, Sent::None | Sent::Zero);
    let mut requests = requests.ready().await.map_err(lost)?;
    let (answer, stream) = requests.send_request(request, is_empty).map_err(lost)?;
    let mut uploading = JoinSet::new();
    if !is_empty {
        uploading.spawn(upload(stream, body));
    }
    let (head, stream) = answer.await.map_err(lost)?.into_parts();
    Ok(Response {
        status: head.status.as_u16(),
        wording: None,
        headers: headers::answered(spelled(&head.headers)),
        body: if stream.is_end_stream() {
            Body::empty()
        } else {
            Body::stream(Download {
                stream,
                ended: false,
                _uploading: uploading,
                _use: in_use,
            })
        },
    })
}

fn request(scheme: Scheme, head: &Head, sent: Sent) -> Result<Request<()>, Failure> {
    let upgrades: Vec<&Bytes> = head
        .headers
        .all(b"Upgrade")
        .filter(|value| !value.is_empty())
        .collect();
    if !upgrades.is_empty() {
        let quoted: Vec<String> = upgrades.iter().map(quote).collect();
        let text = format!("http2: invalid Upgrade request header: [{}]", quoted.join(" "));
        return Err(Failure::new(Class::Request, text));
    }
    let unfit = |what: &str| Failure::new(Class::Request, format!("http2: {what} cannot be sent"));
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(&head.host[..])
        .path_and_query(&head.target[..])
        .build()
        .map_err(|_| unfit("request target"))?;
    let mut request = Request::new(());
    *request.method_mut() = http::Method::from_bytes(&head.method).map_err(|_| unfit("method"))?;
    *request.uri_mut() = uri;
    *request.headers_mut() = fields(head, sent).ok_or_else(|| unfit("header field"))?;
    Ok(request)
}

fn fields(head: &Head, sent: Sent) -> Option<HeaderMap> {
    let mut map = HeaderMap::with_capacity(head.headers.len() + 2);
    let mut agents = 0;
    for field in &head.headers {
        if CONNECTION_FIELDS.iter().any(|name| field.is(name)) {
            continue;
        }
        if field.is(b"User-Agent") {
            agents += 1;
            if agents > 1 || field.value.is_empty() {
                continue;
            }
        }
        if field.is(b"Te") && !field.value.eq_ignore_ascii_case(b"trailers") {
            continue;
        }
        let name = HeaderName::from_bytes(&field.name).ok()?;
        if field.is(b"Cookie") {
            for pair in field.value.split(|byte| *byte == b';') {
                map.append(&name, HeaderValue::from_bytes(pair.trim_ascii_start()).ok()?);
            }
            continue;
        }
        map.append(name, HeaderValue::from_maybe_shared(field.value.clone()).ok()?);
    }
    match sent {
        Sent::Zero => drop(map.insert(http::header::CONTENT_LENGTH, HeaderValue::from(0))),
        Sent::Length(length) => drop(map.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length))),
        Sent::None | Sent::Chunked | Sent::Raw => {}
    }
    if !head.trailers.is_empty() {
        let names = HeaderValue::from_bytes(&head.trailers.join(&b","[..])).ok()?;
        map.insert(http::header::TRAILER, names);
    }
    if head.offer_gzip {
        map.append(http::header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(map)
}

/// Sends a body as the origin takes it.
async fn upload(mut stream: SendStream<Bytes>, mut body: Body) {
    loop {
        let frame = poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        let sent = match frame {
            None => stream.send_data(Bytes::new(), true),
            Some(Err(_)) => {
                stream.send_reset(h2::Reason::CANCEL);
                return;
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => match send(&mut stream, data).await {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                },
                Err(frame) => stream.send_trailers(frame.into_trailers().unwrap_or_default()),
            },
        };
        if let Err(error) = sent {
            tracing::debug!(error = %error, "an origin took no more of a request");
        }
        return;
    }
}

async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> Result<(), h2::Error> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(capacity) => capacity?,
            None => return Err(h2::Reason::STREAM_CLOSED.into()),
        };
        stream.send_data(data.split_to(capacity.min(data.len())), false)?;
    }
    Ok(())
}

/// The body of an answer.
struct Download {
    stream: RecvStream,
    /// Whether all data has come; trailers may follow.
    ended: bool,
    /// Dropping it stops the request.
    _uploading: JoinSet<()>,
    _use: InUse,
}

impl Download {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let broken = |error: h2::Error| BodyError::new(failure(&error).cause);
        if !self.ended {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    let released = self.stream.flow_control().release_capacity(data.len());
                    return Poll::Ready(Some(released.map(|()| Frame::data(data)).map_err(broken)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(error)))),
                None => self.ended = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx)).map_err(broken);
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// Returns the fields of an answer, spelled as they would be in HTTP/1.1.
fn spelled(map: &HeaderMap) -> Headers {
    let spelled = map.iter().map(|(name, value)| {
        let name = header::canonical(Bytes::copy_from_slice(name.as_str().as_bytes()));
        (name, Bytes::copy_from_slice(value.as_bytes()))
    });
    spelled.collect()
}

fn failure(error: &h2::Error) -> Failure {
    let class = if error.is_io() || error.is_reset() {
        Class::Reset
    } else {
        Class::Protocol
    };
    Failure::new(class, format!("http2: {error}"))
}
