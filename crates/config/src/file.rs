//! Sans-IO. A configuration as written: every key optional, positions kept, types as upstream's
//! library fits them.

use adit_dialect::JsonError;

use crate::duration::Span;
use crate::error::{ConfigError, Place};
use crate::yaml::{Decoder, Document, Problem, Record, Target, Value, YamlError};

mod json;
mod records;

/// A configuration file as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// The name or id of the tunnel; empty if not said.
    pub tunnel: String,
    /// The rules.
    pub ingress: Vec<RuleWritten>,
    /// Settings of private-network traffic.
    pub warp_routing: WarpRoutingWritten,
    /// What rules inherit.
    pub origin_request: OriginRequestWritten,
    /// Every other key of the top level, in order.
    pub settings: Vec<(String, Value)>,
    /// Where the values of the top level stand.
    places: Vec<(String, Place)>,
}

/// One rule as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleWritten {
    /// `hostname`; empty if not said.
    pub hostname: String,
    /// `path`; empty if not said.
    pub path: String,
    /// `service`; empty if not said.
    pub service: String,
    /// `originRequest`.
    pub origin_request: OriginRequestWritten,
    /// Where the rule stands.
    pub places: RulePlaces,
}

/// Where the parts of a rule stand in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RulePlaces {
    /// The rule itself.
    pub rule: Option<Place>,
    /// Its `hostname`.
    pub hostname: Option<Place>,
    /// Its `path`.
    pub path: Option<Place>,
    /// Its `service`.
    pub service: Option<Place>,
    /// Its `originRequest`.
    pub origin_request: Option<Place>,
}

/// `originRequest` as written; nothing where a key is not said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OriginRequestWritten {
    /// `connectTimeout`.
    pub connect_timeout: Option<Span>,
    /// `tlsTimeout`.
    pub tls_timeout: Option<Span>,
    /// `tcpKeepAlive`.
    pub tcp_keep_alive: Option<Span>,
    /// `noHappyEyeballs`.
    pub no_happy_eyeballs: Option<bool>,
    /// `keepAliveConnections`.
    pub keep_alive_connections: Option<i64>,
    /// `keepAliveTimeout`.
    pub keep_alive_timeout: Option<Span>,
    /// `httpHostHeader`.
    pub http_host_header: Option<String>,
    /// `originServerName`.
    pub origin_server_name: Option<String>,
    /// `matchSNItoHost`.
    pub match_sni_to_host: Option<bool>,
    /// `caPool`.
    pub ca_pool: Option<String>,
    /// `noTLSVerify`.
    pub no_tls_verify: Option<bool>,
    /// `disableChunkedEncoding`.
    pub disable_chunked_encoding: Option<bool>,
    /// `bastionMode`.
    pub bastion_mode: Option<bool>,
    /// `proxyAddress`.
    pub proxy_address: Option<String>,
    /// `proxyPort`.
    pub proxy_port: Option<Uint>,
    /// `proxyType`.
    pub proxy_type: Option<String>,
    /// `ipRules`.
    pub ip_rules: Vec<IpRuleWritten>,
    /// `http2Origin`.
    pub http2_origin: Option<bool>,
    /// `http2PriorKnowledge`, which upstream does not have.
    pub http2_prior_knowledge: Option<bool>,
    /// `access`.
    pub access: Option<AccessWritten>,
}

/// A number that messages call `uint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uint(pub u64);

/// An entry of `ipRules` as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpRuleWritten {
    /// `prefix`.
    pub prefix: Option<String>,
    /// `ports`.
    pub ports: Vec<i64>,
    /// `allow`.
    pub allow: bool,
}

/// `access` as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessWritten {
    /// `required`.
    pub required: bool,
    /// `teamName`.
    pub team_name: String,
    /// `audTag`.
    pub aud_tag: Option<Vec<String>>,
    /// `environment`.
    pub environment: String,
}

/// `warp-routing` as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarpRoutingWritten {
    /// `connectTimeout`.
    pub connect_timeout: Option<Span>,
    /// `maxActiveFlows`.
    pub max_active_flows: Option<u64>,
    /// `tcpKeepAlive`.
    pub tcp_keep_alive: Option<Span>,
}

/// The keys of each structure.
pub(crate) mod keys {
    pub(crate) const FILE: &[&str] = &["tunnel", "ingress", "warp-routing", "originRequest"];
    pub(crate) const RULE: &[&str] = &["hostname", "path", "service", "originRequest"];
    pub(crate) const IP_RULE: &[&str] = &["prefix", "ports", "allow"];
    pub(crate) const ACCESS: &[&str] = &["required", "teamName", "audTag", "environment"];
    pub(crate) const WARP_ROUTING: &[&str] = &["connectTimeout", "maxActiveFlows", "tcpKeepAlive"];
    pub(crate) const ORIGIN_REQUEST: &[&str] = &[
        "connectTimeout",
        "tlsTimeout",
        "tcpKeepAlive",
        "noHappyEyeballs",
        "keepAliveConnections",
        "keepAliveTimeout",
        "httpHostHeader",
        "originServerName",
        "matchSNItoHost",
        "caPool",
        "noTLSVerify",
        "disableChunkedEncoding",
        "bastionMode",
        "proxyAddress",
        "proxyPort",
        "proxyType",
        "ipRules",
        "http2Origin",
        "http2PriorKnowledge",
        "access",
    ];
}

/// What reading a file gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The text holds no document: nothing, blanks or comments.
    Empty,
    /// A configuration.
    File {
        /// The configuration.
        file: Box<File>,
        /// Keys that mean nothing, in upstream's words; nothing if there are none.
        unknown_keys: Option<String>,
        /// What is odd but no error, each with its place: the same keys, and others that look like
        /// slips of the pen.
        warnings: Vec<ConfigError>,
    },
}

impl File {
    /// Reads the text of the file called `name`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text: the problem begins with upstream's words.
    pub fn read(name: &str, text: &[u8]) -> Result<Reading, ConfigError> {
        let told = |error: YamlError| {
            let problem = format!("error parsing YAML in config file at {name}: {}", error.text());
            error.into_error(problem).in_file(name)
        };
        let Some(document) = Document::parse(text).map_err(told)? else {
            return Ok(Reading::Empty);
        };
        let mut file = Self::default();
        let unknown = Decoder::run(&document, &mut file).map_err(told)?;
        let unknown_keys = (!unknown.is_empty()).then(|| crate::yaml::misfits(&unknown));
        let warnings = unknown.into_iter().map(Problem::into_warning);
        let warnings = warnings.chain(file.misspelt());
        let warnings = warnings.map(|warning| warning.in_file(name)).collect();
        Ok(Reading::File {
            file: Box::new(file),
            unknown_keys,
            warnings,
        })
    }

    /// Returns a warning for each setting that is the key of a structure in other letters.
    fn misspelt(&self) -> impl Iterator<Item = ConfigError> {
        let plain = |key: &str| key.replace(['-', '_'], "").to_ascii_lowercase();
        self.settings.iter().filter_map(move |(key, _)| {
            let known = keys::FILE.iter().find(|known| plain(known) == plain(key))?;
            let warning = ConfigError::new(format!("key {key} means nothing"))
                .at(self.place(key))
                .hint(format!("did you mean `{known}`?"));
            Some(warning)
        })
    }

    /// Reads the JSON text that `tunnel ingress validate --json` is given.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, in upstream's words.
    pub fn read_json(text: &[u8]) -> Result<Self, JsonError> {
        json::local(text)
    }

    /// Reads a JSON text that the edge pushed.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, in upstream's words.
    pub fn read_push(text: &[u8]) -> Result<Self, JsonError> {
        json::remote(text)
    }

    /// Returns the value of a key of the settings.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&Value> {
        let known = self.settings.iter().find(|(key, _)| key == name);
        known.map(|(_, value)| value)
    }

    /// Returns where the value of a key of the top level stands.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<Place> {
        let known = self.places.iter().find(|(key, _)| key == name);
        known.map(|(_, place)| *place)
    }
}

impl Record for File {
    fn field(&mut self, name: &str) -> Option<&mut dyn Target> {
        Some(match name {
            "tunnel" => &mut self.tunnel,
            "ingress" => &mut self.ingress,
            "warp-routing" => &mut self.warp_routing,
            "originRequest" => &mut self.origin_request,
            _ => return None,
        })
    }

    fn names(&self) -> &'static [&'static str] {
        keys::FILE
    }

    fn placed(&mut self, name: &str, place: Place) {
        self.places.push((name.to_owned(), place));
    }

    fn others(&mut self) -> Option<&mut Vec<(String, Value)>> {
        Some(&mut self.settings)
    }
}
