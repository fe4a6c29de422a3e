//! The three kinds of proxies, on this machine: what they are asked, and what they may answer.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_config::{Limit, Span};
use adit_dial::{Ask, Dialer, Environment, Method, Names, Roots, Tls, Trust, Way};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const CONNECT: &[u8] = b"CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\n\
    User-Agent: Go-http-client/1.1\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n";
const GRANTED: &[u8] = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n";
const SOCKS_GRANTED: &[u8] = b"\x05\x00\x00\x01\x7f\0\0\x01\0\x50";
const SOCKS_CONNECT: &[u8] = b"\x05\x01\x00\x03\x0bfar.example\x00\x50";

/// What a proxy is told, and what it answers to that.
type Turn = (&'static [u8], &'static [u8]);

const SOCKS_LOGIN: [Turn; 2] = [
    (b"\x05\x01\x02", b"\x05\x02"),
    (b"\x01\x04user\x04pass", b"\x01\x00"),
];

#[tokio::test]
async fn proxies_open_connections() {
    let socks = [SOCKS_LOGIN[0], SOCKS_LOGIN[1], (SOCKS_CONNECT, SOCKS_GRANTED)];
    for (scheme, turns) in [
        ("http", vec![(CONNECT, GRANTED)]),
        ("https", vec![(CONNECT, GRANTED)]),
        ("socks5", socks.to_vec()),
    ] {
        assert_eq!(through(scheme, turns).await, Ok("hello".into()), "{scheme}");
    }
}

#[tokio::test]
async fn proxies_may_refuse() {
    let refused = |answer: &'static [u8]| vec![SOCKS_LOGIN[0], SOCKS_LOGIN[1], (SOCKS_CONNECT, answer)];
    let http = |answer: &'static [u8]| vec![(CONNECT, answer)];
    let cases: [(&str, Vec<Turn>, &str); 7] = [
        ("http", http(b"HTTP/1.1 403 Forbidden\r\n\r\n"), "Forbidden"),
        ("https", http(b"HTTP/1.1 407 \r\n\r\n"), "unknown status code"),
        ("http", http(b"\r\n\r\n"), "unknown status code"),
        ("http", http(b"HTTP/1.1 200 OK\r\n"), "unexpected EOF"),
        (
            "socks5",
            refused(b"\x05\x02\x00\x01"),
            "connection not allowed by ruleset",
        ),
        (
            "socks5",
            vec![(SOCKS_LOGIN[0].0, b"\x05\xff")],
            "no acceptable authentication methods",
        ),
        (
            "socks5",
            vec![SOCKS_LOGIN[0], (SOCKS_LOGIN[1].0, b"\x01\x01")],
            "username/password authentication failed",
        ),
    ];
    for (scheme, turns, reason) in cases {
        let told = through(scheme, turns).await.unwrap_err();
        assert!(told.ends_with(reason), "{scheme}: {told}");
        assert!(!told.contains("dXNlcjpwYXNz"), "{told}");
    }
}

#[tokio::test]
async fn requests_follow_the_answer_of_a_proxy() {
    const GET: Turn = (
        b"GET /x?y HTTP/1.1\r\nHost: far.example\r\nA-B: c\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi",
    );
    for (scheme, turns) in [
        ("http", vec![(CONNECT, GRANTED), GET]),
        (
            "socks5",
            vec![
                SOCKS_LOGIN[0],
                SOCKS_LOGIN[1],
                (SOCKS_CONNECT, SOCKS_GRANTED),
                GET,
            ],
        ),
    ] {
        let (address, _, served) = proxy(false, turns).await;
        let way = Way::new(environment(scheme, address));
        let ask = Ask {
            method: Method::GET,
            url: "http://far.example/x?y#z",
            headers: vec![("a-b", "c")],
            body: None,
            patience: Duration::from_secs(60),
            largest: 2,
        };
        let response = tokio::join!(way.ask(&ask), served).0.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.body()[..]),
            (201, &b"hi"[..]),
            "{scheme}"
        );
    }
}

/// Goes through a proxy of this kind; returns what comes from the other side.
async fn through(scheme: &str, turns: Vec<Turn>) -> Result<String, String> {
    let (address, certificate, served) = proxy(scheme == "https", turns).await;
    let environment = environment(scheme, address);
    let detour = environment.detour(false, "far.example", "80").unwrap();
    let dialer = Dialer::new(Names::default(), Span::default(), Span::default());
    let tls = Tls::new(Trust::In(&Roots::only([certificate]), &[]), Limit::None).unwrap();
    let outcome = async {
        let stream = detour.connect(&dialer).await.unwrap();
        let greeted = detour.greet(stream, Some(&tls), "far.example:80", true).await;
        let mut io = greeted.map_err(|failure| failure.cause)?;
        let mut text = String::new();
        io.read_to_string(&mut text).await.unwrap();
        Ok(text)
    };
    tokio::join!(outcome, served).0
}

fn environment(scheme: &str, address: SocketAddr) -> Environment {
    let proxy = format!("{scheme}://user:pass@localhost:{}", address.port());
    Environment::read(&[("HTTP_PROXY".to_owned(), proxy)].into())
}

/// Starts a proxy for one connection; after its turns it hands on a greeting.
async fn proxy(
    is_sealed: bool,
    turns: Vec<Turn>,
) -> (SocketAddr, CertificateDer<'static>, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let served = async move {
        let (stream, _) = listener.accept().await.unwrap();
        if is_sealed {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            serve(acceptor.accept(stream).await.unwrap(), turns).await;
        } else {
            serve(stream, turns).await;
        }
    };
    (address, certificate, served)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, turns: Vec<Turn>) {
    let last = turns.len() - 1;
    for (index, (wanted, answer)) in turns.into_iter().enumerate() {
        let mut told = vec![0; wanted.len()];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&told), String::from_utf8_lossy(wanted));
        // What follows an answer may come with it.
        let is_granted = index == last && [GRANTED, SOCKS_GRANTED].contains(&answer);
        let more: &[u8] = if is_granted { b"hello" } else { b"" };
        stream.write_all(&[answer, more].concat()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
}
