//! One stream of the edge: what it is, and the reply as HTTP/2 fields and data.

use std::sync::Arc;
use std::time::Duration;

use adit_dialect::base64;
use adit_exchange::outlet::{Outlet, OutletError};
use adit_exchange::splice::{SpliceError, splice};
use adit_exchange::{
    Arrival, Body, BodyError, Class, Connected, Framing, Headers, Kind, Refusal, Reply, Request, Response,
};
use adit_wire::h2::{Purpose, ResponseFields, meta, name, serialize, status};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderValue, Method, StatusCode};
use http_body::Frame;
use tokio::sync::oneshot;

use super::forbidden;
use super::io::{Inward, Outward};
use super::rewrite::Head;
use crate::connection::Lane;
use crate::push;
use crate::report;

/// A request as the edge sent it.
#[derive(Debug)]
pub(super) struct Asked {
    purpose: Purpose,
    method: Method,
    target: Option<Bytes>,
    authority: Option<Bytes>,
    fields: Headers,
    body: RecvStream,
}

impl Asked {
    /// Puts together what the library hands over and what has passed it by.
    pub(super) fn new(request: http::Request<RecvStream>, head: Head) -> Self {
        let (parts, body) = request.into_parts();
        let value = |name| head.fields.get(name).map(|value| &value[..]);
        Self {
            purpose: Purpose::of(value(name::UPGRADE), value(name::SOURCE)),
            method: parts.method,
            target: head.target,
            authority: head.authority,
            fields: head.fields,
            body,
        }
    }

    /// Returns whether it opens a control stream, and may.
    pub(super) fn is_control(&self) -> bool {
        self.purpose == Purpose::Control && forbidden::complaint(&self.fields).is_none()
    }
}

/// Answers the request for a control stream and hands its halves over.
pub(super) fn open_control(
    asked: Asked,
    mut respond: SendResponse<Bytes>,
    control: oneshot::Sender<(Inward, Outward)>,
) {
    let mut response = http::Response::new(());
    let headers = response.headers_mut();
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/octet-stream"),
    );
    if let Ok(send) = respond.send_response(response, false) {
        // If nobody waits any more the connection is on its way out.
        let _gone = control.send((Inward::new(asked.body), Outward::new(send)));
    }
}

/// Serves any other stream to its end.
pub(super) async fn serve(asked: Asked, mut respond: SendResponse<Bytes>, lane: Arc<Lane>) {
    if let Some(complaint) = forbidden::complaint(&asked.fields) {
        return object(complaint, &mut respond).await;
    }
    let kind = match asked.purpose {
        Purpose::Configuration => return configure(asked.body, &mut respond, &lane).await,
        Purpose::WebSocket => Kind::WebSocket,
        Purpose::Tcp => Kind::Tcp,
        // A second control stream has nothing to control.
        Purpose::Control => {
            return refuse(
                &mut respond,
                &Refusal::new(Class::Request, "control stream exists"),
            );
        }
        Purpose::Http => Kind::Http,
    };
    if expects_continue(&asked.fields) {
        let mut interim = http::Response::new(());
        *interim.status_mut() = StatusCode::CONTINUE;
        // An edge that has gone does not wait for it.
        let _gone = respond.send_informational(interim);
    }
    let key = (kind == Kind::Tcp)
        .then(|| asked.fields.get("sec-websocket-key").cloned())
        .flatten();
    let request = translate(kind, asked, &lane);
    let destination = request.destination.clone();
    let reply = tokio::select! {
        biased;
        reply = lane.proxy.call(request) => reply,
        gone = std::future::poll_fn(|cx| respond.poll_reset(cx)) => {
            let gone = gone.map_or_else(|error| error.to_string(), |reason| reason.to_string());
            return report::visitor_left(&lane.whereabouts, &gone);
        }
    };
    let told = match reply {
        Ok(Reply::Response(response)) => send(response, &mut respond).await,
        Ok(Reply::Connected(connected)) => connect(connected, kind, key.as_deref(), &mut respond).await,
        Err(refusal) => {
            if refusal.class != Class::Abandoned {
                report::request_failed_plain(&failure(kind, &refusal.message));
            }
            return refuse(&mut respond, &refusal);
        }
    };
    if let Err(broken) = told {
        if broken.is_ours() {
            report::request_failed_plain(&failure(kind, &broken.to_string()));
        } else {
            report::visitor_left(
                &lane.whereabouts,
                &format!("{}: {broken}", String::from_utf8_lossy(&destination)),
            );
        }
    }
}

/// Why an answer that had begun was not completed.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// The origin did not send all of it.
    #[error(transparent)]
    Origin(#[from] BodyError),
    /// The edge did not take all of it.
    #[error(transparent)]
    Edge(#[from] OutletError),
    /// The library refused to send it.
    #[error(transparent)]
    Library(#[from] h2::Error),
    /// A two-way stream broke off.
    #[error(transparent)]
    Splice(#[from] SpliceError),
}

/// Turns what HTTP/2 says into what any transport says.
fn translate(kind: Kind, asked: Asked, lane: &Lane) -> Request {
    let body = Inward::new(asked.body);
    let ended = body.has_ended();
    let field = |name| asked.fields.get(name).cloned().unwrap_or_default();
    let host = asked.authority.unwrap_or_else(|| field("host"));
    let length = content_length(&asked.fields);
    let is_tcp = kind == Kind::Tcp;
    let trace = if is_tcp {
        field("cf-trace-id")
    } else {
        Bytes::new()
    };
    Request {
        kind,
        method: if is_tcp {
            Bytes::new()
        } else {
            method(&asked.method)
        },
        destination: match asked.target {
            _ if is_tcp => host.clone(),
            Some(target) => target,
            None => Bytes::from_static(b"/"),
        },
        host: if is_tcp { Bytes::new() } else { host },
        headers: headers(asked.fields),
        framing: match length {
            _ if ended => Framing::Ended,
            Some(length) if kind == Kind::Http => Framing::Length(length),
            _ => Framing::Streamed,
        },
        body: Body::stream(body),
        arrival: lane.arrival(Arrival {
            trace,
            ..Arrival::default()
        }),
    }
}

/// Joins what HTTP/2 splits, and keeps back what is not for origins.
fn headers(mut fields: Headers) -> Headers {
    let mut cookies: Vec<Bytes> = Vec::new();
    let keep_expect = !expects_continue(&fields);
    fields.retain(|header| match &header.name[..] {
        b"Cf-Cloudflared-Proxy-Connection-Upgrade" | b"Host" => false,
        b"Expect" => keep_expect,
        b"Cookie" => {
            cookies.push(header.value.clone());
            false
        }
        _ => true,
    });
    match &cookies[..] {
        [] => {}
        [cookie] => fields.append(COOKIE, cookie.clone()),
        cookies => fields.append(COOKIE, cookies.join(&b"; "[..])),
    }
    fields
}

fn method(method: &Method) -> Bytes {
    match *method {
        Method::GET => Bytes::from_static(b"GET"),
        Method::POST => Bytes::from_static(b"POST"),
        _ => Bytes::copy_from_slice(method.as_str().as_bytes()),
    }
}

fn expects_continue(fields: &Headers) -> bool {
    let expect = fields.get("expect");
    expect.is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue"))
}

fn content_length(fields: &Headers) -> Option<u64> {
    let length = fields.get("content-length")?;
    std::str::from_utf8(length).ok()?.parse().ok()
}

/// Sends a response; everything leaves as soon as it is there, trailers last.
async fn send(response: Response, respond: &mut SendResponse<Bytes>) -> Result<(), Broken> {
    let mut body = response.body;
    let head = head(response.status, &response.headers).inspect_err(|_| {
        // No answer at all would look like a connector that lost interest.
        respond.send_reset(h2::Reason::INTERNAL_ERROR);
    })?;
    let over = http_body::Body::is_end_stream(&body);
    let mut outward = Outward::new(respond.send_response(head, over)?);
    if over {
        return Ok(());
    }
    let copied = copy(&mut body, &mut outward).await;
    if let Err(Broken::Origin(_)) = copied {
        flush_and_reset(&mut outward).await;
    }
    copied
}

async fn copy(body: &mut Body, outward: &mut Outward) -> Result<(), Broken> {
    loop {
        let frame = tokio::select! {
            biased;
            frame = next_frame(body) => frame,
            gone = outward.gone() => return Err(gone.into()),
        };
        let Some(frame) = frame.transpose()? else {
            return Ok(outward.finish()?);
        };
        match frame.into_data() {
            Ok(data) if http_body::Body::is_end_stream(body) => {
                return Ok(outward.finish_with_data(data).await?);
            }
            Ok(data) => outward.send_all(data).await?,
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return Ok(outward.finish_with(trailers)?);
            }
        }
    }
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, BodyError>> {
    std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::Pin::new(&mut *body), cx)).await
}

/// Acknowledges a two-way stream and carries it.
async fn connect(
    connected: Connected,
    kind: Kind,
    key: Option<&[u8]>,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), Broken> {
    let head = match (kind, key) {
        (Kind::Tcp, Some(key)) => accepted(&connected.headers, &upgrade(key)),
        (Kind::Tcp, None) => accepted(&connected.headers, &Headers::new()),
        (Kind::Http | Kind::WebSocket, _) => head(SWITCHING, &connected.headers)?,
    };
    let mut outward = Outward::new(respond.send_response(head, false)?);
    let spliced = splice(connected.body, connected.io, &mut outward).await;
    if spliced.is_err() {
        flush_and_reset(&mut outward).await;
    }
    Ok(spliced?)
}

/// §5.5.
fn head(origin: u16, headers: &Headers) -> Result<http::Response<()>, OutletError> {
    let fields = ResponseFields::sort(pairs(headers));
    let mut head = told(fields.serialized, meta::ORIGIN);
    *head.status_mut() = StatusCode::from_u16(status(origin))
        .map_err(|_| OutletError::new(format!("invalid status code {origin}")))?;
    let mut put = |name, value: Option<&[u8]>| {
        // What cannot stand in a field stands in the serialised set.
        if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
            head.headers_mut().insert(name, value);
        }
    };
    put(
        "content-length",
        fields.content_length.filter(|length| is_number(length)),
    );
    put(name::TRACING, fields.tracing);
    Ok(head)
}

/// The acknowledgement of a TCP stream; to a WebSocket client of the edge it looks like an upgrade.
fn accepted(own: &Headers, shown: &Headers) -> http::Response<()> {
    let mut head = told(serialize(pairs(shown)), meta::ORIGIN);
    if let Some(Ok(tracing)) = own.get(name::TRACING).map(|value| HeaderValue::from_bytes(value)) {
        head.headers_mut().insert(name::TRACING, tracing);
    }
    head
}

fn upgrade(key: &[u8]) -> Headers {
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, WEBSOCKET].concat());
    [
        ("Connection", "Upgrade".to_owned()),
        ("Sec-Websocket-Accept", base64::encode(proof)),
        ("Upgrade", "websocket".to_owned()),
    ]
    .into_iter()
    .collect()
}

/// Returns a head with the two fields that every answer has.
fn told(serialized: Vec<u8>, meta: &'static str) -> http::Response<()> {
    let mut head = http::Response::new(());
    let headers = head.headers_mut();
    if let Ok(serialized) = HeaderValue::try_from(serialized) {
        headers.insert(name::RESPONSE_HEADERS, serialized);
    }
    headers.insert(name::RESPONSE_META, HeaderValue::from_static(meta));
    head
}

/// Tells the edge that there is no reply. The words stay here: the edge has its own page.
fn refuse(respond: &mut SendResponse<Bytes>, refusal: &Refusal) {
    let meta = if refusal.class == Class::Limit {
        meta::RATE_LIMITED
    } else {
        meta::CONNECTOR
    };
    let mut head = http::Response::new(());
    *head.status_mut() = StatusCode::BAD_GATEWAY;
    let headers = head.headers_mut();
    headers.insert(name::RESPONSE_META, HeaderValue::from_static(meta));
    headers.insert("content-length", HeaderValue::from_static("0"));
    // An edge that has gone need not be told.
    let _gone = respond.send_response(head, true);
}

/// §5.7.
async fn configure(body: RecvStream, respond: &mut SendResponse<Bytes>, lane: &Lane) {
    let pushed = Inward::new(body).read_all(push::MOST).await;
    let update = pushed
        .map_err(|error| error.to_string())
        .and_then(|json| push::read(&json));
    let update = match update {
        Ok(update) => update,
        Err(cause) => {
            report::request_failed_plain(&cause);
            return refuse(respond, &Refusal::new(Class::Request, cause));
        }
    };
    let answer = push::answer(&lane.update_configuration(update).await);
    send_text(plain(answer.len()), answer, respond).await;
}

/// Answers a request that may not be made; the answer is neither the origin's nor the connector's.
async fn object(complaint: String, respond: &mut SendResponse<Bytes>) {
    let mut head = plain(complaint.len());
    *head.status_mut() = StatusCode::BAD_REQUEST;
    let headers = head.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    send_text(head, complaint, respond).await;
}

/// Returns the head of a text.
fn plain(length: usize) -> http::Response<()> {
    let mut head = http::Response::new(());
    let headers = head.headers_mut();
    headers.insert(
        "content-type",
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert("content-length", HeaderValue::from(length));
    head
}

async fn send_text(head: http::Response<()>, text: String, respond: &mut SendResponse<Bytes>) {
    if let Ok(send) = respond.send_response(head, false) {
        let mut outward = Outward::new(send);
        // An edge that has gone need not be told.
        if outward.send_all(text.into()).await.is_ok() {
            let _gone = outward.finish();
        }
    }
}

/// A reset overtakes what the library has not sent yet: leaves it a moment.
async fn flush_and_reset(outward: &mut Outward) {
    tokio::time::sleep(FLUSH).await;
    outward.reset();
}

impl Broken {
    /// Returns whether somebody on this side should know.
    fn is_ours(&self) -> bool {
        match self {
            Self::Origin(_) | Self::Library(_) => true,
            Self::Edge(_) => false,
            Self::Splice(error) => matches!(error, SpliceError::Write(_) | SpliceError::Read(_)),
        }
    }
}

/// §5.5: how failures are introduced.
fn failure(kind: Kind, cause: &str) -> String {
    match kind {
        Kind::Http | Kind::WebSocket => format!("Failed to proxy HTTP: {cause}"),
        Kind::Tcp => cause.to_owned(),
    }
}

fn is_number(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_digit)
}

fn pairs(headers: &Headers) -> impl Iterator<Item = (&[u8], &[u8])> {
    headers.iter().map(|header| (&header.name[..], &header.value[..]))
}

const COOKIE: &str = "Cookie";
const SWITCHING: u16 = 101;
/// RFC 6455 §1.3.
const WEBSOCKET: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const FLUSH: Duration = Duration::from_millis(20);
