//! Sans-IO. What a rule leads to (`service`), recognised from its text.

use std::fmt;

use adit_dialect::url::Url;
use adit_dialect::{hostport, number};

use crate::error::ConfigError;
use crate::ip::IpRule;
use crate::origin::OriginRequest;

/// What a rule leads to. `Display` is the text of logs, reports and `ingress rule`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// An origin that speaks HTTP over TCP.
    Http(HttpOrigin),
    /// An origin that speaks HTTP over a Unix socket.
    Unix(UnixOrigin),
    /// Any byte stream, carried over WebSocket by the visitor's client.
    Tcp(TcpOrigin),
    /// This status, 100 to 999, and nothing else.
    Status(u16),
    /// The built-in page.
    HelloWorld,
    /// A SOCKS5 server; these rules apply, first match decides, no match denies.
    Socks(Vec<IpRule>),
    /// The visitor names the destination.
    Bastion,
}

/// Where an `http`, `https`, `ws` or `wss` service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrigin {
    /// How to talk to it.
    pub scheme: Scheme,
    /// Host and port as in the URL: port only if written, brackets around IPv6.
    pub authority: String,
    /// The URL re-serialised.
    pub display: String,
}

/// How to talk to an HTTP origin; `ws` and `wss` have become these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Clear text.
    Http,
    /// TLS.
    Https,
}

/// Where a Unix socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixOrigin {
    /// The path, unchecked; `@name` is an abstract socket.
    pub path: String,
    /// Whether TLS is spoken on it.
    pub tls: bool,
}

/// Where a byte stream leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpOrigin {
    /// The scheme, lower case.
    pub scheme: String,
    /// Host and port; the port may be missing for a scheme without a default one.
    pub authority: String,
}

impl Service {
    /// Recognises a service from its text; `bastion` is whether bastion mode is on, and
    /// `socks_rules` makes the address rules that a SOCKS service applies.
    pub(crate) fn recognise(
        text: &str,
        bastion: bool,
        socks_rules: impl FnOnce() -> Result<Vec<IpRule>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::unix(path, false));
        }
        if let Some(path) = text.strip_prefix("unix+tls:") {
            return Ok(Self::unix(path, true));
        }
        if let Some(status) = text.strip_prefix("http_status:") {
            return status_service(status);
        }
        match text {
            "hello_world" | "hello-world" => Ok(Self::HelloWorld),
            "socks-proxy" => socks_rules().map(Self::Socks),
            "bastion" => Ok(Self::Bastion),
            _ if bastion => Ok(Self::Bastion),
            _ => url_service(text),
        }
    }

    /// Makes a service behind a Unix socket.
    pub(crate) fn unix(path: &str, tls: bool) -> Self {
        let path = path.to_owned();
        Self::Unix(UnixOrigin { path, tls })
    }

    /// Makes a service of a URL that has a scheme.
    pub(crate) fn of_url(url: &Url<'_>) -> Self {
        let scheme = match url.scheme() {
            "http" | "ws" => Scheme::Http,
            "https" | "wss" => Scheme::Https,
            other => return tcp_service(url, other),
        };
        Self::Http(HttpOrigin {
            scheme,
            authority: lossy(url.host()),
            display: url.to_string(),
        })
    }
}

impl HttpOrigin {
    /// Returns the host without port and brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(&self.authority).0
    }

    /// Returns the port text: as written, else the scheme's own.
    #[must_use]
    pub fn port(&self) -> &str {
        match (split_port(&self.authority).1, self.scheme) {
            ("", Scheme::Http) => "80",
            ("", Scheme::Https) => "443",
            (port, _) => port,
        }
    }

    /// Returns whether the origin may speak HTTP/2.
    #[must_use]
    pub const fn speaks_http2(&self, settings: &OriginRequest) -> bool {
        match self.scheme {
            Scheme::Https => settings.http2_origin && !settings.match_sni_to_host,
            Scheme::Http => settings.http2_prior_knowledge,
        }
    }
}

impl UnixOrigin {
    /// Returns whether the origin may speak HTTP/2.
    #[must_use]
    pub const fn speaks_http2(&self, settings: &OriginRequest) -> bool {
        if self.tls {
            settings.http2_origin
        } else {
            settings.http2_prior_knowledge
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(origin) => out.write_str(&origin.display),
            Self::Unix(UnixOrigin { path, tls: false }) => write!(out, "unix:{path}"),
            Self::Unix(UnixOrigin { path, tls: true }) => write!(out, "unix+tls:{path}"),
            Self::Tcp(origin) => write!(out, "{}://{}", origin.scheme, origin.authority),
            Self::Status(status) => write!(out, "http_status:{status}"),
            Self::HelloWorld => out.write_str("hello_world"),
            Self::Socks(_) => out.write_str("socks-proxy"),
            Self::Bastion => out.write_str("bastion"),
        }
    }
}

fn status_service(text: &str) -> Result<Service, ConfigError> {
    let status = number::decimal(text)
        .map_err(|error| ConfigError::new(format!("invalid HTTP status code: {error}")))?;
    match u16::try_from(status) {
        Ok(status @ 100..=999) => Ok(Service::Status(status)),
        _ => {
            let problem = format!("invalid HTTP status code: {status}");
            Err(ConfigError::new(problem).hint("a status is a number from 100 to 999"))
        }
    }
}

fn url_service(text: &str) -> Result<Service, ConfigError> {
    let url = Url::parse(text).map_err(|error| {
        let error = ConfigError::new(error.to_string());
        match meant(text) {
            Some(meant) => error.hint(meant),
            None => error,
        }
    })?;
    if url.scheme().is_empty() || url.hostname().is_empty() {
        let problem =
            format!("{text} is an invalid address, please make sure it has a scheme and a hostname");
        let hint = meant(text).unwrap_or_else(|| String::from(EXAMPLES));
        return Err(ConfigError::new(problem).hint(hint));
    }
    if !url.path().is_empty() {
        let problem = format!(
            "{text} is an invalid address, ingress rules don't support proxying to a different \
             path on the origin service. The path will be the same as the eyeball request's path"
        );
        let bare = text.strip_suffix(&lossy(url.raw_path()));
        let hint = bare.map_or(String::from(EXAMPLES), |bare| format!("did you mean `{bare}`?"));
        return Err(ConfigError::new(problem).hint(hint));
    }
    Ok(Service::of_url(&url))
}

const EXAMPLES: &str = "a service looks like `http://localhost:8080`, `ssh://localhost:22`, \
                        `unix:/run/app.sock` or `http_status:404`";

/// Guesses what a text without a proper scheme was meant to be.
fn meant(text: &str) -> Option<String> {
    let plausible = |text: &&str| !text.is_empty() && !text.contains([' ', '/', '@', ':']);
    let candidate = match text.split_once(':') {
        _ if text.contains("://") => return None,
        Some((scheme, rest)) if rest.starts_with('/') => {
            let rest = rest.trim_start_matches('/');
            let host = rest.split_once(':').map_or(rest, |(host, _)| host);
            plausible(&host).then(|| format!("{scheme}://{rest}"))?
        }
        Some((host, port)) => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (plausible(&host) && digits).then(|| format!("http://{text}"))?
        }
        None => plausible(&text).then(|| format!("http://{text}"))?,
    };
    Some(format!("did you mean `{candidate}`?"))
}

fn tcp_service(url: &Url<'_>, scheme: &str) -> Service {
    let default_port = match scheme {
        "ssh" => 22,
        "rdp" => 3389,
        "smb" => 445,
        "tcp" => 7864,
        _ => 0,
    };
    let authority = if default_port != 0 && url.port().is_empty() {
        hostport::join(&lossy(url.hostname()), default_port)
    } else {
        lossy(url.host())
    };
    Service::Tcp(TcpOrigin {
        scheme: scheme.to_owned(),
        authority,
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Splits the authority of a parsed URL into host without brackets and port.
fn split_port(authority: &str) -> (&str, &str) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    (inner.unwrap_or(host), port)
}
