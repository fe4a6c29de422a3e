//! Sans-IO. The first rule that matches, top to bottom.

use adit_config::Rule;
use adit_dialect::hostport;
use adit_dialect::regex::{NEST_LIMIT, Pattern, SIZE_LIMIT, subject};
use regex::{Regex, RegexBuilder};

use crate::error::StartError;
use crate::pattern::Hosts;

/// The rules of a configuration, ready to be asked.
#[derive(Debug, Default)]
pub struct Router {
    hosts: Hosts,
    paths: Vec<Option<Regex>>,
}

impl Router {
    /// Returns a router over `rules`, whose last one matches everything.
    ///
    /// # Errors
    ///
    /// Fails when the expression of a path is too large to be searched for.
    pub fn new(rules: &[Rule]) -> Result<Self, StartError> {
        let mut hosts = Hosts::default();
        for (index, rule) in rules.iter().enumerate() {
            hosts.add(index, &rule.hostname);
        }
        let paths = rules.iter().map(|rule| {
            let path = rule.path.as_ref().map(|path| compile(path.source()));
            path.transpose().map_err(|cause| StartError::Service {
                service: rule.service.to_string(),
                cause,
            })
        });
        Ok(Self {
            hosts,
            paths: paths.collect::<Result<_, _>>()?,
        })
    }

    /// Returns the index of the first rule that matches.
    ///
    /// `host` may carry a port. `path` is the decoded path as it was sent: not cleaned, without
    /// query, empty when there is none.
    #[must_use]
    pub fn find(&self, host: &[u8], path: &[u8]) -> usize {
        let text = std::cell::OnceCell::new();
        let matches_path = |index: &usize| match &self.paths[*index] {
            Some(pattern) => pattern.is_match(text.get_or_init(|| subject(path))),
            None => true,
        };
        let found = self.hosts.matches(hostport::host(host)).find(matches_path);
        found.unwrap_or(self.paths.len().saturating_sub(1))
    }
}

fn compile(source: &str) -> Result<Regex, String> {
    let pattern = Pattern::parse(source).map_err(|error| error.to_string())?;
    RegexBuilder::new(pattern.translated())
        .nest_limit(NEST_LIMIT)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|error| error.to_string())
}
