//! Recorded streams to private addresses.

#[path = "proxy/listen.rs"]
mod listen;

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use adit_config::{OriginRequest, Rules, WarpRouting};
use adit_dial::{Environment, Names, Roots};
use adit_exchange::outlet::OutletError;
use adit_exchange::splice::splice;
use adit_exchange::{Arrival, Body, Framing, Headers, Kind, Outlet, Proxy, Reply, Request, Transport};
use adit_ingress::{Flows, Ingress, Metrics, Settings};
use adit_vectors::{File, Verdict, same};
use bytes::Bytes;
use listen::Lines;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// How long a stream that is expected to end may take.
const PATIENCE: Duration = Duration::from_millis(600);

/// What the edge saw of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    error: String,
    data: Vec<u8>,
    ended: bool,
}

#[test]
fn streams_to_private_addresses_go_as_recorded() {
    run("private-tcp-flow", Transport::Quic, Value::clone);
}

#[test]
fn streams_to_private_addresses_go_over_http2_as_recorded() {
    run("private-tcp-flow-http2", Transport::Http2, of_http2);
}

fn run(name: &str, transport: Transport, read: fn(&Value) -> Value) {
    let Some(file) = File::open(name) else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        report.give(&case["name"], judged(&read(case), transport));
    }
    report.finish();
}

/// Returns a case of HTTP/2 in the words of QUIC; what a refusal looks like is for the transport.
fn of_http2(case: &Value) -> Value {
    let logs = || case["logs"].as_array().into_iter().flatten();
    let error = logs().find(|line| line["message"] == TRANSPORTS);
    let error = error.and_then(|line| line["error"].as_str()).unwrap_or_default();
    let host = case["host"].as_str().unwrap_or_default();
    let messages = logs().map(|line| &line["message"]);
    let messages: Vec<_> = messages
        .filter(|text| *text != "" && *text != TRANSPORTS)
        .collect();
    json!({
        "dest": host,
        "max_active_flows": case["max_active_flows"],
        "already_active_flows": case["already_active_flows"],
        "origin": case["origin"],
        "after_request_edge_sends_hex": case["request_body_hex"],
        "response": { "error": error.replace("127.0.0.1:<port>", host) },
        "data_after_response_hex": case["response_body_hex"],
        "stream_end_seen_by_edge": if case["stream_end"] == "end_stream" { "fin" } else { "open" },
        "log_messages": messages,
    })
}

/// What the transport says about a failure, behind the proxy's own words.
const TRANSPORTS: &str = "failed to serve incoming request";

fn judged(case: &Value, transport: Transport) -> Verdict {
    let lines = Lines::up_to(tracing::Level::DEBUG);
    let logging = tracing::subscriber::set_default(lines.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (seen, destination) = runtime.block_on(played(case, transport));
    drop(runtime);
    drop(logging);
    let recorded = Seen {
        error: case["response"]["error"].as_str().unwrap_or_default().to_owned(),
        data: bytes(&case["data_after_response_hex"]),
        ended: case["stream_end_seen_by_edge"] == "fin",
    };
    if seen != recorded {
        // What a half-closed stream still brings is the point of the rule.
        let drained = case["edge_then_sends_fin"] == true && seen.ended && recorded.data.is_empty();
        return if drained {
            Verdict::Differs("half-close-is-passed-on")
        } else {
            same(&seen, &recorded)
        };
    }
    match case["logs"].as_array() {
        Some(logs) => same(
            &told(lines.so_far(), &destination),
            &told(logs.clone(), &destination),
        ),
        None => {
            let named = case["log_messages"].as_array().into_iter().flatten();
            let mut missing = named
                .filter_map(Value::as_str)
                .filter(|message| !message.contains("copy: "));
            let said = lines.so_far();
            let lacks = |message: &&str| !said.iter().any(|line| line["message"] == *message);
            same(&missing.find(lacks), &None)
        }
    }
}

async fn played(case: &Value, transport: Transport) -> (Seen, String) {
    let flows = Flows::default();
    let limit = case["max_active_flows"].as_u64().unwrap_or_default();
    let ingress = ingress(flows.clone(), limit, None);
    let active = case["already_active_flows"].as_u64().unwrap_or_default();
    let _held: Vec<_> = (0..active).map(|_| flows.acquire().expect("a place")).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let destination = match case["dest"].as_str().expect("a destination") {
        "<listening loopback port>" => address.to_string(),
        other => other.to_owned(),
    };
    let origin = case["origin"].as_str().expect("a behaviour").to_owned();
    let mut behaving = tokio::task::JoinSet::new();
    behaving.spawn(async move { behave(listener, &origin).await });
    let seen = visited(&ingress, case, &destination, transport).await;
    // An origin that has nothing to do may wait for ever, but an unkept promise must be told.
    behaving.abort_all();
    if let Some(Err(error)) = behaving.join_next().await {
        assert!(error.is_cancelled(), "{error}");
    }
    (seen, destination)
}

fn ingress(flows: Flows, max_active_flows: u64, write_limit: Option<Duration>) -> Ingress {
    let settings = Settings {
        names: Names::default(),
        roots: || Roots::only([]),
        tags: Vec::new(),
        flows,
        environment: Environment::default(),
        explain_failures: false,
    };
    let metrics = Metrics::new(&prometheus::Registry::new()).expect("an empty registry");
    let ingress = Ingress::new(settings, metrics).with_write_limit(write_limit);
    let warp_routing = WarpRouting {
        max_active_flows,
        ..WarpRouting::default()
    };
    let rules = Rules::built_in(OriginRequest::new(), warp_routing);
    ingress.start(rules).expect("rules without services to start");
    ingress
}

async fn behave(listener: TcpListener, origin: &str) {
    if matches!(origin, "none" | "closed port") {
        return;
    }
    let (mut stream, _) = listener.accept().await.expect("a connection");
    match origin {
        "echoes until end of stream" => {
            let (mut read, mut write) = stream.split();
            // A visitor who breaks off ends it too.
            drop(tokio::io::copy(&mut read, &mut write).await);
        }
        "sends 220 hello CRLF, closes after 30 ms" => {
            stream.write_all(b"220 hello\r\n").await.expect("a visitor");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        "reads to end of stream, waits 200 ms, answers" => {
            let mut said = Vec::new();
            stream.read_to_end(&mut said).await.expect("a visitor");
            tokio::time::sleep(Duration::from_millis(200)).await;
            stream.write_all(b"late").await.expect("a visitor");
        }
        other => panic!("unknown origin: {other}"),
    }
}

async fn visited(ingress: &Ingress, case: &Value, destination: &str, transport: Transport) -> Seen {
    let mut flow = case["metadata"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|pair| pair[0] == "FlowID");
    let flow = flow
        .next()
        .and_then(|pair| pair[1].as_str())
        .unwrap_or_default()
        .to_owned();
    let (sender, chunks) = tokio::sync::mpsc::channel(4);
    let said = bytes(&case["after_request_edge_sends_hex"]);
    if !said.is_empty() {
        sender
            .try_send(Ok(http_body::Frame::data(Bytes::from(said))))
            .expect("room");
    }
    let _open = (case["edge_then_sends_fin"] != true).then_some(sender);
    let mut request = request(destination, flow, Body::stream(Chunks(chunks)));
    request.arrival.transport = transport;
    match ingress.call(request).await {
        Err(refusal) => Seen {
            error: refusal.message,
            data: Vec::new(),
            ended: true,
        },
        Ok(Reply::Response(_)) => panic!("a stream is no response"),
        Ok(Reply::Connected(connected)) => {
            let seen = Arc::new(Mutex::new(Seen::default()));
            let mut outlet = Collecting(Arc::clone(&seen));
            let spliced = splice(connected.body, connected.io, &mut outlet);
            drop(tokio::time::timeout(PATIENCE, spliced).await);
            std::mem::take(&mut *seen.lock().expect("no test panicked"))
        }
    }
}

fn request(destination: &str, flow: String, body: Body) -> Request {
    Request {
        kind: Kind::Tcp,
        method: Bytes::new(),
        destination: destination.to_owned().into(),
        host: Bytes::new(),
        headers: Headers::new(),
        framing: Framing::Streamed,
        body,
        arrival: Arrival {
            flow: flow.into(),
            ..Arrival::default()
        },
    }
}

/// A flow whose origin has stopped reading ends with the first write that takes too long, although
/// neither side says that it has ended.
#[tokio::test]
async fn a_flow_ends_when_a_write_takes_too_long() {
    const LIMIT: Duration = Duration::from_millis(50);
    /// Far below the minute that a half-closed stream may be silent.
    const AT_ONCE: Duration = Duration::from_secs(20);
    /// More than the buffers of two sockets hold.
    const TOO_MUCH: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let destination = listener.local_addr().expect("bound").to_string();
    let flows = Flows::default();
    let ingress = ingress(flows.clone(), 0, Some(LIMIT));
    let (visitor, chunks) = tokio::sync::mpsc::channel(1);
    let flood = http_body::Frame::data(Bytes::from(vec![7; TOO_MUCH]));
    visitor.try_send(Ok(flood)).expect("room");
    let request = request(&destination, String::new(), Body::stream(Chunks(chunks)));
    let (reply, accepted) = tokio::join!(ingress.call(request), listener.accept());
    let _deaf = accepted.expect("a connection");
    let Ok(Reply::Connected(connected)) = reply else {
        panic!("the origin is there");
    };
    let seen = Arc::new(Mutex::new(Seen::default()));
    let mut outlet = Collecting(Arc::clone(&seen));
    let spliced = splice(connected.body, connected.io, &mut outlet);
    let spliced = tokio::time::timeout(AT_ONCE, spliced).await;
    spliced.expect("it ends at once").expect("it ends well");
    assert!(seen.lock().expect("no test panicked").ended);
    assert_eq!(flows.active(), 0);
}

struct Collecting(Arc<Mutex<Seen>>);

impl Outlet for Collecting {
    fn poll_send(&mut self, _: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
        let data = data.split_off(0);
        self.0
            .lock()
            .expect("no test panicked")
            .data
            .extend_from_slice(&data);
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        let mut seen = self
            .0
            .lock()
            .map_err(|error| OutletError::new(error.to_string()))?;
        seen.ended = true;
        Ok(())
    }

    fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<OutletError> {
        Poll::Pending
    }
}

struct Chunks(tokio::sync::mpsc::Receiver<Result<http_body::Frame<Bytes>, adit_exchange::BodyError>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = adit_exchange::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx)
    }
}

/// Returns the lines that are the proxy's, as they were recorded.
fn told(lines: Vec<Value>, destination: &str) -> Vec<String> {
    let ours = |line: &Value| line["message"] != "Request failed";
    let mut told: Vec<String> = lines
        .into_iter()
        .filter(ours)
        .map(|mut line| {
            if let Some(fields) = line.as_object_mut() {
                fields.remove("class");
            }
            line.to_string().replace(destination, "<destination>")
        })
        .collect();
    told.sort();
    told
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap_or_default();
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex"))
        .collect()
}
