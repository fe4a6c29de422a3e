//! The way to hosts: directly or through a proxy, with TLS or without.

use std::sync::OnceLock;

use adit_config::{Limit, Span};
use adit_dialect::hostport;
use adit_exchange::{Class, Io};

use crate::dialer::Dialer;
use crate::environment::{Environment, Kind};
use crate::error::Failure;
use crate::names::Names;
use crate::tls::{Roots, Tls, Trust};

/// The way to hosts, trusting what this machine trusts.
#[derive(Clone, Debug)]
pub struct Way {
    environment: Environment,
    dialer: Dialer,
    /// Made when it is needed first.
    verifying: OnceLock<Tls>,
}

/// An open connection.
pub type Connection = Box<dyn Io>;

/// Where a connection leads, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The host to connect to.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// The name in TLS; nothing for a connection without.
    pub name: Option<&'a str>,
    /// Whether the certificate is looked at.
    pub verified: bool,
}

impl Way {
    /// Returns the way through the proxies that the environment names.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            dialer: Dialer::new(Names::default(), Span::default(), Span::default()),
            verifying: OnceLock::new(),
        }
    }

    /// Connects to a place. How long that takes is the caller's to limit.
    ///
    /// # Errors
    ///
    /// Fails with the reason, as users know it.
    pub async fn open(&self, place: &Place<'_>) -> Result<Connection, Failure> {
        let (host, port) = (place.host, place.port.to_string());
        let authority = hostport::join(host, &port);
        let io = match self.environment.detour(place.name.is_some(), host, &port) {
            None => Box::new(self.dialer.connect(&authority).await?) as Connection,
            Some(detour) => {
                let stream = detour.connect(&self.dialer).await?;
                let is_sealed = detour.kind == Kind::Https;
                let tls = is_sealed.then(|| self.verifying()).transpose()?;
                detour.greet(stream, tls, &authority, true).await?
            }
        };
        let Some(name) = place.name else {
            return Ok(io);
        };
        let sealed = if place.verified {
            self.verifying()?.handshake(io, name, false).await
        } else {
            tls(Trust::Anyone)?.handshake(io, name, false).await
        };
        Ok(sealed?.0)
    }

    fn verifying(&self) -> Result<&Tls, Failure> {
        if let Some(tls) = self.verifying.get() {
            return Ok(tls);
        }
        let tls = tls(Trust::In(&Roots::system([]), &[]))?;
        Ok(self.verifying.get_or_init(|| tls))
    }
}

fn tls(trust: Trust<'_>) -> Result<Tls, Failure> {
    Tls::new(trust, Limit::None).map_err(|error| Failure::new(Class::Tls, error.to_string()))
}
