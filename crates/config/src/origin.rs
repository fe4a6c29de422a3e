//! Sans-IO. How to talk to an origin (`originRequest`), as meant: every key has its value.

use crate::duration::Span;
use crate::file::{AccessWritten, IpRuleWritten, OriginRequestWritten, Uint};
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
    /// Origins without TLS are spoken to in HTTP/2.
    pub http2_prior_knowledge: bool,
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
            http2_prior_knowledge: false,
            access: AccessSettings::default(),
        }
    }
}

impl OriginRequest {
    /// Returns the defaults of all rules: what is written at the top level, else what holds where
    /// nothing is said. Address rules that cannot be understood are left out.
    #[must_use]
    pub fn of_top_level(written: &OriginRequestWritten) -> Self {
        let mut origin = Self::new();
        origin.set(written);
        let understood = |rule: &IpRuleWritten| IpRule::understand(rule).ok();
        origin.ip_rules = written.ip_rules.iter().filter_map(understood).collect();
        origin
    }

    /// Returns the settings of a rule that inherits these.
    #[must_use]
    pub fn inherited_by(&self, written: &OriginRequestWritten) -> Self {
        let mut origin = self.clone();
        origin.set(written);
        if !written.ip_rules.is_empty() {
            let understood = |rule: &IpRuleWritten| IpRule::understand(rule).unwrap_or_default();
            origin.ip_rules = written.ip_rules.iter().map(understood).collect();
        }
        origin
    }

    /// Takes over every key that is said, except the address rules.
    fn set(&mut self, written: &OriginRequestWritten) {
        /// Overwrites fields with what is said about them.
        macro_rules! take {
            ($($field:ident),*) => {
                $(if let Some(value) = &written.$field { self.$field.clone_from(value); })*
            };
        }
        take!(connect_timeout, tls_timeout, tcp_keep_alive, no_happy_eyeballs);
        take!(keep_alive_timeout, keep_alive_connections, http_host_header);
        take!(origin_server_name, match_sni_to_host, ca_pool, no_tls_verify);
        take!(disable_chunked_encoding, bastion_mode, proxy_address);
        take!(proxy_type, http2_origin, http2_prior_knowledge);
        if let Some(Uint(port)) = written.proxy_port {
            self.proxy_port = port;
        }
        if let Some(access) = &written.access {
            self.access = AccessSettings::from(access);
        }
    }
}

impl From<&AccessWritten> for AccessSettings {
    fn from(written: &AccessWritten) -> Self {
        Self {
            required: written.required,
            team_name: written.team_name.clone(),
            aud_tag: written.aud_tag.clone(),
            environment: written.environment.clone(),
        }
    }
}

impl Default for OriginRequest {
    fn default() -> Self {
        Self::new()
    }
}
