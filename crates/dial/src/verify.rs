//! Who a certificate is believed to belong to.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::tls::Trust;

/// Verifies certificates, and always that the host has the key of the one it shows.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    belief: Belief,
}

#[derive(Debug)]
enum Belief {
    Anyone,
    Nobody,
    /// Who has a chain to what is trusted, and who shows what is itself trusted.
    ///
    /// The self-signed certificates people make for their origins often call themselves
    /// authorities, which the chain verifier refuses to see at the end of a chain.
    Chains(Arc<WebPkiServerVerifier>, Vec<CertificateDer<'static>>),
}

impl Verifier {
    /// Returns one who trusts these.
    pub(crate) fn new(trust: Trust<'_>, provider: &Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let belief = match trust {
            Trust::Anyone => Belief::Anyone,
            Trust::In(roots, own) => {
                let mut store = RootCertStore::clone(&roots.0);
                store.add_parsable_certificates(own.iter().cloned());
                chains(store, own, provider)?
            }
        };
        let provider = Arc::clone(provider);
        Ok(Self { provider, belief })
    }
}

fn chains(
    store: RootCertStore,
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Belief, rustls::Error> {
    if store.is_empty() {
        return Ok(Belief::Nobody);
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
    let chains = built.map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(Belief::Chains(chains, own.to_vec()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (chains, own) = match &self.belief {
            Belief::Anyone => return Ok(ServerCertVerified::assertion()),
            Belief::Nobody => return Err(CertificateError::UnknownIssuer.into()),
            Belief::Chains(chains, own) => (chains, own),
        };
        let verified = chains.verify_server_cert(certificate, chain, name, ocsp, now);
        let is_authority = |error: &rustls::Error| {
            matches!(
                error,
                rustls::Error::InvalidCertificate(CertificateError::Other(_))
            )
        };
        if verified.as_ref().is_err_and(is_authority) && own.iter().any(|own| own == certificate) {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
