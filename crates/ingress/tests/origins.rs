//! What recordings do not show: size, concurrency, certificates, rules that change.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use adit_config::file::Reading;
use adit_config::{File, Rules};
use adit_dial::{Environment, Names, Roots};
use adit_exchange::{
    Arrival, Body, BodyError, Class, Framing, Headers, Kind, Proxy, Refusal, Reply, Request,
};
use adit_ingress::{Flows, Ingress, Metrics, Settings};
use bytes::Bytes;
use http_body::Frame;
use prometheus::Registry;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Bytes of a body that no buffer on the way could hold.
const LARGE: usize = 32 << 20;

const CHUNK: usize = 64 << 10;

#[tokio::test]
async fn a_large_body_arrives_whole_in_both_directions() {
    let (address, _origin) = echoing().await;
    let ingress = ingress(&format!("http://{address}"));
    let (request, sender) = uploading(Framing::Undeclared);
    let (answered, ()) = tokio::join!(answer(&ingress, request), send(sender, LARGE));
    let (status, length, sum) = answered.expect("an answer");
    assert_eq!((status, length, sum), (200, LARGE, checksum(LARGE)));
}

#[tokio::test]
async fn a_visitor_may_write_everything_before_reading_anything() {
    let (address, _origin) = echoing().await;
    let ingress = ingress(&format!("http://{address}"));
    let (request, sender) = uploading(Framing::Streamed);
    let calling = ingress.call(request);
    let mut sending = std::pin::pin!(send(sender, LARGE));
    let reply = tokio::select! {
        reply = calling => reply.expect("an answer"),
        () = &mut sending => panic!("the origin answers at once"),
    };
    let Reply::Response(response) = reply else {
        panic!("no upgrade was asked for")
    };
    // The origin echoes: with nobody reading its answer only so much goes in. What goes in before
    // the visitor reads must not depend on the visitor reading.
    let early = tokio::time::timeout(std::time::Duration::from_millis(300), &mut sending).await;
    let reading = read(response.body);
    let (length, sum) = match early {
        Ok(()) => reading.await,
        Err(_) => tokio::join!(reading, sending).0,
    };
    assert_eq!((length, sum), (LARGE, checksum(LARGE)));
}

#[tokio::test]
async fn many_requests_at_once_all_get_their_own_answer() {
    let (address, _origin) = echoing().await;
    let ingress = Arc::new(ingress(&format!("http://{address}")));
    let mut visitors = JoinSet::new();
    for number in 0..500u32 {
        let ingress = Arc::clone(&ingress);
        visitors.spawn(async move {
            let mut request = get("/");
            request.method = "POST".into();
            request.framing = Framing::Length(4);
            request.body = Body::full(number.to_be_bytes().to_vec());
            let Ok(Reply::Response(mut response)) = ingress.call(request).await else {
                return false;
            };
            let mut echoed = Vec::new();
            while let Some(Ok(data)) = response.body.data().await {
                echoed.extend_from_slice(&data);
            }
            echoed == number.to_be_bytes()
        });
    }
    assert!(visitors.join_all().await.into_iter().all(|got_own| got_own));
}

/// A self-signed certificate often calls itself an authority.
#[tokio::test]
async fn a_certificate_in_the_pool_is_trusted_whatever_it_calls_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("origin.pem");
    let (address, pem, _origin) = encrypted().await;
    std::fs::write(&file, pem).expect("the folder is ours");
    let status = |settings: String| async move {
        let ingress = ingress_with(&format!("https://localhost:{}", address.port()), &settings);
        match ingress.call(get("/")).await {
            Ok(Reply::Response(response)) => Ok(response.status),
            Ok(Reply::Connected(_)) => Ok(101),
            Err(refusal) => Err(refusal),
        }
    };
    assert_eq!(status(format!("caPool: {}", file.display())).await, Ok(200));
    assert_eq!(status("noTLSVerify: true".into()).await, Ok(200));
    let class = |refused: Result<u16, Refusal>| refused.expect_err("not trusted").class;
    assert_eq!(class(status("tlsTimeout: 5s".into()).await), Class::Tls);
    let wrong = format!("{{caPool: {}, originServerName: other.example}}", file.display());
    assert_eq!(class(status(wrong).await), Class::Tls);
}

/// What gRPC needs: both directions at the same time, trailers at the end, one connection.
#[tokio::test]
async fn streams_over_http2_go_both_ways_and_end_with_trailers() {
    let connections = Arc::new(AtomicUsize::new(0));
    let (address, _origin) = multiplexed(Arc::clone(&connections)).await;
    let settings = "noTLSVerify: true, http2Origin: true";
    let ingress = ingress_with(&format!("https://localhost:{}", address.port()), settings);
    converse(&ingress).await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

/// Without TLS nobody asks what the origin speaks: the rule says so.
#[tokio::test]
async fn http2_without_tls_is_spoken_where_the_rule_knows_it() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let (address, _origin) = serve(move |stream| {
        counted.fetch_add(1, Ordering::Relaxed);
        answer_multiplexed(stream, "http")
    })
    .await;
    let service = format!("http://localhost:{}", address.port());
    converse(&ingress_with(&service, "http2PriorKnowledge: true")).await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
    let unasked = ingress_with(&service, "http2Origin: true").call(get("/")).await;
    assert!(unasked.is_err(), "http2Origin alone is for TLS: {unasked:?}");
}

async fn converse(ingress: &Ingress) {
    for _ in 0..3 {
        let (mut request, sender) = uploading(Framing::Streamed);
        request.headers.append("Content-Type", "application/grpc");
        request.headers.append("Te", "trailers");
        sender.send("one".into()).await.expect("room");
        let Ok(Reply::Response(mut response)) = ingress.call(request).await else {
            panic!("no answer")
        };
        assert_eq!(response.body.data().await, Some(Ok(Bytes::from("one"))));
        sender.send("two".into()).await.expect("room");
        assert_eq!(response.body.data().await, Some(Ok(Bytes::from("two"))));
        drop(sender);
        let next = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut response.body), cx));
        let trailers = next
            .await
            .and_then(Result::ok)
            .and_then(|frame| frame.into_trailers().ok());
        assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
    }
}

/// Visitors learn why there is no answer only where they may.
#[tokio::test]
async fn a_failure_is_explained_to_visitors_where_that_is_wanted() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let refused = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let forbidden = "access: {required: true, teamName: team, audTag: [tag]}, tlsTimeout: 5s";
    for (service, settings, status, class) in [
        (refused.as_str(), "", 502, "refused"),
        ("http://nothing.invalid", "", 502, "dns"),
        ("hello_world", forbidden, 403, "policy"),
        ("http_status:404", "", 404, ""),
    ] {
        let ingress = nothing_in_force(true);
        ingress.start(rules(service, settings)).expect("rules that start");
        let Ok(Reply::Response(response)) = ingress.call(get("/")).await else {
            panic!("no answer by {service}")
        };
        let named = response.headers.get("Adit-Failure").map(|name| &name[..]);
        assert_eq!(response.status, status, "{service}");
        assert_eq!(named.unwrap_or_default(), class.as_bytes(), "{service}");
    }
    assert!(ingress(&refused).call(get("/")).await.is_err());
}

#[tokio::test]
async fn origins_that_misbehave_cost_a_request_and_nothing_else() {
    let answers: [&[u8]; 8] = [
        b"",
        b"\0\x01\x02garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n",
        b"HTTP/x 200\r\n\r\n",
    ];
    let turn = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turn);
    let (address, _origin) = serve(move |mut stream| {
        let answer = answers[counted.fetch_add(1, Ordering::Relaxed) % answers.len()];
        async move {
            let mut request = [0; 1024];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer).await);
        }
    })
    .await;
    let ingress = ingress(&format!("http://{address}"));
    for _ in 0..200 {
        let outcome =
            tokio::time::timeout(std::time::Duration::from_secs(5), answer(&ingress, get("/"))).await;
        let failed = outcome.expect("every one of them ends");
        assert!(failed.is_err(), "{failed:?}");
    }
    assert_eq!(turn.load(Ordering::Relaxed), 200);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let (address, _origin) = serve(|mut stream| async move {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n").await);
        let line = [&b"X-Filler: "[..], &[b'x'; 8000], b"\r\n"].concat();
        while stream.write_all(&line).await.is_ok() {}
    })
    .await;
    let refusal = answer(&ingress(&format!("http://{address}")), get("/"))
        .await
        .expect_err("too much");
    assert!(
        refusal.contains("server response headers exceeded 10485760 bytes"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_request_keeps_the_rules_it_began_with() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let released = Arc::new(tokio::sync::Mutex::new(Some(released)));
    let (address, _origin) = serve(move |mut stream| {
        let released = Arc::clone(&released);
        async move {
            let mut request = [0; 1024];
            drop(stream.read(&mut request).await);
            if let Some(released) = released.lock().await.take() {
                drop(released.await);
            }
            drop(
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold")
                    .await,
            );
        }
    })
    .await;
    let ingress = ingress(&format!("http://{address}"));
    let swap = async {
        tokio::task::yield_now().await;
        assert!(
            ingress
                .update(1, rules("http_status:404", ""))
                .expect("rules that start")
        );
        release.send(()).expect("a request in progress");
    };
    let (first, ()) = tokio::join!(answer(&ingress, get("/")), swap);
    assert_eq!(first.map(|(status, ..)| status), Ok(200));
    assert_eq!(
        answer(&ingress, get("/")).await.map(|(status, ..)| status),
        Ok(404)
    );
    assert!(
        !ingress
            .update(1, rules("http_status:503", ""))
            .expect("rules that start")
    );
    assert_eq!(ingress.version(), 1);
}

fn ingress(service: &str) -> Ingress {
    ingress_with(service, "")
}

fn ingress_with(service: &str, settings: &str) -> Ingress {
    let ingress = nothing_in_force(false);
    ingress.start(rules(service, settings)).expect("rules that start");
    ingress
}

fn nothing_in_force(explain_failures: bool) -> Ingress {
    let parts = Settings {
        names: Names::default(),
        roots: || Roots::only([]),
        tags: Vec::new(),
        flows: Flows::default(),
        environment: Environment::default(),
        explain_failures,
    };
    Ingress::new(parts, Metrics::new(&Registry::new()).expect("an empty registry"))
}

fn rules(service: &str, settings: &str) -> Rules {
    let settings = settings.trim_matches(['{', '}']);
    let text = format!("originRequest: {{{settings}}}\ningress:\n- service: {service}\n");
    let Reading::File { file, .. } = File::read("c.yml", text.as_bytes()).expect("a configuration") else {
        panic!("an empty configuration");
    };
    adit_config::resolve::rules_of_file(&file).expect("rules")
}

fn get(path: &str) -> Request {
    Request {
        kind: Kind::Http,
        method: "GET".into(),
        destination: format!("https://app.example.com{path}").into(),
        host: "app.example.com".into(),
        headers: Headers::new(),
        framing: Framing::Ended,
        body: Body::empty(),
        arrival: Arrival::default(),
    }
}

fn uploading(framing: Framing) -> (Request, mpsc::Sender<Bytes>) {
    let (sender, chunks) = mpsc::channel(1);
    let mut request = get("/");
    request.method = "POST".into();
    request.framing = framing;
    request.body = Body::stream(Chunks(chunks));
    (request, sender)
}

struct Chunks(mpsc::Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0
            .poll_recv(cx)
            .map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

async fn send(sender: mpsc::Sender<Bytes>, length: usize) {
    for start in (0..length).step_by(CHUNK) {
        let chunk: Vec<u8> = (start..(start + CHUNK).min(length)).map(content).collect();
        if sender.send(chunk.into()).await.is_err() {
            return;
        }
    }
}

async fn answer(ingress: &Ingress, request: Request) -> Result<(u16, usize, u64), String> {
    match ingress.call(request).await {
        Err(refusal) => Err(refusal.message),
        Ok(Reply::Connected(_)) => Err("a stream".into()),
        Ok(Reply::Response(response)) => {
            let status = response.status;
            let mut body = response.body;
            let (mut length, mut sum) = (0, 0u64);
            while let Some(data) = body.data().await {
                let data = data.map_err(|error| error.message)?;
                sum = add(sum, length, &data);
                length += data.len();
            }
            Ok((status, length, sum))
        }
    }
}

async fn read(mut body: Body) -> (usize, u64) {
    let (mut length, mut sum) = (0, 0u64);
    while let Some(data) = body.data().await {
        let data = data.expect("the whole body");
        sum = add(sum, length, &data);
        length += data.len();
    }
    (length, sum)
}

/// Returns the byte that stands at a place.
fn content(at: usize) -> u8 {
    (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0]
}

/// Adds bytes to a sum in which their place matters.
fn add(sum: u64, at: usize, data: &[u8]) -> u64 {
    data.iter().zip(at..).fold(sum, |sum, (byte, at)| {
        sum.wrapping_add((at as u64 + 1).wrapping_mul(u64::from(*byte)))
    })
}

fn checksum(length: usize) -> u64 {
    (0..length).fold(0, |sum: u64, at| {
        sum.wrapping_add((at as u64 + 1).wrapping_mul(u64::from(content(at))))
    })
}

/// Starts an origin that does this with every connection.
async fn serve<F>(
    connection: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> (std::net::SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream));
        }
    });
    (address, accepting)
}

/// Starts an origin that answers with the body of the request, as it arrives.
async fn echoing() -> (std::net::SocketAddr, JoinSet<()>) {
    serve(|stream| async move { drop(echo(stream).await) }).await
}

async fn echo(stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (None, String::new());
        while stream.read_line(&mut line).await? > 2 {
            length = length.or_else(|| {
                line.strip_prefix("Content-Length: ")
                    .and_then(|rest| rest.trim().parse().ok())
            });
            line.clear();
        }
        if line.is_empty() {
            return Ok(());
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await?;
        match length {
            Some(length) => {
                let mut body = vec![0; length];
                stream.read_exact(&mut body).await?;
                stream.write_all(format!("{length:x}\r\n").as_bytes()).await?;
                stream.write_all(&body).await?;
                stream.write_all(b"\r\n0\r\n\r\n").await?;
            }
            None => echo_chunks(&mut stream).await?,
        }
    }
}

async fn echo_chunks(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap_or(0);
        let mut data = vec![0; length + 2];
        stream.read_exact(&mut data).await?;
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(&data).await?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// Starts an origin that says back over HTTP/2 what it hears, and counts its connections.
async fn multiplexed(connections: Arc<AtomicUsize>) -> (std::net::SocketAddr, JoinSet<()>) {
    let (mut config, _) = own_certificate();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        connections.fetch_add(1, Ordering::Relaxed);
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                answer_multiplexed(stream, "https").await;
            }
        }
    })
    .await
}

async fn answer_multiplexed(stream: impl AsyncRead + AsyncWrite + Unpin, scheme: &str) {
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    let mut answering = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        assert_eq!(request.uri().scheme_str(), Some(scheme));
        answering.spawn(echo_stream(request.into_body(), respond));
    }
}

async fn echo_stream(mut body: h2::RecvStream, mut respond: h2::server::SendResponse<Bytes>) {
    let mut stream = respond
        .send_response(http::Response::new(()), false)
        .expect("a visitor");
    while let Some(Ok(data)) = body.data().await {
        drop(body.flow_control().release_capacity(data.len()));
        stream.send_data(data, false).expect("a visitor");
    }
    let trailers = [("grpc-status", "0")].map(|(name, value)| {
        (
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )
    });
    stream
        .send_trailers(trailers.into_iter().collect())
        .expect("a visitor");
}

/// Starts an origin behind a certificate that it signed itself, as an authority would.
async fn encrypted() -> (std::net::SocketAddr, String, JoinSet<()>) {
    let (config, pem) = own_certificate();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (address, origin) = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            drop(answer_once(stream).await);
        }
    })
    .await;
    (address, pem, origin)
}

fn own_certificate() -> (rustls::ServerConfig, String) {
    let mut params = CertificateParams::new(["localhost".into()]).expect("a name");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a key that fits");
    (config, certificate.pem())
}

async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let _length = stream.read(&mut request).await?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await?;
    stream.flush().await
}
