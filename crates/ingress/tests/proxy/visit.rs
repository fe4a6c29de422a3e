//! Plays the edge for one request: what a transport would hand over, and what it gets back.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::outlet::OutletError;
use adit_exchange::splice::splice;
use adit_exchange::{
    Arrival, Body, BodyError, Framing, Headers, Kind, Outlet, Proxy, Refusal, Reply, Request, Transport,
};
use adit_ingress::Ingress;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::script::bytes;

/// How long a visitor waits for the end of an answer when the case does not say.
const PATIENCE: Duration = Duration::from_secs(5);

/// Chunks of a request that may wait; more than any case sends.
const CHUNKS: usize = 1024;

/// What a visitor saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Got {
    pub(crate) kind: Option<Kind>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) status: Option<u16>,
    pub(crate) headers: Headers,
    /// Whether a two-way stream was accepted.
    pub(crate) connected: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
    pub(crate) end: End,
    /// What had come when an origin reached a mark.
    pub(crate) marks: Vec<(String, Vec<u8>)>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Open,
    Finished,
    Reset,
}

/// A visitor of whom everybody may see what they got so far.
pub(crate) type Getting = Arc<watch::Sender<Got>>;

/// The request of a case in the terms of the proxy, or what the transport says to it by itself.
pub(crate) fn translate(request: &Value, transport: Transport) -> Result<Request, String> {
    match transport {
        Transport::Quic => of_quic(request),
        Transport::Http2 => Ok(of_http2(request)),
    }
}

/// Sends `request` and plays the steps of the visitor.
///
/// Returns the call, which ends when dropped.
pub(crate) async fn play(
    proxy: Arc<Ingress>,
    mut request: Request,
    case: &Value,
    getting: &Getting,
) -> JoinSet<()> {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let mut sender = Some(sender);
    if request.framing != Framing::Ended {
        request.body = Body::stream(Chunks {
            chunks,
            declared: declared(&request),
            sent: 0,
        });
    }
    let steps = case["steps"].as_array().map_or(&[][..], Vec::as_slice);
    let waits = |step: &Value| {
        ["sleep_ms", "wait_response", "wait_body", "reset"]
            .iter()
            .any(|key| !step[key].is_null())
    };
    let together = steps.iter().position(waits).unwrap_or(steps.len());
    // What is sent without waiting for anything arrives together with the head.
    for step in &steps[..together] {
        send(&mut sender, step);
    }
    getting.send_modify(|got| got.kind = Some(request.kind));
    let mut calling = JoinSet::new();
    let seen = Arc::clone(getting);
    calling.spawn(async move { carry(&proxy, request, &seen).await });
    for step in &steps[together..] {
        if let Some(millis) = step["sleep_ms"].as_u64() {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        } else if step["wait_response"] == true {
            wait(getting, |got| got.status.is_some() || got.refusal.is_some()).await;
        } else if let Some(length) = step["wait_body"].as_u64() {
            wait(getting, |got| {
                got.body.len() as u64 >= length || got.end != End::Open
            })
            .await;
        } else if step["reset"] == true {
            calling.abort_all();
        } else {
            send(&mut sender, step);
        }
    }
    let patience = case["timeout_ms"]
        .as_u64()
        .map_or(PATIENCE, Duration::from_millis);
    let mut got = getting.subscribe();
    drop(tokio::time::timeout(patience, got.wait_for(|got| got.end != End::Open)).await);
    calling
}

/// Returns the length that the transport checks by itself, which only HTTP/2 does.
fn declared(request: &Request) -> Option<u64> {
    let Framing::Length(length) = request.framing else {
        return None;
    };
    (request.arrival.transport == Transport::Http2).then_some(length)
}

async fn wait(getting: &Getting, until: impl FnMut(&Got) -> bool) {
    let mut got = getting.subscribe();
    drop(tokio::time::timeout(PATIENCE, got.wait_for(until)).await);
}

fn send(sender: &mut Option<mpsc::Sender<Result<Frame<Bytes>, BodyError>>>, step: &Value) {
    if step["fin"] == true {
        *sender = None;
        return;
    }
    let Some(open) = sender else { return };
    let frame = match step["trailers"].as_array() {
        Some(trailers) => Frame::trailers(trailers.iter().map(trailer).collect()),
        None => Frame::data(Bytes::from(bytes(step))),
    };
    // A request whose body nobody wants is still sent by the visitor.
    drop(open.try_send(Ok(frame)));
    if !step["trailers"].is_null() {
        *sender = None;
    }
}

fn trailer(pair: &Value) -> (HeaderName, HeaderValue) {
    let (name, value) = (text(&pair[0]), text(&pair[1]));
    let name = HeaderName::from_bytes(name.to_lowercase().as_bytes()).expect("a name");
    (name, HeaderValue::from_str(&value).expect("a value"))
}

async fn carry(proxy: &Ingress, request: Request, getting: &Getting) {
    match proxy.call(request).await {
        Err(refusal) => getting.send_modify(|got| {
            got.refusal = Some(refusal);
            got.end = End::Finished;
        }),
        Ok(Reply::Response(response)) => {
            getting.send_modify(|got| {
                got.status = Some(response.status);
                got.headers = response.headers;
            });
            download(response.body, getting).await;
        }
        Ok(Reply::Connected(connected)) => {
            getting.send_modify(|got| {
                got.status = Some(101);
                got.headers = connected.headers;
                got.connected = true;
            });
            let mut outlet = Collecting(Arc::clone(getting));
            let spliced = splice(connected.body, connected.io, &mut outlet).await;
            getting.send_modify(|got| {
                got.end = if spliced.is_ok() {
                    End::Finished
                } else {
                    End::Reset
                };
            });
        }
    }
}

async fn download(mut body: Body, getting: &Getting) {
    while !http_body::Body::is_end_stream(&body) {
        let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut body), cx)).await;
        match frame {
            None => break,
            Some(Err(_)) => {
                getting.send_modify(|got| got.end = End::Reset);
                return;
            }
            Some(Ok(frame)) => getting.send_modify(|got| match frame.into_data() {
                Ok(data) => got.body.extend_from_slice(&data),
                Err(frame) => got.trailers = pairs(&frame.into_trailers().unwrap_or_default()),
            }),
        }
    }
    getting.send_modify(|got| got.end = End::Finished);
}

fn pairs(map: &HeaderMap) -> Vec<(String, String)> {
    let pairs = map.iter().map(|(name, value)| {
        (
            name.to_string(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    pairs.collect()
}

/// The edge's end of a two-way stream.
struct Collecting(Getting);

impl Outlet for Collecting {
    fn poll_send(&mut self, _: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
        let data = data.split_off(0);
        self.0.send_modify(|got| got.body.extend_from_slice(&data));
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.0.send_modify(|got| got.end = End::Finished);
        Ok(())
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<OutletError> {
        Poll::Pending
    }
}

/// A request body as it comes off a stream.
struct Chunks {
    chunks: mpsc::Receiver<Result<Frame<Bytes>, BodyError>>,
    declared: Option<u64>,
    sent: u64,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let chunk = ready!(self.chunks.poll_recv(cx));
        match &chunk {
            Some(Ok(frame)) => self.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            None => {
                let sent = self.sent;
                if let Some(declared) = self.declared.take().filter(|declared| *declared > sent) {
                    let text = format!(
                        "request declared a Content-Length of {declared} but only wrote {sent} bytes"
                    );
                    return Poll::Ready(Some(Err(BodyError::new(text))));
                }
            }
            Some(Err(_)) => {}
        }
        Poll::Ready(chunk)
    }
}

fn of_quic(request: &Value) -> Result<Request, String> {
    let mut method = String::new();
    let mut host = String::new();
    let mut headers = Headers::new();
    let kind = match request["type"].as_str() {
        Some("http") => Kind::Http,
        Some("ws") => Kind::WebSocket,
        Some("tcp") => Kind::Tcp,
        _ => return Err(format!("unsupported error type: {}", request["type"])),
    };
    let (mut flow, mut trace) = (String::new(), String::new());
    for pair in request["metadata"].as_array().into_iter().flatten() {
        let (key, value) = (text(&pair[0]), text(&pair[1]));
        match key.as_str() {
            "HttpMethod" => method = value,
            "HttpHost" => host = value,
            "FlowID" => flow = value,
            "cf-trace-id" => trace = value,
            key if key.contains("HttpHeader") => match key.split(':').collect::<Vec<_>>()[..] {
                [_, name] => headers.append(name.to_owned(), value),
                _ => return Err(format!("header Key: {key} malformed")),
            },
            _ => {}
        }
    }
    let framing = framing_of_quic(&headers)?;
    Ok(Request {
        kind,
        method: method.into(),
        destination: text(&request["dest"]).into(),
        host: host.into(),
        headers,
        framing,
        body: Body::empty(),
        arrival: Arrival {
            flow: flow.into(),
            trace: trace.into(),
            ..Arrival::default()
        },
    })
}

fn framing_of_quic(headers: &Headers) -> Result<Framing, String> {
    let chunked = headers.get("Transfer-Encoding").is_some_and(|value| {
        value
            .to_ascii_lowercase()
            .windows(7)
            .any(|part| part == b"chunked")
    });
    let length = match headers.get("Content-Length") {
        Some(length) if !length.is_empty() => {
            let length = adit_dialect::number::decimal_i64(length);
            Some(length.map_err(|error| format!("Error setting content-length: {error}"))?)
        }
        Some(_) | None => None,
    };
    Ok(match length {
        Some(..0) => Framing::Streamed,
        Some(length @ 1..) => Framing::Length(length.unsigned_abs()),
        Some(0) | None if chunked => Framing::Streamed,
        Some(0) => Framing::Length(0),
        None => Framing::Undeclared,
    })
}

fn of_http2(request: &Value) -> Request {
    let mut fields: Vec<(String, String)> = Vec::new();
    let pseudo = |wanted: &str| {
        let pairs = request["headers"].as_array().into_iter().flatten();
        let mut found = pairs.filter(|pair| pair[0] == wanted).map(|pair| text(&pair[1]));
        found.next().unwrap_or_default()
    };
    let (method, destination, authority) = (pseudo(":method"), pseudo(":path"), pseudo(":authority"));
    let mut cookies: Vec<String> = Vec::new();
    for pair in request["headers"].as_array().into_iter().flatten() {
        let (name, value) = (text(&pair[0]), text(&pair[1]));
        match name.as_str() {
            "cookie" => cookies.push(value),
            "expect" => {}
            name if name.starts_with(':') => {}
            _ => fields.push((name, value)),
        }
    }
    if !cookies.is_empty() {
        fields.push(("cookie".into(), cookies.join("; ")));
    }
    let headers: Headers = fields.into_iter().collect();
    let field = |name: &str| {
        headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let host = if authority.is_empty() {
        field("host").unwrap_or_default()
    } else {
        authority
    };
    let upgrade = field("cf-cloudflared-proxy-connection-upgrade");
    let source = field("cf-cloudflared-proxy-src").filter(|source| !source.is_empty());
    let kind = match (upgrade.as_deref(), source) {
        (Some("websocket"), _) => Kind::WebSocket,
        (_, Some(_)) => Kind::Tcp,
        _ => Kind::Http,
    };
    let framing = match field("content-length").and_then(|length| length.parse().ok()) {
        _ if request["end_stream"] == true => Framing::Ended,
        Some(length) => Framing::Length(length),
        None => Framing::Streamed,
    };
    Request {
        kind,
        method: method.into(),
        destination: if kind == Kind::Tcp {
            host.clone().into()
        } else {
            destination.into()
        },
        host: host.into(),
        headers,
        framing,
        body: Body::empty(),
        arrival: Arrival {
            transport: Transport::Http2,
            ..Arrival::default()
        },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Keeps what the visitor has when an origin reaches a mark.
pub(crate) fn at_mark(current: &Mutex<Option<Getting>>, name: &str) {
    if let Some(getting) = &*current.lock().expect("no visitor panicked") {
        getting.send_modify(|got| {
            let body = got.body.clone();
            got.marks.push((name.to_owned(), body));
        });
    }
}
