//! Sans-IO. The rules that lead requests to services, from whatever source.

use adit_dialect::regex::{self, Pattern};
use adit_dialect::{RegexError, RegexProblem};

use crate::access::Access;
use crate::origin::OriginRequest;
use crate::service::Service;
use crate::warp::WarpRouting;

/// The configuration of proxying, as meant.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The rules in order; never empty, the last one matches everything.
    pub rules: Vec<Rule>,
    /// What rules inherit, as reported.
    pub defaults: OriginRequest,
    /// Settings of private-network traffic.
    pub warp_routing: WarpRouting,
    /// Where the rules come from.
    pub provenance: Provenance,
}

/// Where rules come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The list `ingress` of the file.
    File,
    /// Flags, environment or settings that name a single origin.
    SingleOrigin,
    /// A push from the edge.
    Remote,
    /// Nobody: the one rule answers 503, and each request so answered is worth a warning.
    BuiltIn,
}

/// One rule: what it matches and where it leads.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The hosts it matches.
    pub hostname: HostPattern,
    /// The paths it matches; nothing for all.
    pub path: Option<PathPattern>,
    /// Where it leads.
    pub service: Service,
    /// How to talk to the origin.
    pub origin: OriginRequest,
    /// The Access token that it demands, whether the rule itself or the top level says so.
    pub access: Option<Access>,
    /// Whether the demand is the rule's own, which is what reports show.
    pub access_is_own: bool,
}

/// The hosts that a rule matches, compared byte by byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPattern {
    /// The text as written: empty or `*` for every host, `*.rest` for a suffix, else exact.
    pub text: String,
    /// The ASCII form, where there is one that differs from the text.
    pub ascii: Option<String>,
}

/// The paths that a rule matches: a regular expression, searched in the decoded path.
#[derive(Clone, Debug)]
pub struct PathPattern {
    pattern: Pattern,
    compiled: ::regex::Regex,
}

impl Rules {
    /// Returns what holds when nobody gave any rule: everything is answered with 503.
    #[must_use]
    pub fn built_in(defaults: OriginRequest, warp_routing: WarpRouting) -> Self {
        let rule = Rule {
            hostname: HostPattern::default(),
            path: None,
            service: Service::Status(503),
            origin: OriginRequest::zero(),
            access: None,
            access_is_own: false,
        };
        Self {
            rules: vec![rule],
            defaults,
            warp_routing,
            provenance: Provenance::BuiltIn,
        }
    }
}

impl Rule {
    /// Returns whether the origin may speak HTTP/2.
    #[must_use]
    pub const fn speaks_http2(&self) -> bool {
        match &self.service {
            Service::Http(origin) => origin.speaks_http2(&self.origin),
            Service::Unix(origin) => origin.speaks_http2(&self.origin),
            Service::Tcp(_)
            | Service::Status(_)
            | Service::HelloWorld
            | Service::Socks(_)
            | Service::Bastion => false,
        }
    }
}

impl HostPattern {
    /// Returns whether the pattern matches every host.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.text.is_empty() || self.text == "*"
    }
}

impl PathPattern {
    /// Reads an expression in upstream's syntax.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the expression, in upstream's words.
    pub fn parse(source: &str) -> Result<Self, RegexError> {
        let pattern = Pattern::parse(source)?;
        let compiled = ::regex::RegexBuilder::new(pattern.translated())
            .nest_limit(regex::NEST_LIMIT)
            .size_limit(regex::SIZE_LIMIT)
            .build();
        let too_large = |_| RegexError {
            problem: RegexProblem::Size,
            fragment: source.to_owned(),
        };
        let compiled = compiled.map_err(too_large)?;
        Ok(Self { pattern, compiled })
    }

    /// Returns whether the expression is found anywhere in a decoded path.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        self.compiled.is_match(&regex::subject(path))
    }

    /// Returns the expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.pattern.source()
    }
}
