//! A world for one test: an edge on this machine, origins, and the connector that joins them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use adit_loopback::visitor::Response;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::subject::{self, PATIENCE, Subject};

/// A connector to be started for an edge.
pub(crate) struct Connector {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, OsString)>,
    addresses: Vec<SocketAddr>,
    tunnel_flags: Vec<OsString>,
    run_flags: Vec<OsString>,
}

/// Prepares a connector that joins `edge` with these rules, a `config.yml` without credentials.
pub(crate) fn connector(edge: &Edge, rules: &str) -> Connector {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let authority = folder.path().join("authority.pem");
    edge.authority()
        .write_pem(&authority)
        .expect("the authority is written");
    let config = folder.path().join("config.yml");
    std::fs::write(&config, rules).expect("the configuration is written");
    let mut flags = vec![OsString::from("--no-autoupdate"), "--no-prechecks".into()];
    flags.extend(["--metrics".into(), "127.0.0.1:0".into()]);
    flags.extend([
        "--config".into(),
        config.into(),
        "--cacert".into(),
        authority.into(),
    ]);
    let run_flags = vec!["--token".into(), edge.credentials().token().into()];
    let resolver = edge.dns().address().to_string();
    Connector {
        folder,
        environment: vec![("ADIT_RESOLVER", resolver.into())],
        addresses: edge.addresses(),
        tunnel_flags: flags,
        run_flags,
    }
}

impl Connector {
    /// Adds a flag of `tunnel`.
    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.tunnel_flags.extend([name.into(), value.into()]);
        self
    }

    /// Lets it check at start what works on the way to the edge.
    pub(crate) fn checks(mut self) -> Self {
        self.tunnel_flags.retain(|flag| flag != "--no-prechecks");
        self
    }

    /// Turns a switch of `tunnel` on.
    pub(crate) fn switch(mut self, name: &str) -> Self {
        self.tunnel_flags.push(name.into());
        self
    }

    /// Gives it the credentials in a file instead of the token.
    pub(crate) fn with_credentials_file(mut self, edge: &Edge) -> Self {
        let credentials = edge.credentials();
        let file = self.folder.path().join("credentials.json");
        std::fs::write(&file, credentials.json()).expect("the credentials are written");
        self.run_flags = vec!["--credentials-file".into(), file.into()];
        self.run_flags.push(credentials.tunnel_id.to_string().into());
        self
    }

    /// Lets it trust another edge beside its own.
    pub(crate) fn trusts(self, other: &Edge) -> Self {
        let file = self.folder.path().join("authority.pem");
        let own = std::fs::read_to_string(&file).expect("the authority was written");
        std::fs::write(&file, own + other.authority().pem()).expect("the authorities are written");
        self
    }

    /// Uses one transport only.
    pub(crate) fn over(self, transport: Transport) -> Self {
        self.flag("--protocol", &transport.to_string())
    }

    /// Tells it these addresses of the edge instead of all.
    pub(crate) fn told(mut self, addresses: Vec<SocketAddr>) -> Self {
        self.addresses = addresses;
        self
    }

    /// Tells it no addresses: it looks for the edge by its name. Only this project's own program can
    /// be told whom to ask.
    pub(crate) fn by_name(self) -> Self {
        self.told(Vec::new())
    }

    /// Lets it ask the resolver of the system, and trust these certificates as the system's.
    pub(crate) fn asks_the_system(mut self, roots: &Path) -> Self {
        self.environment = vec![("SSL_CERT_FILE", roots.into())];
        self
    }

    /// Starts it.
    pub(crate) fn start(self) -> Subject {
        let mut arguments = vec![OsString::from("tunnel")];
        arguments.extend(self.tunnel_flags);
        for address in self.addresses {
            arguments.extend(["--edge".into(), address.to_string().into()]);
        }
        arguments.push("run".into());
        arguments.extend(self.run_flags);
        let mut command = subject::command(self.folder.path());
        command.args(arguments).envs(self.environment);
        Subject::spawn(self.folder, command)
    }
}

/// Starts a connector with these rules and waits until all its connections serve.
pub(crate) async fn joined(edge: &Edge, rules: &str) -> Subject {
    let subject = connector(edge, rules).start();
    registered(edge, &subject).await;
    subject
}

/// Waits until four connections serve; says what the connector said when they never do.
pub(crate) async fn registered(edge: &Edge, subject: &Subject) {
    let registered = tokio::time::timeout(PATIENCE, edge.registered(4)).await;
    registered.unwrap_or_else(|_| panic!("not registered; the connector says:\n{}", subject.err.all()));
}

/// Writes each test of a list twice: once over QUIC, once over HTTP/2.
macro_rules! over_both_transports {
    ($($name:ident),* $(,)?) => {
        mod over_quic {
            $(
                #[tokio::test]
                async fn $name() {
                    Box::pin(super::$name(adit_loopback::Transport::Quic)).await;
                }
            )*
        }

        mod over_http2 {
            $(
                #[tokio::test]
                async fn $name() {
                    Box::pin(super::$name(adit_loopback::Transport::Http2)).await;
                }
            )*
        }
    };
}
pub(crate) use over_both_transports;

/// Starts an edge that knows both transports.
pub(crate) async fn edge() -> Edge {
    adit_loopback::edge::new()
        .run()
        .await
        .expect("an edge on this machine")
}

/// Sends a request through the tunnel and waits for the head of the answer.
pub(crate) async fn visit(edge: &Edge, request: Request) -> Response {
    let answer = tokio::time::timeout(PATIENCE, edge.visit(request)).await;
    answer.expect("an answer in time").expect("an answer")
}

/// Waits for something that must happen.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    let event = tokio::time::timeout(PATIENCE, event).await;
    event.unwrap_or_else(|_| panic!("{what}: it did not happen within {PATIENCE:?}"))
}

/// Waits for something that must happen within a time that is part of what is promised.
pub(crate) async fn within<T>(limit: Duration, what: &str, event: impl Future<Output = T>) -> T {
    let event = tokio::time::timeout(limit, event).await;
    event.unwrap_or_else(|_| panic!("{what}: it did not happen within {limit:?}"))
}

/// An origin that a test plays itself, byte by byte.
pub(crate) struct Stage(TcpListener);

impl Stage {
    /// Opens it.
    pub(crate) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    /// Returns the rules that send every request here.
    pub(crate) fn rules(&self) -> String {
        let address = self.0.local_addr().expect("a bound socket has an address");
        format!("ingress:\n- service: http://{address}\n")
    }

    /// Waits for a connection and reads a request head from it.
    pub(crate) async fn request(&self) -> (TcpStream, String) {
        let (mut stream, _) = soon("the origin is asked", self.0.accept())
            .await
            .expect("a connection");
        let head = head(&mut stream).await;
        (stream, head)
    }
}

/// Makes a certificate for `name` that is its own authority, writes it to `pool`, and serves with it.
pub(crate) fn acceptor(name: &str, pool: &Path, protocols: &[&[u8]]) -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    std::fs::write(pool, made.cert.pem()).expect("the certificate is written");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// Reads up to the end of a head.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            soon("a head arrives", stream.read_u8())
                .await
                .expect("a byte of the head"),
        );
    }
    String::from_utf8(head).expect("a head of text")
}

/// Writes bytes as an origin.
pub(crate) async fn say(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream
        .write_all(bytes.as_ref())
        .await
        .expect("the connector listens");
}
