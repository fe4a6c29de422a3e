//! TLS towards the edge: which groups, names and roots, for each transport.
//!
//! Session tickets are never used: a connection lives for days, and its certificate is checked anew
//! each time.

use std::sync::Arc;

use adit_exchange::Transport;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use crate::error::SettingsError;

/// Which certificates vouch for the edge.
#[derive(Clone, Debug)]
pub enum Roots {
    /// Those of the system and the three that Cloudflare signs its edge with.
    System,
    /// These alone.
    Only(Vec<CertificateDer<'static>>),
}

/// What a connection is for: the edge sorts by the name it is greeted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To carry the tunnel.
    Tunnel,
    /// To find out whether one could be had.
    Probe,
}

/// What is needed to greet the edge on either transport.
#[derive(Clone, Debug)]
pub struct Tls {
    /// TLS 1.3 with the application protocol of the edge.
    pub(crate) quic: Arc<ClientConfig>,
    /// TLS 1.2 or 1.3 without any: HTTP/2 is known beforehand.
    pub(crate) http2: Arc<ClientConfig>,
}

impl Roots {
    /// Reads a PEM file that replaces all other roots.
    ///
    /// # Errors
    ///
    /// Fails when it holds no certificate or a broken one.
    pub fn from_pem(pem: &[u8]) -> Result<Self, SettingsError> {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| SettingsError::Root(error.to_string()))?;
        if roots.is_empty() {
            // §2.2, improve: upstream goes on with the system's roots.
            return Err(SettingsError::NoRoot);
        }
        Ok(Self::Only(roots))
    }

    /// Returns the three roots that Cloudflare signs its edge with. They expire in 2029.
    #[must_use]
    pub fn embedded() -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(EMBEDDED)
            .filter_map(Result::ok)
            .collect()
    }

    fn store(&self) -> Result<RootCertStore, SettingsError> {
        let mut store = RootCertStore::empty();
        match self {
            Self::System => {
                // A certificate of the system that cannot be read takes nothing from the others.
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                store.add_parsable_certificates(Self::embedded());
            }
            Self::Only(roots) => {
                for root in roots {
                    let added = store.add(root.clone());
                    added.map_err(|error| SettingsError::Root(error.to_string()))?;
                }
            }
        }
        Ok(store)
    }
}

impl Purpose {
    /// Returns the name that the edge is greeted with and that its certificate must carry.
    #[must_use]
    pub const fn server_name(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Self::Tunnel, Transport::Quic) => "quic.cftunnel.com",
            (Self::Tunnel, Transport::Http2) => "h2.cftunnel.com",
            (Self::Probe, _) => "probe.cftunnel.com",
        }
    }
}

impl Tls {
    /// Prepares both transports. Reads the system's roots from the disk when they are wanted.
    ///
    /// # Errors
    ///
    /// Fails when the roots cannot be used.
    pub fn new(roots: &Roots, post_quantum: bool) -> Result<Self, SettingsError> {
        let store = Arc::new(roots.store()?);
        let provider = Arc::new(provider(post_quantum));
        let mut quic = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(Arc::clone(&store))
            .with_no_client_auth();
        quic.alpn_protocols = vec![APPLICATION_PROTOCOL.to_vec()];
        quic.resumption = Resumption::disabled();
        let mut http2 = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(store)
            .with_no_client_auth();
        http2.resumption = Resumption::disabled();
        Ok(Self {
            quic: Arc::new(quic),
            http2: Arc::new(http2),
        })
    }
}

/// Returns the list of groups as the connection's log line shows it.
pub(crate) const fn curve_preferences(post_quantum: bool) -> &'static str {
    // The middle one is a draft that upstream names and never sends.
    if post_quantum {
        "[X25519MLKEM768 CurveID(65074)]"
    } else {
        "[X25519MLKEM768 CurveID(65074) CurveP256]"
    }
}

/// §2.1: the groups, the share of the first alone, and the order of the suites.
fn provider(post_quantum: bool) -> CryptoProvider {
    let groups: &[&'static dyn SupportedKxGroup] = if post_quantum {
        &[kx_group::X25519MLKEM768]
    } else {
        &[kx_group::X25519MLKEM768, kx_group::SECP256R1]
    };
    CryptoProvider {
        kx_groups: groups.to_vec(),
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    }
}

/// The application protocol of the edge on QUIC.
pub(crate) const APPLICATION_PROTOCOL: &[u8] = b"argotunnel";

/// The certificates that Cloudflare publishes for its edge, by SHA-256:
/// `AA63697A22764B67B2134CE14CB5690EA336940B93986113F49545917832D80D` (ECC),
/// `D3C7E85C91707FC0A12ABC5D88266747AA4FA8E7B162F633FFB3C9D989947620` (RSA),
/// `9A1AC2B4BE15F9F27EEE20A734CBA4E9898F61001B3BD7C84B69B56A3E25A2B9` (origin pull).
const EMBEDDED: &[u8] = include_bytes!("roots.pem");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_embedded_roots_are_usable() {
        let roots = Roots::Only(Roots::embedded());
        assert_eq!(roots.store().expect("the roots are read").len(), 3);
    }

    #[test]
    fn a_file_without_a_certificate_is_an_error() {
        assert!(matches!(
            Roots::from_pem(b"nothing here"),
            Err(SettingsError::NoRoot)
        ));
        assert!(matches!(Roots::from_pem(EMBEDDED), Ok(Roots::Only(roots)) if roots.len() == 3));
    }
}
