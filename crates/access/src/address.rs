//! Sans-IO. Where an application is: what users write, and what is asked for.

use std::fmt;
use std::net::Ipv6Addr;

use adit_dial::Place;
use adit_dialect::idna;
use adit_dialect::query::Query;
use adit_dialect::url::Url;

use crate::error::Error;

/// An absolute URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: String,
    user: Option<String>,
    authority: String,
    hostname: String,
    port: String,
    /// As it is sent, perhaps empty.
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Address {
    /// Reads what a user writes for an application; the scheme is always `https`.
    ///
    /// # Errors
    ///
    /// Fails in the words users know.
    pub fn parse(input: &str) -> Result<Self, Error> {
        if input.is_empty() {
            return Err(Error::NoInput);
        }
        let text = if input.starts_with("https://") || input.starts_with("http://") {
            input.to_owned()
        } else {
            format!("https://{}", bracketed(input))
        };
        let mut address = Self::read(&text).map_err(|error| {
            if let Error::Argument(reason) = error {
                Error::Url(reason)
            } else {
                error
            }
        })?;
        if address.hostname.is_empty() {
            return Err(Error::NoHost);
        }
        "https".clone_into(&mut address.scheme);
        Ok(address)
    }

    /// Reads the first argument of `curl`: an absolute URL.
    ///
    /// # Errors
    ///
    /// Fails in the words users know.
    pub fn parse_absolute(input: &str) -> Result<Self, Error> {
        let parsed = Url::parse_target(input).map_err(|error| Error::Argument(error.to_string()))?;
        if parsed.host().is_empty() {
            return Err(Error::Argument("not a valid host".into()));
        }
        Self::read(input)
    }

    /// Reads a URL as it stands.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).map_err(|error| Error::Argument(error.to_string()))?;
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let written = url.to_string();
        let rest = written.split_once("://").map_or("", |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (user, host) = match rest[..end].rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, &rest[..end]),
        };
        let raw = lossy(url.host());
        let authority = if raw.is_ascii() {
            host.to_owned()
        } else {
            idna::wire_host(&raw).ok_or(Error::InvalidHost)?.into_owned()
        };
        let hostname = lossy(url.hostname());
        let (before, fragment) = match rest[end..].split_once('#') {
            Some((before, fragment)) => (before, Some(fragment.to_owned())),
            None => (&rest[end..], None),
        };
        let (path, query) = match before.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (before, None),
        };
        Ok(Self {
            scheme: url.scheme().to_owned(),
            user,
            hostname: idna::to_punycode(&hostname).map_or(hostname.clone(), std::borrow::Cow::into_owned),
            port: lossy(url.port()),
            authority,
            path: path.to_owned(),
            query,
            fragment,
        })
    }

    /// Returns where a redirect leads.
    pub(crate) fn follow(&self, location: &str) -> Result<Self, Error> {
        if location.contains("://") {
            return Self::read(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::read(&format!("{}://{rest}", self.scheme));
        }
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let path = match location.strip_prefix('/') {
            Some(path) => format!("/{path}"),
            None => format!("{folder}/{location}"),
        };
        Self::read(&format!("{}://{}{path}", self.scheme, self.authority))
    }

    /// Returns the same place with something changed in the query, which gets sorted.
    pub(crate) fn with_query(&self, change: impl FnOnce(&mut Query)) -> Self {
        let mut query = Query::parse(self.query.as_deref().unwrap_or_default());
        change(&mut query);
        Self {
            query: Some(query.to_string()).filter(|query| !query.is_empty()),
            ..self.clone()
        }
    }

    /// Returns the same place with another path.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// Returns host and port, as written.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the host without port and brackets.
    #[must_use]
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// Returns the path as it is sent, perhaps empty.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the port, by default that of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        let default = if self.is_secure() { 443 } else { 80 };
        self.port.parse().unwrap_or(default)
    }

    /// Returns whether the place is reached over TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme != "http"
    }

    /// Returns where connections to this place lead.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            host: &self.hostname,
            port: self.port(),
            name: self.is_secure().then_some(&*self.hostname),
            verified: true,
        }
    }

    /// Returns the target of a request for this place.
    #[must_use]
    pub fn target(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }

    /// Returns the name that files about this place begin with.
    pub(crate) fn file_name(&self) -> String {
        format!("{}{}", self.hostname, self.path.replace('/', "-"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(out, "{user}@")?;
        }
        write!(out, "{}{}", self.authority, self.path)?;
        if let Some(query) = &self.query {
            write!(out, "?{query}")?;
        }
        match &self.fragment {
            Some(fragment) => write!(out, "#{fragment}"),
            None => Ok(()),
        }
    }
}

/// Puts an IPv6 address that stands alone into brackets.
fn bracketed(input: &str) -> String {
    let (host, path) = input.split_at(input.find('/').unwrap_or(input.len()));
    if host.parse::<Ipv6Addr>().is_ok() {
        return format!("[{host}]{path}");
    }
    input.to_owned()
}
