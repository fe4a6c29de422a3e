//! The edge's side of TLS: which certificate a connector gets to see, if it greets as it must.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{NamedGroup, ServerConfig};

use crate::authority::{Authority, HTTP2_NAME, PROBE_NAME, QUIC_NAME};
use crate::error::Error;
use crate::faults::Greeting;
use crate::link::Transport;
use crate::violations::Violations;

/// The only application protocol of the QUIC transport.
pub(crate) const ALPN: &[u8] = b"argotunnel";

/// What a connector may offer, in this order; the second is left out when it insists on
/// post-quantum key exchange.
const GROUPS: [NamedGroup; 2] = [NamedGroup::X25519MLKEM768, NamedGroup::secp256r1];

/// Greets the connectors that arrive at one address over one transport.
#[derive(Debug)]
pub(crate) struct Greeter {
    transport: Transport,
    authority: Authority,
    greeting: Mutex<Greeting>,
    violations: Violations,
}

impl Greeter {
    pub(crate) fn new(transport: Transport, authority: Authority, violations: Violations) -> Arc<Self> {
        Arc::new(Self {
            transport,
            authority,
            greeting: Mutex::default(),
            violations,
        })
    }

    pub(crate) fn greet(&self, greeting: Greeting) {
        *self.greeting.lock().unwrap_or_else(PoisonError::into_inner) = greeting;
    }

    pub(crate) fn greeting(&self) -> Greeting {
        *self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the TLS settings that go through this greeter.
    pub(crate) fn config(self: &Arc<Self>) -> Result<ServerConfig, Error> {
        let mut provider = default_provider();
        // A QUIC stack may insist on what TLS 1.3 makes mandatory; plain X25519 is never accepted.
        provider.kx_groups = vec![kx_group::X25519MLKEM768, kx_group::SECP256R1];
        let builder = ServerConfig::builder_with_provider(Arc::new(provider));
        let versions: &[_] = match self.transport {
            Transport::Quic => &[&rustls::version::TLS13],
            Transport::Http2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        };
        let builder = builder.with_protocol_versions(versions).map_err(Error::Tls)?;
        let resolver = Arc::<Self>::clone(self);
        let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
        // The specification knows neither tickets nor early data.
        config.send_tls13_tickets = 0;
        if self.transport == Transport::Quic {
            config.alpn_protocols = vec![ALPN.to_vec()];
        }
        Ok(config)
    }
}

impl ResolvesServerCert for Greeter {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default();
        if let Err(rule) = check(self.transport, &hello) {
            self.violations
                .note(format!("{} hello for `{name}`: {rule}", self.transport));
            return None;
        }
        match self.greeting() {
            Greeting::Right | Greeting::Hangs | Greeting::Mute => self.authority.right().of(name),
            Greeting::WrongCertificate => self.authority.wrong().of(name),
            Greeting::Rejects => None,
        }
    }
}

/// Says which rule a hello breaks.
fn check(transport: Transport, hello: &ClientHello<'_>) -> Result<(), String> {
    let own = match transport {
        Transport::Quic => QUIC_NAME,
        Transport::Http2 => HTTP2_NAME,
    };
    let name = hello.server_name().unwrap_or_default();
    if name != own && name != PROBE_NAME {
        return Err(format!("the name must be {own} or {PROBE_NAME}"));
    }
    let protocols: Option<Vec<&[u8]>> = hello.alpn().map(Iterator::collect);
    match (transport, protocols.as_deref()) {
        (Transport::Quic, Some([ALPN])) | (Transport::Http2, None) => {}
        (Transport::Quic, _) => return Err("ALPN must offer argotunnel and nothing else".to_owned()),
        (Transport::Http2, Some(_)) => return Err("there must be no ALPN extension".to_owned()),
    }
    let groups = hello.named_groups().unwrap_or_default();
    if groups == GROUPS || groups == &GROUPS[..1] {
        return Ok(());
    }
    Err(format!(
        "the groups must be {GROUPS:?} or the first of them, not {groups:?}"
    ))
}
