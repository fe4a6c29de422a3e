//! Connections to hosts: directly or through a proxy, with TLS or without.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use adit_dialect::{errno, hostport};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::address::Address;
use crate::resolve;

/// A proxy's answer may not be longer.
const LONGEST_ANSWER: usize = 8 << 10;

/// A byte stream to a host.
pub(crate) trait Channel: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Channel for T {}

/// The proxies that the environment names.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    plain: Option<String>,
    secure: Option<String>,
    exempt: Vec<String>,
}

/// Where a connection leads, and as what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// The name in TLS; nothing for a connection without.
    pub(crate) name: Option<&'a str>,
    /// Whether the certificate is looked at.
    pub(crate) verified: bool,
}

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    proxies: Proxies,
    verifying: Arc<ClientConfig>,
    trusting: Arc<ClientConfig>,
}

impl Proxies {
    /// Reads the variables of the environment; the upper-case name comes first.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = |upper: &str, lower: &str| {
            let some = |name: &str| variable(name).filter(|text| !text.is_empty());
            some(upper).or_else(|| some(lower))
        };
        let exempt = named("NO_PROXY", "no_proxy").unwrap_or_default();
        Self {
            plain: named("HTTP_PROXY", "http_proxy"),
            secure: named("HTTPS_PROXY", "https_proxy"),
            exempt: exempt.split(',').map(|one| one.trim().to_lowercase()).collect(),
        }
    }

    /// Returns the proxy for a host.
    fn choose(&self, target: &Target<'_>) -> Option<&str> {
        let proxy = if target.name.is_some() {
            &self.secure
        } else {
            &self.plain
        };
        proxy
            .as_deref()
            .filter(|_| !self.is_exempt(target.host, target.port))
    }

    fn is_exempt(&self, host: &str, port: u16) -> bool {
        let host = host.to_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return true;
        }
        self.exempt.iter().any(|rule| {
            let (name, its_port) = hostport::split_str(rule).unwrap_or((rule.as_str(), ""));
            if !its_port.is_empty() && its_port != port.to_string() {
                return false;
            }
            match (name, address, adit_dialect::ip::parse_network(name)) {
                ("", ..) => false,
                ("*", ..) => true,
                (_, Some(address), Some((network, bits))) => is_within(address, network, bits),
                _ => {
                    let name = name.trim_start_matches('*').trim_start_matches('.');
                    host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
                }
            }
        })
    }
}

impl<'a> Target<'a> {
    /// Returns where an address is.
    pub(crate) fn of(address: &'a Address) -> Self {
        Self {
            host: address.hostname(),
            port: address.port(),
            name: address.is_secure().then(|| address.hostname()),
            verified: true,
        }
    }
}

impl Dialer {
    /// Makes a dialer that trusts what the system trusts.
    pub(crate) fn new(proxies: Proxies) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = |provider| {
            ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("the provider has suites for both versions")
        };
        let verifying = builder(Arc::clone(&provider)).with_root_certificates(roots);
        let trusting = builder(Arc::clone(&provider))
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)));
        Self {
            proxies,
            verifying: Arc::new(verifying.with_no_client_auth()),
            trusting: Arc::new(trusting.with_no_client_auth()),
        }
    }

    /// Connects to a target.
    ///
    /// # Errors
    ///
    /// Fails with the reason, as users know it.
    pub(crate) async fn dial(&self, target: &Target<'_>) -> Result<Box<dyn Channel>, String> {
        let stream = match self.proxies.choose(target) {
            Some(proxy) => through(proxy, target).await?,
            None => tcp(target.host, target.port).await?,
        };
        let Some(name) = target.name else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let config = if target.verified {
            &self.verifying
        } else {
            &self.trusting
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, stream).await;
        Ok(Box::new(stream.map_err(|error| format!("tls: {error}"))?))
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, String> {
    let shown = hostport::join(host, port);
    let addresses = resolve::resolve(host, port).await;
    let addresses = addresses.map_err(|error| format!("dial tcp: {error}"))?;
    let mut last = format!("dial tcp {shown}: no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Keystrokes do not wait for each other; without it they only come later.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "packets wait for each other");
                }
                return Ok(stream);
            }
            Err(error) => last = format!("dial tcp {address}: connect: {}", errno::text(&error)),
        }
    }
    Err(last)
}

/// Asks a proxy for a connection.
async fn through(proxy: &str, target: &Target<'_>) -> Result<TcpStream, String> {
    let text = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    let (scheme, rest) = text.split_once("://").unwrap_or(("", &text));
    if scheme != "http" {
        return Err(format!("proxy: a proxy of the kind {scheme} is not supported"));
    }
    let (user, rest) = rest
        .rsplit_once('@')
        .map_or((None, rest), |(user, rest)| (Some(user), rest));
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = hostport::split_str(authority).unwrap_or((authority, "80"));
    let port = port.parse().map_err(|_| format!("proxy: invalid port {port}"))?;
    let mut stream = tcp(host, port).await?;
    let shown = hostport::join(target.host, target.port);
    let mut request = format!("CONNECT {shown} HTTP/1.1\r\nHost: {shown}\r\n");
    if let Some(user) = user {
        request.push_str(&format!(
            "Proxy-Authorization: Basic {}\r\n",
            STANDARD.encode(user)
        ));
    }
    request.push_str("\r\n");
    let told = |error: io::Error| format!("proxy {authority}: {}", errno::text(&error));
    stream.write_all(request.as_bytes()).await.map_err(told)?;
    let answer = answer(&mut stream).await.map_err(told)?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        return Ok(stream);
    }
    let line = answer.lines().next().unwrap_or_default();
    Err(line
        .split_once(' ')
        .map_or("proxy: malformed answer", |(_, reason)| reason)
        .to_owned())
}

/// Reads the head of a proxy's answer, and nothing of what follows it.
async fn answer(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32 - u32::from(bits.min(32));
            u64::from(address.to_bits()) >> shift == u64::from(network.to_bits()) >> shift
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128 - u32::from(bits.min(128));
            let cut = |bits: u128| bits.checked_shr(shift).unwrap_or_default();
            cut(address.to_bits()) == cut(network.to_bits())
        }
        _ => false,
    }
}

/// Trusts whoever answers: the user has chosen whom to connect to, under another name.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
