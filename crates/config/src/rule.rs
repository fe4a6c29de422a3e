//! Sans-IO. The rules that lead requests to services, from whatever source.

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
    source: String,
}

impl HostPattern {
    /// Returns whether the pattern matches every host.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.text.is_empty() || self.text == "*"
    }
}

impl PathPattern {
    /// Returns the expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}
