//! Sans-IO. How to talk to an origin (`originRequest`), as meant: every key has its value.

use crate::duration::Span;
use crate::ip::IpRule;

/// Settings for the way to an origin, after defaults, flags and inheritance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRequest {
    /// Limit of name resolution and connect.
    pub connect_timeout: Span,
    /// Limit of the TLS handshake.
    pub tls_timeout: Span,
    /// Idle time before the first keep-alive probe; negative turns keep-alive off.
    pub tcp_keep_alive: Span,
    /// Addresses are tried one after the other instead of racing families.
    pub no_happy_eyeballs: bool,
    /// Idle connections are closed after this time; zero or negative is never.
    pub keep_alive_timeout: Span,
    /// Idle connections kept; zero is 2 per origin, negative none.
    pub keep_alive_connections: i64,
    /// Host sent to the origin; empty is the visitor's.
    pub http_host_header: String,
    /// Name expected in the origin's certificate; empty is the host of the service.
    pub origin_server_name: String,
    /// Server name of the TLS handshake follows the Host that is sent.
    pub match_sni_to_host: bool,
    /// File with certificates to trust in addition; empty is none.
    pub ca_pool: String,
    /// The origin's certificate is not verified.
    pub no_tls_verify: bool,
    /// Bodies are not sent in chunks.
    pub disable_chunked_encoding: bool,
    /// The visitor names the destination.
    pub bastion_mode: bool,
    /// Reported only.
    pub proxy_address: String,
    /// Reported only.
    pub proxy_port: u64,
    /// `socks` makes a SOCKS5 handshake with the client; anything else is a plain copy.
    pub proxy_type: String,
    /// Address rules, as reported; those that apply stand in [`crate::Service::Socks`].
    pub ip_rules: Vec<IpRule>,
    /// HTTP/2 is offered to TLS origins.
    pub http2_origin: bool,
    /// Access settings, as reported; the demand that applies stands in [`crate::Rule::access`].
    pub access: AccessSettings,
}

/// The `access` key, as reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// Whether a token is demanded.
    pub required: bool,
    /// The team that issues tokens.
    pub team_name: String,
    /// Audience tags; nothing where the key is absent.
    pub aud_tag: Option<Vec<String>>,
    /// The environment of the team.
    pub environment: String,
}

impl OriginRequest {
    /// Returns what holds where nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self {
            connect_timeout: Span::from_nanos(30_000_000_000),
            tls_timeout: Span::from_nanos(10_000_000_000),
            tcp_keep_alive: Span::from_nanos(30_000_000_000),
            keep_alive_timeout: Span::from_nanos(90_000_000_000),
            keep_alive_connections: 100,
            proxy_address: String::from("127.0.0.1"),
            ..Self::zero()
        }
    }

    /// Returns the settings of the built-in 503 rule: nothing at all.
    #[must_use]
    pub fn zero() -> Self {
        Self {
            connect_timeout: Span::default(),
            tls_timeout: Span::default(),
            tcp_keep_alive: Span::default(),
            no_happy_eyeballs: false,
            keep_alive_timeout: Span::default(),
            keep_alive_connections: 0,
            http_host_header: String::new(),
            origin_server_name: String::new(),
            match_sni_to_host: false,
            ca_pool: String::new(),
            no_tls_verify: false,
            disable_chunked_encoding: false,
            bastion_mode: false,
            proxy_address: String::new(),
            proxy_port: 0,
            proxy_type: String::new(),
            ip_rules: Vec::new(),
            http2_origin: false,
            access: AccessSettings::default(),
        }
    }
}

impl Default for OriginRequest {
    fn default() -> Self {
        Self::new()
    }
}
