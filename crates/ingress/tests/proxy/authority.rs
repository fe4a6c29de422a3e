//! The certificates of scripted origins: one authority, one certificate.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

struct Authority {
    pem: String,
    server: Arc<ServerConfig>,
    multiplexing: Arc<ServerConfig>,
}

static AUTHORITY: LazyLock<Authority> = LazyLock::new(make);

/// Writes the certificate of the authority to `folder`, under the name that the cases use.
pub(crate) fn write(folder: &Path) {
    std::fs::write(folder.join("ca.pem"), &AUTHORITY.pem).expect("the folder is ours");
}

/// Returns how an origin speaks TLS, offering HTTP/2 if it can.
pub(crate) fn server(multiplexing: bool) -> Arc<ServerConfig> {
    let authority = &*AUTHORITY;
    Arc::clone(if multiplexing {
        &authority.multiplexing
    } else {
        &authority.server
    })
}

fn make() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let mut params = CertificateParams::new(["localhost".into(), "origin.test".into()]).expect("names");
    params
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the default versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a key that fits");
    let mut multiplexing = server.clone();
    multiplexing.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Authority {
        pem: issuer.pem(),
        server: Arc::new(server),
        multiplexing: Arc::new(multiplexing),
    }
}
