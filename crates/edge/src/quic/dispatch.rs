//! Compares whole data streams with those recorded from upstream, over a real connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adit_dialect::url::Url;
use adit_exchange::{
    Answer, Body, BodyError, Class, Connected, Framing, Headers, Kind, Proxy, Refusal, Reply, Request,
    Response, Transport,
};
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer as RpcAnswer;
use adit_vectors::{File, Verdict, same};
use adit_wire::configuration::{Applied, Update};
use adit_wire::{ConnectResponse, Intake, preamble};
use bytes::Bytes;
use prometheus::Registry;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, ReadError, ServerConfig};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};

use super::QuicLink;
use super::dial::Dialer;
use crate::connection::{Lane, Link, Whereabouts};
use crate::metrics::Metrics;
use crate::settings;
use crate::tls::{APPLICATION_PROTOCOL, Purpose, Roots, Tls};
use crate::tunnel::NoSessions;

#[tokio::test]
async fn data_streams_are_answered_as_recorded() {
    let Some(file) = File::open("edge-quic-dispatch") else {
        return;
    };
    let mut report = file.report();
    let origin = Arc::new(Scripted::default());
    let (edge, mut link) = pair(Arc::clone(&origin) as Arc<dyn Proxy>).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    for case in file.cases("vectors") {
        origin.seen.lock().expect("nobody panicked").take();
        let stream = hex(&case["stream_hex"]);
        let answer = ask(&edge, &stream, case["edge_sends_fin"] == true).await;
        let seen = origin.seen.lock().expect("nobody panicked").take();
        report.give(&case["name"], judge(case, seen.as_ref(), &answer));
    }
    drop(serving);
    report.finish();
}

#[tokio::test]
async fn an_unknown_type_is_answered() {
    let origin = Arc::new(Scripted::default());
    let (edge, mut link) = pair(origin as Arc<dyn Proxy>).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    let mut stream = bytes::BytesMut::new();
    let request = adit_wire::ConnectRequest {
        destination: "http://h/".into(),
        kind: adit_wire::ConnectionType::Unknown(7),
        metadata: Vec::new(),
    };
    request.put(&mut stream).expect("it is small");
    let answer = ask(&edge, &stream, false).await;
    let message = answer.response.expect("there is an answer").error;
    assert_eq!(message, "unsupported error type: 7");
    assert_eq!(answer.end, "fin");
    drop(serving);
}

#[tokio::test]
async fn more_streams_may_be_open_than_were_granted_at_first() {
    let (edge, mut link) = pair(Arc::new(Endless)).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    let mut open = Vec::new();
    for _ in 0..super::dial::STREAMS + 500 {
        let (mut send, recv) = edge.open_bi().await.expect("the connection lives");
        send.write_all(&preamble::DATA).await.expect("it is taken");
        open.push((send, recv));
    }
    drop(serving);
}

#[tokio::test]
async fn an_edge_that_takes_nothing_is_given_up_in_time() {
    let (edge, mut link) = pair_with(Arc::new(Plentiful), Some(Duration::from_millis(50))).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    let (mut send, mut recv) = edge.open_bi().await.expect("the connection lives");
    send.write_all(&get()).await.expect("it is taken");
    let reset = recv.received_reset().await.expect("the connection lives");
    assert_eq!(reset, Some(super::io::NOTHING_TO_SAY));
    drop(serving);
}

#[tokio::test]
async fn a_panic_costs_one_stream() {
    let (edge, mut link) = pair(Arc::new(Fragile)).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    for _ in 0..2 {
        let answer = ask(&edge, &get(), true).await;
        assert_eq!((answer.response, answer.end.as_str()), (None, "reset:0"));
    }
    drop(serving);
}

#[tokio::test]
async fn a_reset_is_not_taken_for_an_end() {
    let (edge, mut link) = pair(Arc::new(Fragile)).await;
    let serving = tokio::task::JoinSet::from_iter([async move { link.serve().await }]);
    let (mut send, recv) = edge.open_bi().await.expect("the connection lives");
    send.write_all(&get()).await.expect("it is taken");
    let mut inward = super::io::Inward::new(recv);
    while edge.stats().frame_rx.reset_stream == 0 {
        assert!(!inward.has_ended().await);
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        assert!(!inward.has_ended().await, "what was sent is not complete");
    }
    inward.read().await.expect_err("it was reset");
    drop(serving);
}

fn get() -> bytes::BytesMut {
    let mut stream = bytes::BytesMut::new();
    let request = adit_wire::ConnectRequest {
        destination: "http://h/".into(),
        kind: adit_wire::ConnectionType::Http,
        metadata: Vec::new(),
    };
    request.put(&mut stream).expect("it is small");
    stream
}

/// Gives a verdict on what reached the origin and what reached the edge.
fn judge(case: &Value, seen: Option<&Value>, answer: &Answered) -> Verdict {
    let end = same(
        answer.end.as_str(),
        case["stream_end"].as_str().unwrap_or_default(),
    );
    if end != Verdict::Same {
        return end;
    }
    // What was written before a reset may or may not arrive.
    let reset = answer.end != "fin";
    if !reset {
        let response = answer.response.as_ref().map_or(Value::Null, shown);
        let body: String = answer.rest.iter().map(|byte| format!("{byte:02x}")).collect();
        let recorded = case["bytes_after_response_hex"].as_str().unwrap_or_default();
        let told = same(
            &(response, body.as_str()),
            &(case["connect_response"].clone(), recorded),
        );
        if told != Verdict::Same {
            return told;
        }
    }
    judge_seen(case, seen)
}

fn judge_seen(case: &Value, seen: Option<&Value>) -> Verdict {
    let mut recorded = case["proxied"].clone();
    let mut seen = seen.cloned().unwrap_or(Value::Null);
    let Some(fields) = recorded.as_object_mut() else {
        return same(&seen, &Value::Null);
    };
    // What follows from headers alone is the business of whoever logs it.
    for derived in ["cf_ray", "lb_probe"] {
        fields.remove(derived);
    }
    let mut rule = None;
    if let Some(ours) = seen.as_object_mut() {
        let undeclared = ours.remove("undeclared") == Some(Value::Bool(true));
        if !fields.contains_key("body") {
            ours.remove("body");
        } else if undeclared && fields["no_body"] == true && ours["body"] != "" {
            // Decision 5: what a visitor sent arrives, declared or not.
            ours["body"] = json!("");
            ours["no_body"] = json!(true);
            rule = Some("undeclared-body-arrives");
        }
    }
    let verdict = same(&seen, &recorded);
    match rule {
        Some(rule) if verdict == Verdict::Same => Verdict::Differs(rule),
        _ => verdict,
    }
}

/// What the edge got to see on one stream.
struct Answered {
    response: Option<ConnectResponse>,
    rest: Bytes,
    end: String,
}

/// Sends a stream and reads what comes back.
async fn ask(edge: &Connection, stream: &[u8], fin: bool) -> Answered {
    let (mut send, mut recv) = edge.open_bi().await.expect("the connection lives");
    send.write_all(stream).await.expect("it is taken");
    if fin {
        send.finish().expect("it is open");
    }
    let mut intake = Intake::new();
    let end = loop {
        match recv.read_chunk(usize::MAX, true).await {
            Ok(Some(chunk)) => intake.push(chunk.bytes),
            Ok(None) => break "fin".to_owned(),
            Err(ReadError::Reset(code)) => break format!("reset:{code}"),
            Err(error) => panic!("{error}"),
        }
    };
    let response = match preamble::take(&mut intake) {
        Ok(Some(preamble::Kind::Data)) => ConnectResponse::take(&mut intake).expect("it is a response"),
        _ => None,
    };
    Answered {
        response,
        rest: intake.into_rest(),
        end,
    }
}

fn shown(response: &ConnectResponse) -> Value {
    let mut metadata: Vec<_> = response
        .metadata
        .iter()
        .map(|pair| [text(&pair.key), text(&pair.value)])
        .collect();
    metadata.sort();
    json!({ "error": text(&response.error), "metadata": metadata })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap_or_default().as_bytes().chunks(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex digits are text");
            u8::from_str_radix(pair, 16).expect("hex digits")
        })
        .collect()
}

/// The origin of the recordings.
#[derive(Default)]
struct Scripted {
    seen: Mutex<Option<Value>>,
}

impl Proxy for Scripted {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            match request.kind {
                Kind::Tcp => self.tcp(request),
                Kind::Http | Kind::WebSocket => self.http(request).await,
            }
        })
    }
}

impl Scripted {
    fn note(&self, seen: Value) {
        *self.seen.lock().expect("nobody panicked") = Some(seen);
    }

    async fn http(&self, mut request: Request) -> Result<Reply, Refusal> {
        let script = request.headers.get("x-test").cloned().unwrap_or_default();
        let mut body = Vec::new();
        while let Some(data) = request.body.data().await {
            body.extend_from_slice(&data.expect("the edge sends all of it"));
        }
        let url = Url::parse(&request.destination).expect("the edge side has checked it");
        let target = url.request_target();
        let mut headers: Vec<_> = request
            .headers
            .iter()
            .map(|header| [text(&header.name), text(&header.value)])
            .collect();
        headers.sort();
        let length = match request.headers.get("content-length") {
            Some(value) => text(value).parse::<i64>().expect("the edge side has checked it"),
            None => 0,
        };
        let chunked = request.headers.contains("transfer-encoding");
        let plain = request.kind == Kind::Http;
        self.note(json!({
            "handler": "http",
            "method": text(&request.method),
            "request_uri": text(&target),
            "host": text(&request.host),
            "headers_sorted": headers,
            "content_length": length,
            "no_body": plain && length == 0 && !chunked,
            "body": text(&body),
            "is_websocket": !plain,
            "undeclared": matches!(request.framing, Framing::Undeclared | Framing::Streamed) && !chunked,
        }));
        let hello = [("Content-Type", "text/plain")].into_iter().collect();
        match &script[..] {
            b"error-before" => Err(Refusal::new(Class::Refused, "unable to reach the origin service")),
            b"rate" => Err(Refusal::new(Class::Limit, "failed: too many active flows")),
            b"error-after" => Ok(response(hello, Body::stream(Broken(Some(Bytes::from("hel")))))),
            b"nothing" => Ok(response(Headers::new(), Body::empty())),
            _ => Ok(response(hello, Body::full("hello"))),
        }
    }

    fn tcp(&self, request: Request) -> Result<Reply, Refusal> {
        self.note(json!({
            "handler": "tcp",
            "dest": text(&request.destination),
            "flow_id": text(&request.arrival.flow),
            "trace_id": text(&request.arrival.trace),
        }));
        let io: Box<dyn adit_exchange::Io> = match &request.arrival.flow[..] {
            b"fail" => {
                let refused = "dial tcp 10.0.0.1:22: connect: connection refused";
                return Err(Refusal::new(Class::Refused, refused));
            }
            b"rate" => {
                let limited = "failed to start tcp flow due to rate limiting: too many active flows";
                return Err(Refusal::new(Class::Limit, limited));
            }
            b"late" => {
                let broken = tokio_test_io(Err(std::io::ErrorKind::ConnectionReset.into()));
                Box::new(broken)
            }
            _ => Box::new(tokio_test_io(Ok(b"SSH-2.0"))),
        };
        Ok(Reply::Connected(Connected {
            headers: Headers::new(),
            body: request.body,
            io,
        }))
    }
}

fn response(headers: Headers, body: Body) -> Reply {
    Reply::Response(Response {
        status: 200,
        wording: None,
        headers,
        body,
    })
}

/// An origin's stream that says something, or breaks.
fn tokio_test_io(says: std::io::Result<&'static [u8]>) -> impl adit_exchange::Io {
    let reader = match says {
        Ok(said) => Said::Words(said),
        Err(error) => Said::Breaks(Some(error)),
    };
    tokio::io::join(reader, tokio::io::sink())
}

enum Said {
    Words(&'static [u8]),
    Breaks(Option<std::io::Error>),
}

impl tokio::io::AsyncRead for Said {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(match &mut *self {
            Self::Words(words) => {
                buffer.put_slice(std::mem::take(words));
                Ok(())
            }
            Self::Breaks(error) => error.take().map_or(Ok(()), Err),
        })
    }
}

/// A body that breaks off.
struct Broken(Option<Bytes>);

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BodyError>>> {
        std::task::Poll::Ready(Some(match self.0.take() {
            Some(data) => Ok(http_body::Frame::data(data)),
            None => Err(BodyError::new("the origin broke off")),
        }))
    }
}

/// Never answers.
struct Endless;

impl Proxy for Endless {
    fn call(&self, _: Request) -> Answer<'_> {
        Box::pin(std::future::pending())
    }
}

/// Answers with more than anybody takes at once.
struct Plentiful;

impl Proxy for Plentiful {
    fn call(&self, _: Request) -> Answer<'_> {
        let plenty = response(Headers::new(), Body::full(vec![7; 16 << 20]));
        Box::pin(std::future::ready(Ok(plenty)))
    }
}

/// Breaks.
struct Fragile;

impl Proxy for Fragile {
    fn call(&self, _: Request) -> Answer<'_> {
        panic!("this is expected")
    }
}

struct NoConfiguration;

impl ConfigurationManager for NoConfiguration {
    fn update_configuration(&self, update: Update) -> RpcAnswer<'_, Applied> {
        Box::pin(std::future::ready(Applied {
            version: update.version,
            error: String::new(),
        }))
    }
}

/// Makes a connection between an edge and a connector with this proxy.
async fn pair(proxy: Arc<dyn Proxy>) -> (Connection, QuicLink) {
    pair_with(proxy, None).await
}

async fn pair_with(proxy: Arc<dyn Proxy>, write_timeout: Option<Duration>) -> (Connection, QuicLink) {
    let (edge, roots) = edge();
    let address = edge.local_addr().expect("it is bound");
    let tls = Tls::new(&roots, false).expect("the root is usable");
    let dialer = Dialer::new(&tls, Purpose::Tunnel, &settings::Quic::default(), None);
    let dialer = dialer.expect("the dialer is built");
    let accept = async {
        let incoming = edge.accept().await.expect("the edge is open");
        incoming.await.expect("the handshake succeeds")
    };
    let (accepted, dialed) = tokio::join!(accept, dialer.dial(0, address));
    let metrics = Metrics::new(&Registry::new()).expect("the registry is new");
    let lane = Lane {
        write_timeout,
        ..lane(proxy, address, &metrics)
    };
    let link = dialed
        .expect("the handshake succeeds")
        .into_link(lane, &metrics.quic);
    (accepted, link)
}

fn lane(proxy: Arc<dyn Proxy>, address: SocketAddr, metrics: &Metrics) -> Lane {
    Lane {
        whereabouts: Whereabouts { index: 0, address },
        transport: Transport::Quic,
        proxy,
        configuration: Arc::new(NoConfiguration),
        sessions: Arc::new(NoSessions),
        calls: metrics.server.clone(),
        rpc_timeout: Duration::from_secs(5),
        write_timeout: None,
    }
}

fn edge() -> (Endpoint, Roots) {
    let authority = CertifiedIssuer::self_signed(authority(), KeyPair::generate().expect("a key"));
    let authority = authority.expect("the authority signs itself");
    let key = KeyPair::generate().expect("a key");
    let name = Purpose::Tunnel.server_name(Transport::Quic).to_owned();
    let certificate = CertificateParams::new([name])
        .and_then(|params| params.signed_by(&key, &authority))
        .expect("the authority signs");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("it is a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|tls| {
            tls.with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
        })
        .expect("the certificate fits its key");
    tls.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
    let tls = QuicServerConfig::try_from(tls).expect("it speaks TLS 1.3");
    let config = ServerConfig::with_crypto(Arc::new(tls));
    let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
    let roots = Roots::Only(vec![authority.der().clone()]);
    (endpoint, roots)
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}
