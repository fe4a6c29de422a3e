//! TLS towards hosts: whom to trust, which name to expect, what failures are called.

use std::io;
use std::sync::Arc;

use adit_config::Limit;
use adit_exchange::{Class, Io};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::dialer::limited;
use crate::error::Failure;
use crate::verify::Verifier;

/// Certificates that are trusted.
#[derive(Clone, Debug)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

/// Whom a host is believed to be.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Whoever one of these vouches for, or who shows one of the second.
    In(&'a Roots, &'a [CertificateDer<'static>]),
    /// Whoever answers.
    Anyone,
}

/// How TLS is spoken.
#[derive(Clone, Debug)]
pub struct Tls {
    plain: Arc<ClientConfig>,
    /// The same, offering HTTP/2.
    multiplexing: Option<Arc<ClientConfig>>,
    timeout: Limit,
}

impl Roots {
    /// Returns the certificates this machine trusts together with `more`.
    ///
    /// What cannot be read is left out; the handshake that needs it will say so.
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
    /// Returns how TLS is spoken by one who trusts these and waits so long for a handshake.
    ///
    /// # Errors
    ///
    /// Fails when the certificates cannot be put to use.
    pub fn new(trust: Trust<'_>, timeout: Limit) -> Result<Self, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(Verifier::new(trust, &provider)?);
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let plain = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            plain: Arc::new(plain),
            multiplexing: None,
            timeout,
        })
    }

    /// Lets handshakes offer HTTP/2 where they are asked to.
    #[must_use]
    pub fn multiplexing(self) -> Self {
        let mut offering = ClientConfig::clone(&self.plain);
        offering.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self {
            multiplexing: Some(Arc::new(offering)),
            ..self
        }
    }

    /// Makes a handshake over `io`, expecting the certificate of `name`.
    ///
    /// Returns whether HTTP/2 was agreed on, which is offered if `multiplex` asks for it and it is
    /// allowed.
    ///
    /// # Errors
    ///
    /// Fails with the words that users know.
    pub async fn handshake(
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
#[must_use]
pub fn error_text(error: &io::Error) -> String {
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
