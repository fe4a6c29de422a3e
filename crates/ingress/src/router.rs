//! Sans-IO. The first rule that matches, top to bottom.

use adit_config::{PathPattern, Rule};
use adit_dialect::hostport;

use crate::pattern::Hosts;

/// The rules of a configuration, ready to be asked.
#[derive(Debug, Default)]
pub struct Router {
    hosts: Hosts,
    paths: Vec<Option<PathPattern>>,
}

impl Router {
    /// Returns a router over `rules`, whose last one matches everything.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        let mut hosts = Hosts::default();
        for (index, rule) in rules.iter().enumerate() {
            hosts.add(index, &rule.hostname);
        }
        Self {
            hosts,
            paths: rules.iter().map(|rule| rule.path.clone()).collect(),
        }
    }

    /// Returns the index of the first rule that matches.
    ///
    /// `host` may carry a port. `path` is the decoded path as it was sent: not cleaned, without
    /// query, empty when there is none.
    #[must_use]
    pub fn find(&self, host: &[u8], path: &[u8]) -> usize {
        let matches_path = |index: &usize| match &self.paths[*index] {
            Some(pattern) => pattern.matches(path),
            None => true,
        };
        let found = self.hosts.matches(hostport::host(host)).find(matches_path);
        found.unwrap_or(self.paths.len().saturating_sub(1))
    }
}
