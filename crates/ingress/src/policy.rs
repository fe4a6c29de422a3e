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
