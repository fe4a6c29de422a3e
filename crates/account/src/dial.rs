//! Opens a connection to a server: name, TCP, TLS with the roots of this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adit_config::Secret;
use adit_dialect::{errno, hostport};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection, sealed or not.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Sealed(Box<TlsStream<TcpStream>>),
}

/// Whom to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The name or address.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// Whether to speak TLS.
    pub(crate) sealed: bool,
}

/// A proxy that opens connections for others.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its host and port.
    pub address: String,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<Secret<String>>,
}

impl Proxy {
    /// Asks for a connection to a place.
    async fn open(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        let failed = |reason: String| format!("proxyconnect tcp: {reason}");
        let (own, own_port) =
            hostport::split_str(&self.address).map_err(|error| failed(error.to_string()))?;
        let own_port = own_port
            .parse()
            .map_err(|_| failed(format!("dial tcp: address {own_port}: invalid port")))?;
        let mut stream = connect(own, own_port).await.map_err(failed)?;
        let broken = |error: io::Error| errno::text(&error);
        let request = self.request(&hostport::join(host, port));
        stream
            .write_all(request.expose().as_bytes())
            .await
            .map_err(broken)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == LONGEST_ANSWER {
                return Err("the proxy's answer has no end".into());
            }
            answer.push(stream.read_u8().await.map_err(|_| "unexpected EOF".to_owned())?);
        }
        refusal(&String::from_utf8_lossy(&answer)).map_or(Ok(stream), Err)
    }

    fn request(&self, place: &str) -> Secret<String> {
        let mut text = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
        if let Some(authorization) = &self.authorization {
            text.push_str("Proxy-Authorization: ");
            text.push_str(authorization.expose());
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        Secret::new(text)
    }
}

/// A proxy's answer may not be longer.
const LONGEST_ANSWER: usize = 8 << 10;

/// Returns why a proxy opens no connection, if it does not.
fn refusal(answer: &str) -> Option<String> {
    let line = answer.lines().next().unwrap_or_default();
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(_), Some("200"), _) => None,
        (Some(_), Some(_), Some(reason)) => Some(reason.to_owned()),
        _ => Some("malformed HTTP response of the proxy".into()),
    }
}

/// Connects, through a proxy if one is given; fails with the reason.
pub(crate) async fn open(target: &Target, proxy: Option<&Proxy>) -> Result<Stream, String> {
    let tcp = match proxy {
        Some(proxy) => proxy.open(&target.host, target.port).await?,
        None => connect(&target.host, target.port).await?,
    };
    if !target.sealed {
        return Ok(Stream::Plain(tcp));
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config()?));
    let sealed = connector.connect(name, tcp).await;
    let sealed = sealed.map_err(|error| format!("tls: failed to verify certificate: {error}"))?;
    Ok(Stream::Sealed(Box::new(sealed)))
}

/// Returns how TLS is spoken: with the roots of this machine.
fn config() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Tries the addresses of a host one after another.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let mut last = format!("lookup {host}: no such host");
    for address in lookup(host).await? {
        let address = SocketAddr::new(address, port);
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = format!("dial tcp {address}: connect: {}", errno::text(&error)),
        }
    }
    Err(last)
}

async fn lookup(host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let four = family(host, LookupIpStrategy::Ipv4Only);
    let six = family(host, LookupIpStrategy::Ipv6Only);
    let (mut four, mut six) = (pin!(four), pin!(six));
    let (first, second) = tokio::select! {
        found = &mut four => {
            let other = second(found.is_ok(), six).await;
            (found, other)
        }
        found = &mut six => {
            let other = second(found.is_ok(), four).await;
            (other, found)
        }
    };
    match (first, second) {
        (Ok(four), Ok(six)) => Ok([four, six].concat()),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
        (Err(reason), Err(_)) => Err(reason),
    }
}

/// Waits for the other family of addresses: briefly if there are some already, as a server of names
/// may be silent about one of them.
async fn second(
    have: bool,
    other: impl Future<Output = Result<Vec<IpAddr>, String>>,
) -> Result<Vec<IpAddr>, String> {
    if !have {
        return other.await;
    }
    timeout(GRACE, other).await.unwrap_or_else(|_| Ok(Vec::new()))
}

/// How long the second family is waited for.
const GRACE: Duration = Duration::from_millis(500);

/// Looks up the addresses of one family.
async fn family(host: &str, strategy: LookupIpStrategy) -> Result<Vec<IpAddr>, String> {
    let failed = |error: NetError| {
        let reason = if error.is_no_records_found() || error.is_nx_domain() {
            "no such host".to_owned()
        } else {
            error.to_string()
        };
        format!("dial tcp: lookup {host}: {reason}")
    };
    let resolver = resolver(strategy).map_err(failed)?;
    let found = resolver.lookup_ip(host).await.map_err(failed)?;
    Ok(found.iter().collect())
}

fn resolver(strategy: LookupIpStrategy) -> Result<TokioResolver, NetError> {
    // Without a readable configuration the hosts file still answers.
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    builder.options_mut().ip_strategy = strategy;
    builder.build()
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Sealed(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Sealed(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Sealed(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Sealed(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
