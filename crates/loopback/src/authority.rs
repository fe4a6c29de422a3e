//! The authority that signs the edge's certificates, and the certificates.
//!
//! A connector trusts it when it is given the authority's PEM file (`--cacert`). A second
//! authority, which nobody trusts, signs the certificates of the wrong-certificate fault.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::error::Error;

/// The name that the QUIC transport asks for.
pub const QUIC_NAME: &str = "quic.cftunnel.com";
/// The name that the HTTP/2 transport asks for.
pub const HTTP2_NAME: &str = "h2.cftunnel.com";
/// The name that connectivity checks ask for.
pub const PROBE_NAME: &str = "probe.cftunnel.com";

/// The certificates of the edge and the authority behind them.
#[derive(Clone, Debug)]
pub struct Authority {
    pem: String,
    right: Certificates,
    wrong: Certificates,
}

/// One certificate for each name of the edge.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    pub(crate) quic: Arc<CertifiedKey>,
    pub(crate) http2: Arc<CertifiedKey>,
    pub(crate) probe: Arc<CertifiedKey>,
}

impl Authority {
    /// Makes a new authority and the certificates it signs.
    ///
    /// # Errors
    ///
    /// Fails when keys or certificates cannot be made.
    pub fn new() -> Result<Self, Error> {
        let trusted = issuer("adit loopback edge authority").map_err(Error::Certificates)?;
        let stranger = issuer("adit loopback stranger").map_err(Error::Certificates)?;
        Ok(Self {
            pem: trusted.pem(),
            right: Certificates::signed_by(&trusted)?,
            wrong: Certificates::signed_by(&stranger)?,
        })
    }

    /// Returns the certificate of the authority, to be trusted by connectors.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes the certificate of the authority to a file.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be written.
    pub fn write_pem(&self, path: &Path) -> Result<(), Error> {
        std::fs::write(path, &self.pem).map_err(|source| Error::Write {
            path: path.display().to_string(),
            source,
        })
    }

    pub(crate) const fn right(&self) -> &Certificates {
        &self.right
    }

    pub(crate) const fn wrong(&self) -> &Certificates {
        &self.wrong
    }
}

impl Certificates {
    fn signed_by(issuer: &CertifiedIssuer<'_, KeyPair>) -> Result<Self, Error> {
        let make = |name| leaf(name, issuer).map(Arc::new);
        Ok(Self {
            quic: make(QUIC_NAME)?,
            http2: make(HTTP2_NAME)?,
            probe: make(PROBE_NAME)?,
        })
    }

    /// Returns the certificate for a name that a connector asks for.
    pub(crate) fn of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        match name {
            QUIC_NAME => Some(Arc::clone(&self.quic)),
            HTTP2_NAME => Some(Arc::clone(&self.http2)),
            PROBE_NAME => Some(Arc::clone(&self.probe)),
            _ => None,
        }
    }
}

fn issuer(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn leaf(name: &str, issuer: &CertifiedIssuer<'_, KeyPair>) -> Result<CertifiedKey, Error> {
    let key = KeyPair::generate().map_err(Error::Certificates)?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(Error::Certificates)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, issuer).map_err(Error::Certificates)?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = any_ecdsa_type(&secret).map_err(Error::Tls)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}
