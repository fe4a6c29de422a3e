//! Sans-IO. Rules as written → rules as meant, or the first thing that is wrong with them.

use adit_dialect::{hostport, idna};

use crate::access::Access;
use crate::error::ConfigError;
use crate::file::{IpRuleWritten, OriginRequestWritten, RuleWritten};
use crate::ip::IpRule;
use crate::origin::OriginRequest;
use crate::rule::{HostPattern, PathPattern, Rule};
use crate::service::Service;

/// The rules of a configuration in the making.
#[derive(Debug)]
pub(crate) struct Validation<'w> {
    /// The rules as written.
    pub rules: &'w [RuleWritten],
    /// What is written for all of them.
    pub global: &'w OriginRequestWritten,
    /// What they inherit.
    pub defaults: &'w OriginRequest,
}

impl Validation<'_> {
    /// Checks rule after rule, each from service over access and hostname to path.
    pub(crate) fn run(&self) -> Result<Vec<Rule>, ConfigError> {
        (0..self.rules.len()).map(|index| self.rule(index)).collect()
    }

    fn rule(&self, index: usize) -> Result<Rule, ConfigError> {
        let written = &self.rules[index];
        let places = &written.places;
        let mut origin = self.defaults.inherited_by(&written.origin_request);
        let socks_rules = || self.socks_rules(written);
        let service = Service::recognise(&written.service, origin.bastion_mode, socks_rules)
            .map_err(|error| error.at(places.service.or(places.rule)))?;
        origin.bastion_mode |= service == Service::Bastion;
        self.check_access(written)
            .map_err(|error| error.at(places.origin_request))?;
        self.check_hostname(index)
            .map_err(|error| error.at(places.hostname.or(places.rule)))?;
        let path = path(index, &written.path).map_err(|error| error.at(places.path))?;
        let own = &written.origin_request.access;
        Ok(Rule {
            hostname: HostPattern::of_rule(written),
            path,
            service,
            access: Access::demanded(&origin.access),
            access_is_own: own.as_ref().is_some_and(|access| access.required),
            origin,
        })
    }

    /// Returns the address rules of a SOCKS service: its own, all of which must be right, else
    /// those of the top level, of which none counts from the first that is wrong on.
    fn socks_rules(&self, written: &RuleWritten) -> Result<Vec<IpRule>, ConfigError> {
        let own = &written.origin_request.ip_rules;
        if own.is_empty() {
            let understood = |rule: &IpRuleWritten| IpRule::understand(rule).ok();
            return Ok(self.global.ip_rules.iter().map_while(understood).collect());
        }
        let told = |problem| {
            let service = &written.service;
            let problem = format!("unable to create ip rule for {service}: {problem}");
            ConfigError::new(problem).at(written.places.origin_request)
        };
        let understood = |rule: &IpRuleWritten| IpRule::understand(rule).map_err(told);
        own.iter().map(understood).collect()
    }

    #[expect(clippy::unused_self, reason = "reads like the other checks")]
    fn check_access(&self, written: &RuleWritten) -> Result<(), ConfigError> {
        let Some(access) = &written.origin_request.access else {
            return Ok(());
        };
        let audiences = access.aud_tag.as_ref().is_some_and(|tags| !tags.is_empty());
        if access.required && audiences && access.team_name.is_empty() {
            let problem = "access.TeamName cannot be blank when access.audTags are present";
            return Err(ConfigError::new(problem).hint("say `teamName` under `access`"));
        }
        Ok(())
    }

    fn check_hostname(&self, index: usize) -> Result<(), ConfigError> {
        let written = &self.rules[index];
        let hostname = &written.hostname;
        if hostport::split_str(hostname).is_ok() {
            let error = ConfigError::new("Hostname cannot contain a port");
            return Err(error.hint("a rule matches its hostname at every port"));
        }
        if hostname.char_indices().any(|(at, c)| c == '*' && at > 0) {
            return Err(ConfigError::new(
                "Hostname patterns can have at most one wildcard character (\"*\") and it can \
                 only be used for subdomains, e.g. \"*.example.com\"",
            ));
        }
        let last = index + 1 == self.rules.len();
        match (matches_all(written), last) {
            (true, true) | (false, false) => Ok(()),
            (false, true) => {
                let problem = "The last ingress rule must match all URLs (i.e. it should not \
                               have a hostname or path filter)";
                let hint = "add a last rule such as `- service: http_status:404`";
                Err(ConfigError::new(problem).at(written.places.rule).hint(hint))
            }
            (true, false) => {
                let number = index + 1;
                Err(ConfigError::new(format!(
                    "Rule #{number} is matching the hostname '{hostname}', but this will match \
                     every hostname, meaning the rules which follow it will never be triggered."
                ))
                .hint("move this rule to the end"))
            }
        }
    }
}

impl HostPattern {
    fn of_rule(written: &RuleWritten) -> Self {
        let text = written.hostname.clone();
        let ascii = if matches_all(written) {
            None
        } else {
            ascii_form(&text)
        };
        Self { text, ascii }
    }
}

/// Returns the ASCII form of a hostname, where it has one that differs.
fn ascii_form(hostname: &str) -> Option<String> {
    let form = idna::lookup(hostname)?;
    (form != hostname).then(|| form.into_owned())
}

fn matches_all(rule: &RuleWritten) -> bool {
    matches!(rule.hostname.as_str(), "" | "*") && rule.path.is_empty()
}

fn path(index: usize, source: &str) -> Result<Option<PathPattern>, ConfigError> {
    if source.is_empty() {
        return Ok(None);
    }
    let told = |error| {
        let number = index + 1;
        ConfigError::new(format!("Rule #{number} has an invalid regex: {error}"))
            .hint("a path is a regular expression; `.` and `*` have meanings there")
    };
    PathPattern::parse(source).map(Some).map_err(told)
}
