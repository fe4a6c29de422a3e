//! TLS towards origins: whom a rule trusts, which name it expects, what it says.

use std::io;
use std::sync::Arc;

use adit_config::{Limit, OriginRequest};
use adit_exchange::{Class, Io};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, InvalidMessage, RootCertStore,
    SignatureScheme,
};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::dial::limited;
use crate::error::Failure;

/// The certificates that every rule trusts.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

/// How a rule speaks TLS.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    plain: Arc<ClientConfig>,
    /// The same, offering HTTP/2.
    multiplexing: Option<Arc<ClientConfig>>,
    timeout: Limit,
}

impl Roots {
    /// Returns the certificates this machine trusts together with `more`.
    ///
    /// What cannot be read is left out; an origin that needs it will say so.
    #[must_use]
    pub fn system(more: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        store.add_parsable_certificates(more);
        Self(Arc::new(store))
    }

    /// Returns just these certificates.
    #[must_use]
    pub fn only(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates);
        Self(Arc::new(store))
    }
}

impl Tls {
    /// Returns how a rule with these settings speaks TLS.
    ///
    /// # Errors
    ///
    /// Fails when the file of additional certificates cannot be read.
    pub(crate) fn new(roots: &Roots, settings: &OriginRequest) -> Result<Self, String> {
        let own = own_certificates(&settings.ca_pool)?;
        let plain = client(roots, &own, settings.no_tls_verify).map_err(|error| error.to_string())?;
        let multiplexing = settings.http2_origin.then(|| {
            let mut offering = plain.clone();
            offering.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Arc::new(offering)
        });
        Ok(Self {
            plain: Arc::new(plain),
            multiplexing,
            timeout: settings.tls_timeout.limit(),
        })
    }

    /// Makes a handshake over `io`, expecting the certificate of `name`.
    ///
    /// Returns whether HTTP/2 was agreed on, which is offered if `multiplex` asks for it and the
    /// rule allows it.
    pub(crate) async fn handshake(
        &self,
        io: impl Io,
        name: &str,
        multiplex: bool,
    ) -> Result<(Box<dyn Io>, bool), Failure> {
        let server = server_name(name)?;
        let offering = self.multiplexing.as_ref().filter(|_| multiplex);
        let config = Arc::clone(offering.unwrap_or(&self.plain));
        let deadline = match self.timeout {
            Limit::None => None,
            Limit::Expired => return Err(timed_out()),
            Limit::After(time) => Instant::now().checked_add(time),
        };
        let handshake = TlsConnector::from(config).connect(server, io);
        match limited(deadline, handshake).await {
            None => Err(timed_out()),
            Some(Err(error)) => Err(Failure::new(Class::Tls, error_text(&error))),
            Some(Ok(stream)) => {
                let multiplexed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Box::new(stream), multiplexed))
            }
        }
    }
}

/// Returns the text of an error of a TLS stream.
pub(crate) fn error_text(error: &io::Error) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(error) => tls_text(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".into(),
        None => adit_dialect::errno::text(error),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library names more reasons than have words of their own here"
)]
fn tls_text(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            format!(
                "tls: failed to verify certificate: x509: {}",
                certificate_text(reason)
            )
        }
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "tls: first record does not look like a TLS handshake".into(),
        rustls::Error::AlertReceived(alert) => format!("remote error: tls: {}", alert_text(*alert)),
        other => format!("tls: {other}"),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library names more reasons than have words of their own here"
)]
fn certificate_text(reason: &CertificateError) -> String {
    match reason {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".into(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".into()
        }
        CertificateError::NotValidForNameContext { expected, presented } => wrong_name(expected, presented),
        other => other.to_string(),
    }
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> String {
    let wanted = if matches!(expected, ServerName::IpAddress(_)) {
        "IpAddress"
    } else {
        "DnsName"
    };
    let names: Vec<&str> = presented
        .iter()
        .filter_map(|name| presented_name(name, wanted))
        .collect();
    let expected = expected.to_str();
    match names[..] {
        [] if wanted == "IpAddress" => {
            format!("cannot validate certificate for {expected} because it doesn't contain any IP SANs")
        }
        [] => format!("certificate is not valid for any names, but wanted to match {expected}"),
        _ => format!("certificate is valid for {}, not {expected}", names.join(", ")),
    }
}

/// Returns the name in the notation of the verifier, such as `DnsName("a")`, if it is of this kind.
fn presented_name<'t>(text: &'t str, kind: &str) -> Option<&'t str> {
    let inner = text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')')?;
    Some(inner.trim_matches('"'))
}

/// Returns the words for an alert: its name, written as words.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library names more reasons than have words of their own here"
)]
fn alert_text(alert: AlertDescription) -> String {
    let known = match alert {
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::UnrecognisedName => "unrecognized name",
        AlertDescription::ProtocolVersion => "protocol version not supported",
        AlertDescription::InternalError => "internal error",
        AlertDescription::CertificateRequired => "certificate required",
        AlertDescription::BadCertificate => "bad certificate",
        AlertDescription::AccessDenied => "access denied",
        AlertDescription::DecodeError => "error decoding message",
        AlertDescription::NoApplicationProtocol => "no application protocol",
        other => return format!("{other:?}"),
    };
    known.into()
}

fn timed_out() -> Failure {
    Failure::new(Class::Timeout, "net/http: TLS handshake timeout")
}

fn server_name(name: &str) -> Result<ServerName<'static>, Failure> {
    let trimmed = name.strip_suffix('.').unwrap_or(name).trim_matches(['[', ']']);
    ServerName::try_from(trimmed.to_owned()).map_err(|_| {
        Failure::new(
            Class::Tls,
            format!("tls: {name:?} is no name that a certificate can carry"),
        )
    })
}

fn own_certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let pem = std::fs::read(file).map_err(|error| {
        let text = adit_dialect::errno::text(&error);
        format!("Error loading cert pool: unable to read the file {file} for --origin-ca-pool: open {file}: {text}")
    })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect();
    if certificates.is_empty() {
        tracing::info!("could not append the provided origin CA to the cloudflared certificate pool");
    }
    Ok(certificates)
}

fn client(
    roots: &Roots,
    own: &[CertificateDer<'static>],
    trusting: bool,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if trusting {
        Arc::new(Trusting(Arc::clone(&provider)))
    } else {
        Arc::new(Verifying::new(roots, own, &provider)?)
    };
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Verifies chains; a certificate that is itself trusted needs none.
///
/// The self-signed certificates people make for their origins often call themselves authorities,
/// which the chain verifier refuses to see at the end of a chain.
#[derive(Debug)]
struct Verifying {
    /// Nothing where nothing is trusted.
    chains: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    own: Vec<CertificateDer<'static>>,
}

impl Verifying {
    fn new(
        roots: &Roots,
        own: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::Error> {
        let mut store = RootCertStore::clone(&roots.0);
        store.add_parsable_certificates(own.iter().cloned());
        let verifier = |store| {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
            built.map_err(|error| rustls::Error::General(error.to_string()))
        };
        Ok(Self {
            chains: (!store.is_empty()).then(|| verifier(store)).transpose()?,
            provider: Arc::clone(provider),
            own: own.to_vec(),
        })
    }
}

impl ServerCertVerifier for Verifying {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chains) = &self.chains else {
            return Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer));
        };
        let verified = chains.verify_server_cert(certificate, chain, name, ocsp, now);
        let is_authority = |error: &rustls::Error| {
            matches!(
                error,
                rustls::Error::InvalidCertificate(CertificateError::Other(_))
            )
        };
        if verified.as_ref().is_err_and(is_authority) && self.own.iter().any(|own| own == certificate) {
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

/// Believes every certificate (`noTLSVerify`), but not that the origin has its key unless it shows
/// so.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
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
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
