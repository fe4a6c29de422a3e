//! Sans-IO. What a rule leads to (`service`), recognised from its text.

use std::fmt;

use crate::ip::IpRule;

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
}

impl Scheme {
    /// Returns the text that stands before `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
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

/// Splits the authority of a parsed URL into host without brackets and port.
fn split_port(authority: &str) -> (&str, &str) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    (inner.unwrap_or(host), port)
}
