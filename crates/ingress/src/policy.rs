//! Sans-IO. Which addresses a SOCKS client may reach.

use std::fmt;
use std::net::IpAddr;

use adit_config::IpRule;

/// Rules of which the first that speaks about an address decides; none that does is a no.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy(Vec<IpRule>);

/// A rule as messages show it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown<'r>(&'r IpRule);

impl Policy {
    /// Returns the policy of these rules.
    pub(crate) fn new(rules: &[IpRule]) -> Self {
        Self(rules.to_vec())
    }

    /// Decides whether `address` may be reached at `port`.
    ///
    /// # Errors
    ///
    /// Gives the rule that says no, if it is one.
    pub(crate) fn allows(&self, address: IpAddr, port: u16) -> Result<(), Option<Shown<'_>>> {
        match self.0.iter().find(|rule| rule.matches(address, port)) {
            Some(rule) if rule.allow => Ok(()),
            Some(rule) => Err(Some(Shown(rule))),
            None => Err(None),
        }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rule) = self;
        out.write_str("prefix:")?;
        match rule.network {
            Some(network) => write!(out, "{network}")?,
            None => out.write_str("<nil>")?,
        }
        out.write_str("/port:")?;
        if rule.ports.is_empty() {
            out.write_str("all")?;
        } else {
            let ports: Vec<String> = rule.ports.iter().map(u16::to_string).collect();
            write!(out, "[{}]", ports.join(" "))?;
        }
        write!(out, "/allow:{}", rule.allow)
    }
}

#[cfg(test)]
mod tests {
    use adit_config::file::Reading;
    use adit_config::{File as Config, Service};
    use adit_vectors::{File, Verdict, same};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn addresses_are_judged_as_recorded() {
        let Some(file) = File::open("private-ip-rules") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("cases") {
            let verdict = match case["op"].as_str() {
                Some("evaluate") => evaluated(case),
                _ => parsed(case),
            };
            report.give(&case["name"], verdict);
        }
        report.finish();
    }

    fn evaluated(case: &Value) -> Verdict {
        let rules = rules(&case["rules"]).expect("rules");
        let policy = Policy::new(&rules);
        let mut outcome = Vec::new();
        let mut recorded = Vec::new();
        for query in case["queries"].as_array().into_iter().flatten() {
            let address = query["ip"]
                .as_str()
                .expect("an address")
                .parse()
                .expect("an address");
            let port = u16::try_from(query["port"].as_u64().expect("a port")).expect("a port");
            let matched = rules.iter().find(|rule| rule.matches(address, port));
            // Nothing but a rule ever allows here; elsewhere the default may.
            let allowed =
                policy.allows(address, port).is_ok() || (matched.is_none() && case["default_allow"] == true);
            outcome.push((allowed, matched.map(|rule| Shown(rule).to_string())));
            let text = query["matched_rule"].as_str().map(str::to_owned);
            recorded.push((query["allowed"] == true, text));
        }
        same(&outcome, &recorded)
    }

    fn parsed(case: &Value) -> Verdict {
        let rule = json!([{"prefix": case["prefix"], "ports": case["ports"], "allow": true}]);
        let outcome = rules(&rule).map(|rules| Shown(&rules[0]).to_string());
        let recorded = match case["error"].as_str() {
            Some(error) => Err(format!("unable to create ip rule for socks-proxy: {error}")),
            None => Ok(case["text"].as_str().expect("a text").to_owned()),
        };
        same(&outcome, &recorded)
    }

    /// Reads rules as a configuration would have them; JSON is YAML.
    fn rules(rules: &Value) -> Result<Vec<IpRule>, String> {
        let service = json!({"service": "socks-proxy", "originRequest": {"ipRules": rules}});
        let text = json!({"ingress": [service]}).to_string();
        let Ok(Reading::File { file, .. }) = Config::read("c.yml", text.as_bytes()) else {
            return Err("unreadable".into());
        };
        let rules = adit_config::resolve::rules_of_file(&file).map_err(|error| error.problem)?;
        let Service::Socks(rules) = &rules.rules[0].service else {
            return Err("no SOCKS service".into());
        };
        Ok(rules.clone())
    }
}
