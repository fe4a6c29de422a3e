//! Compares streams and the first bytes with those recorded from upstream.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adit_exchange::{
    Answer, Body, BodyError, Class, Connected, Headers, Kind, Proxy, Refusal, Reply, Request, Response,
    Transport,
};
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer as RpcAnswer;
use adit_vectors::{File, Verdict, same};
use adit_wire::configuration::{Applied, Update};
use adit_wire::h2::{deserialize, name};
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::HeaderMap;
use http_body::Frame;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Http2Link;
use super::hpack::put;
use crate::connection::{Lane, Link, Whereabouts};
use crate::metrics::Metrics;
use crate::tunnel::NoSessions;

#[tokio::test]
async fn the_first_frame_is_the_recorded_one() {
    let Some(file) = File::open("edge-h2-preface") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let recorded = case["first_frame_hex"].as_str().unwrap_or_default();
        let (mut edge, near) = tokio::io::duplex(1 << 16);
        let lane = lane(Arc::new(Scripted::default()), &Arc::default());
        let greeting = async {
            let (mut link, _control) = Http2Link::greet(near, None, lane).await.expect("it is greeted");
            link.serve().await
        };
        let read = async {
            let sent = tokio::io::AsyncWriteExt::write_all(&mut edge, PREFACE).await;
            sent.expect("it is taken");
            let mut first = vec![0; recorded.len() / 2];
            edge.read_exact(&mut first).await.expect("it arrives");
            (first, increment(&mut edge).await)
        };
        let (first, increment) = tokio::select! {
            lost = greeting => panic!("{lost:?}"),
            read = read => read,
        };
        let first: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
        let wanted = case["then_window_update"]["increment"]
            .as_u64()
            .unwrap_or_default();
        let larger = increment > wanted;
        let mut verdict = same(&(first.as_str(), increment), &(recorded, increment.max(wanted)));
        if larger && verdict == Verdict::Same {
            verdict = Verdict::Differs("connection-window-is-larger");
        }
        report.give(&case["name"], verdict);
    }
    report.finish();
}

/// Reads frames up to the one that opens the connection's window, and returns by how much.
async fn increment(edge: &mut tokio::io::DuplexStream) -> u64 {
    const WINDOW_UPDATE: u8 = 8;
    loop {
        let mut head = [0; 9];
        edge.read_exact(&mut head).await.expect("it arrives");
        let mut payload = vec![0; usize::try_from(number(&head[..3])).expect("it is short")];
        edge.read_exact(&mut payload).await.expect("it arrives");
        if head[3] == WINDOW_UPDATE && number(&head[5..]) == 0 {
            return number(&payload);
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[tokio::test]
async fn requests_are_dispatched_as_recorded() {
    let Some(file) = File::open("edge-h2-requests") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let origin = Arc::new(Scripted::for_case(case));
        let (mut edge, seen, _serving) = pair(Arc::clone(&origin)).await;
        let answer = ask(&mut edge, request(&case["request"])).await;
        let is_control = case["dispatch"]["handler"] == "control-stream";
        let dispatched = if is_control {
            json!({ "handler": "control-stream" })
        } else {
            seen.lock().expect("nobody panicked").take().unwrap_or(json!({}))
        };
        let mut verdict = same(&dispatched, &dispatch(case));
        // The recorded origin of plain requests said nothing at all, not even a head, which a proxy
        // cannot do here.
        let is_silent = case["response"]["status"] == 200 && dispatched["handler"] == "http";
        if verdict == Verdict::Same && !is_control && !is_silent {
            verdict = same(&answer, &response(case));
        }
        report.give(&case["name"], verdict);
    }
    report.finish();
}

#[tokio::test]
async fn responses_are_mapped_as_recorded() {
    let Some(file) = File::open("edge-h2-responses") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let origin = Arc::new(Scripted::for_case(case));
        let (mut edge, _seen, _serving) = pair(origin).await;
        let mut builder = http::Request::get("https://h/");
        builder = match case["conn_type"].as_str() {
            Some("websocket") => builder.header(name::UPGRADE, "websocket"),
            Some("tcp") => builder.header(name::SOURCE, "1"),
            _ => builder,
        };
        let request = builder.body(Bytes::new()).expect("it is a request");
        let answer = ask(&mut edge, request).await;
        report.give(&case["name"], same(&answer, &response(case)));
    }
    report.finish();
}

#[tokio::test]
async fn what_the_library_refuses_reaches_the_proxy_byte_for_byte() {
    let cases: [(&[u8], &[u8]); 5] = [
        (b"/plain?q=1", b"h.example:8080"),
        (b"/<a b>`\"#x?y=\"<`", b"h.example"),
        (b"/\xff\xc3\xa9", b"b\xc3\xbccher.example"),
        (b"/slash", b"a b"),
        (b"/again", b"h"),
    ];
    let (far, near) = tokio::io::duplex(1 << 16);
    let target = Arc::new(Target::default());
    let lane = Lane {
        proxy: Arc::clone(&target) as Arc<dyn Proxy>,
        ..lane(Arc::default(), &Arc::default())
    };
    let serving = JoinSet::from_iter([async move {
        let (mut link, _control) = Http2Link::greet(near, None, lane).await.expect("it is greeted");
        link.serve().await
    }]);
    let (mut from, mut to) = tokio::io::split(far);
    let draining =
        JoinSet::from_iter([async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await }]);
    let mut sent = PREFACE.to_vec();
    for (at, (path, authority)) in cases.into_iter().enumerate() {
        let mut block = BytesMut::new();
        put(&mut block, b":method", b"GET");
        put(&mut block, b":scheme", b"https");
        put(&mut block, b":path", path);
        put(&mut block, b":authority", authority);
        let length = u8::try_from(block.len()).expect("it is short");
        let stream = u8::try_from(2 * at + 1).expect("there are few");
        sent.extend_from_slice(&[0, 0, length, 1, 5, 0, 0, 0, stream]);
        sent.extend_from_slice(&block);
    }
    tokio::io::AsyncWriteExt::write_all(&mut to, &sent)
        .await
        .expect("it is taken");
    target.count.acquire_many(5).await.expect("it is open").forget();
    let mut seen = target.seen.lock().expect("nobody panicked").clone();
    seen.sort();
    let mut expected = cases
        .map(|(path, authority)| (path.to_vec(), authority.to_vec()))
        .to_vec();
    expected.sort();
    assert_eq!(seen, expected);
    drop((serving, draining));
}

/// Notes where requests go.
struct Target {
    seen: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
    count: Semaphore,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            seen: Mutex::default(),
            count: Semaphore::new(0),
        }
    }
}

impl Proxy for Target {
    fn call(&self, request: Request) -> Answer<'_> {
        assert_eq!(request.headers.len(), 0, "nothing is added");
        let seen = (request.destination.to_vec(), request.host.to_vec());
        self.seen.lock().expect("nobody panicked").push(seen);
        self.count.add_permits(1);
        Box::pin(std::future::ready(Err(Refusal::new(Class::NoRule, "no"))))
    }
}

/// Returns what the recording says about dispatch, as far as it is the transport's business.
fn dispatch(case: &Value) -> Value {
    let mut dispatch = case["dispatch"].clone();
    if let Some(fields) = dispatch.as_object_mut() {
        fields.remove("lb_probe");
    }
    dispatch
}

/// Returns the recorded response; flushes are not compared, as everything is flushed at once, and
/// neither is what the library adds by itself.
fn response(case: &Value) -> Value {
    let response = &case["response"];
    let mut headers = serde_json::Map::new();
    for header in response["headers"].as_array().into_iter().flatten() {
        let name = header["name"].as_str().unwrap_or_default();
        if name == "content-type" {
            continue;
        }
        let value = header.get("user_pairs").unwrap_or(&header["value"]);
        headers.insert(name.to_owned(), value.clone());
    }
    json!({
        "status": response["status"],
        "headers": headers,
        "body": response["body"],
    })
}

fn request(recorded: &Value) -> http::Request<Bytes> {
    let text = |name: &str| recorded[name].as_str().unwrap_or_default().to_owned();
    let (authority, path) = (text("authority"), text("path"));
    let authority = if authority.is_empty() { "edge" } else { &authority };
    let path = if path.is_empty() { "/" } else { &path };
    let mut builder = http::Request::post(format!("https://{authority}{path}"));
    for header in recorded["headers"].as_array().into_iter().flatten() {
        builder = builder.header(
            header[0].as_str().unwrap_or_default(),
            header[1].as_str().unwrap_or_default(),
        );
    }
    builder.body(text("body").into()).expect("it is a request")
}

/// Sends a request and returns what comes back. A control stream never ends.
async fn ask(edge: &mut SendRequest<Bytes>, request: http::Request<Bytes>) -> Value {
    let is_control = request
        .headers()
        .get(name::UPGRADE)
        .is_some_and(|value| value == "control-stream")
        && !request.headers().contains_key(name::SOURCE);
    let (parts, body) = request.into_parts();
    let request = http::Request::from_parts(parts, ());
    let (answer, mut send) = edge.send_request(request, body.is_empty()).expect("it is sent");
    if !body.is_empty() {
        send.send_data(body, true).expect("it is sent");
    }
    let answer = answer.await.expect("there is an answer");
    let (head, mut body) = answer.into_parts();
    let mut content = Vec::new();
    while let Some(data) = if is_control { None } else { body.data().await } {
        content.extend_from_slice(&data.expect("it arrives"));
    }
    let mut headers = serde_json::Map::new();
    for (name, value) in &head.headers {
        if name == "content-type" || (name == "content-length" && head.status == 502) {
            continue;
        }
        headers.insert(name.to_string(), shown(name.as_str(), value.as_bytes()));
    }
    if !is_control && let Some(trailers) = body.trailers().await.expect("the stream ends") {
        for (name, value) in &trailers {
            headers.insert(format!("trailer:{name}"), text(value.as_bytes()).into());
        }
    }
    // The recorder did not see the length of what the connector itself says.
    if !headers.contains_key(name::RESPONSE_META) {
        headers.remove("content-length");
    }
    json!({ "status": head.status.as_u16(), "headers": headers, "body": text(&content) })
}

/// Shows the serialised set as pairs, sorted by name as the recording has them.
fn shown(field: &str, value: &[u8]) -> Value {
    if field != name::RESPONSE_HEADERS {
        return text(value).into();
    }
    let mut pairs: Vec<_> = deserialize(value)
        .expect("it can be read")
        .into_iter()
        .map(|pair| [text(&pair.name), text(&pair.value)])
        .collect();
    pairs.sort();
    json!(pairs)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

type Seen = Arc<Mutex<Option<Value>>>;

/// The trivial origin of the recordings, or the one that a case describes.
#[derive(Default)]
struct Scripted {
    origin: Value,
    fails: bool,
    limited: bool,
}

impl Scripted {
    fn for_case(case: &Value) -> Self {
        let meta = case["response"]["headers"].to_string();
        Self {
            origin: case["origin"].clone(),
            fails: case["response"]["status"] == 502,
            limited: meta.contains("flow_rate_limited"),
        }
    }

    fn reply(&self, request: Request) -> Result<Reply, Refusal> {
        if self.fails {
            let class = if self.limited {
                Class::Limit
            } else {
                Class::Refused
            };
            return Err(Refusal::new(class, "no"));
        }
        let mut headers = Headers::new();
        for header in self.origin["headers"].as_array().into_iter().flatten() {
            let part = |at: usize| header[at].as_str().unwrap_or_default().to_owned();
            headers.append(part(0), part(1));
        }
        let status = self.origin["status"].as_u64().unwrap_or(200);
        if request.kind == Kind::Tcp || status == 101 {
            let said = match self.origin["body_chunks"][0].as_str() {
                Some(chunk) => chunk.as_bytes().to_vec(),
                None => Vec::new(),
            };
            return Ok(Reply::Connected(Connected {
                headers,
                body: Body::empty(),
                io: Box::new(tokio::io::join(std::io::Cursor::new(said), tokio::io::sink())),
            }));
        }
        Ok(Reply::Response(Response {
            status: u16::try_from(status).unwrap_or(0),
            wording: None,
            headers,
            body: self.body(),
        }))
    }

    fn body(&self) -> Body {
        let chunks = self.origin["body_chunks"].as_array().cloned().unwrap_or_default();
        let mut frames: Vec<_> = chunks
            .iter()
            .map(|chunk| Frame::data(Bytes::from(chunk.as_str().unwrap_or_default().to_owned())))
            .collect();
        if let Some(trailers) = self.origin["trailers"].as_array() {
            let mut map = HeaderMap::new();
            for trailer in trailers {
                let name: http::HeaderName = trailer[0].as_str().unwrap_or_default().parse().expect("a name");
                map.insert(
                    name,
                    trailer[1].as_str().unwrap_or_default().parse().expect("a value"),
                );
            }
            frames.push(Frame::trailers(map));
        }
        if frames.is_empty() {
            return Body::empty();
        }
        Body::stream(Frames(frames.into_iter()))
    }
}

struct Frames(std::vec::IntoIter<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(self.0.next().map(Ok))
    }
}

/// Notes what reaches it.
struct Noting {
    seen: Seen,
    origin: Arc<Scripted>,
}

impl Proxy for Noting {
    fn call(&self, request: Request) -> Answer<'_> {
        let seen = if request.kind == Kind::Tcp {
            json!({
                "handler": "tcp",
                "dest": text(&request.destination),
                "flow_id": text(&request.arrival.flow),
                "trace_id": text(&request.arrival.trace),
                "cf_ray": text(request.headers.get("cf-ray").unwrap_or(&Bytes::new())),
            })
        } else {
            json!({
                "handler": "http",
                "host": text(&request.host),
                "is_websocket": request.kind == Kind::WebSocket,
                "upgrade_header_still_present": request.headers.contains(name::UPGRADE),
            })
        };
        *self.seen.lock().expect("nobody panicked") = Some(seen);
        let reply = self.origin.reply(request);
        Box::pin(std::future::ready(reply))
    }
}

/// Version 3 is in force; a configuration must be an object.
struct Rules(Seen);

impl ConfigurationManager for Rules {
    fn update_configuration(&self, update: Update) -> RpcAnswer<'_, Applied> {
        *self.0.lock().expect("nobody panicked") = Some(json!({
            "handler": "configuration",
            "version": update.version,
            "config": text(&update.configuration),
        }));
        let applied = if update.configuration.starts_with(b"{") {
            Applied {
                version: update.version.max(4),
                error: String::new(),
            }
        } else {
            Applied {
                version: 3,
                error: "no object".to_owned(),
            }
        };
        Box::pin(std::future::ready(applied))
    }
}

fn lane(origin: Arc<Scripted>, seen: &Seen) -> Lane {
    let metrics = Metrics::new(&Registry::new()).expect("the registry is new");
    Lane {
        whereabouts: Whereabouts {
            index: 0,
            address: SocketAddr::from(([127, 0, 0, 1], 7844)),
        },
        transport: Transport::Http2,
        proxy: Arc::new(Noting {
            seen: Arc::clone(seen),
            origin,
        }),
        configuration: Arc::new(Rules(Arc::clone(seen))),
        sessions: Arc::new(NoSessions),
        calls: metrics.server,
        rpc_timeout: Duration::from_secs(5),
        write_timeout: None,
    }
}

async fn pair(origin: Arc<Scripted>) -> (SendRequest<Bytes>, Seen, JoinSet<()>) {
    let (far, near) = tokio::io::duplex(1 << 16);
    let seen = Seen::default();
    let lane = lane(origin, &seen);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut link, _control) = Http2Link::greet(near, None, lane).await.expect("it is greeted");
        link.serve().await;
    });
    let (edge, connection) = h2::client::handshake(far).await.expect("it is greeted");
    tasks.spawn(async move {
        connection.await.expect("it ends well");
    });
    (edge, seen, tasks)
}

/// What an edge says first: the preface and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
