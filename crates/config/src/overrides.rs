//! Sans-IO. What flags, environment and settings say about a single origin and about limits: every
//! field is empty unless somebody set it.

use std::collections::BTreeMap;

use adit_dialect::number;

use crate::duration::Span;
use crate::error::ConfigError;

/// What was said about a single origin; a field is present exactly when the flag is *set*.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `hello-world`; even `false` chooses the built-in page.
    pub hello_world: Option<bool>,
    /// `bastion`; even `false` chooses the bastion.
    pub bastion: Option<bool>,
    /// `url`.
    pub url: Option<String>,
    /// `unix-socket`.
    pub unix_socket: Option<String>,
    /// `socks5`; even `false` asks for SOCKS.
    pub socks5: Option<bool>,
    /// `proxy-connect-timeout`.
    pub connect_timeout: Option<Span>,
    /// `proxy-tls-timeout`.
    pub tls_timeout: Option<Span>,
    /// `proxy-tcp-keepalive`.
    pub tcp_keep_alive: Option<Span>,
    /// `proxy-no-happy-eyeballs`.
    pub no_happy_eyeballs: Option<bool>,
    /// `proxy-keepalive-connections`.
    pub keep_alive_connections: Option<i64>,
    /// `proxy-keepalive-timeout`.
    pub keep_alive_timeout: Option<Span>,
    /// `http-host-header`.
    pub http_host_header: Option<String>,
    /// `origin-server-name`.
    pub origin_server_name: Option<String>,
    /// `origin-ca-pool`.
    pub ca_pool: Option<String>,
    /// `no-tls-verify`.
    pub no_tls_verify: Option<bool>,
    /// `no-chunked-encoding`.
    pub disable_chunked_encoding: Option<bool>,
    /// `http2-origin`.
    pub http2_origin: Option<bool>,
    /// `http2-prior-knowledge`.
    pub http2_prior_knowledge: Option<bool>,
    /// `proxy-address`.
    pub proxy_address: Option<String>,
    /// `proxy-port`; a negative one wraps.
    pub proxy_port: Option<i64>,
}

/// Flags that the edge is told about, by name, with their values as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationFlags(BTreeMap<String, String>);

impl ConfigurationFlags {
    /// The names of the flags that the edge is told about, if they are set and not empty.
    pub const NAMES: &[&str] = &[
        "autoupdate-freq",
        "no-autoupdate",
        "retries",
        "protocol",
        "loglevel",
        "transport-loglevel",
        "origincert",
        "metrics",
        "metrics-update-freq",
        "edge-ip-version",
        "edge-bind-address",
        "max-active-flows",
    ];

    /// Notes the value of a flag, unless it is empty.
    pub fn set(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Returns the flags and their values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the limit of private flows that outranks every configuration.
    ///
    /// # Errors
    ///
    /// Fails when the value is no number.
    pub fn max_active_flows(&self) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.0.get("max-active-flows") else {
            return Ok(None);
        };
        let told = |error| {
            ConfigError::new(format!(
                "failed to merge local overrides into warp routing configuration: \
                 failed to parse max-active-flows: {error}"
            ))
        };
        number::decimal_u64(text).map(Some).map_err(told)
    }
}
