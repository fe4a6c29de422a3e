//! Which question a path asks.

use std::sync::Arc;

use prometheus::Registry;

use crate::page::Page;
use crate::{Facts, Witness, diagnostics, metrics, profile, ready};

/// Whoever has the answers.
#[derive(Clone)]
pub struct Desk {
    facts: Arc<Facts>,
    witness: Arc<dyn Witness>,
    registry: Registry,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The path.
    pub(crate) path: &'a str,
    /// What follows the question mark.
    pub(crate) query: &'a str,
    /// Whether the answer may be compressed.
    pub(crate) gzip: bool,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// Returns a desk that asks `witness` and prints `registry`.
    #[must_use]
    pub fn new(facts: Facts, witness: Arc<dyn Witness>, registry: Registry) -> Self {
        Self {
            facts: Arc::new(facts),
            witness,
            registry,
        }
    }

    /// Answers a question of the local server.
    pub(crate) fn answer(&self, question: Question<'_>) -> Page {
        let witness = &*self.witness;
        match question.path {
            "/ready" => ready::page(witness, self.facts.connector, has(question.query, "reasons")),
            "/healthcheck" => Page::text(200, "OK\n"),
            "/quicktunnel" => diagnostics::quick_tunnel(&self.facts),
            "/config" => diagnostics::rules(witness),
            "/metrics" => metrics::page(&self.registry, question.gzip),
            "/diag/tunnel" => diagnostics::tunnel(&self.facts, witness),
            "/diag/configuration" => diagnostics::configuration(&self.facts),
            "/diag/system" => diagnostics::machine(&self.facts),
            "/debug/requests" | "/debug/events" => Page::new(200, HTML, NO_TRACES),
            "/debug" | "/debug/pprof" => moved(&format!("{}/", question.path)),
            path => match path.strip_prefix("/debug/pprof/") {
                Some(name) => profile::page(name, has(question.query, "debug")),
                None => other(path),
            },
        }
    }
}

const HTML: &str = "text/html; charset=utf-8";

const NO_TRACES: &str = "<!DOCTYPE html>\n<title>Traces</title>\n<p>This program keeps no traces.</p>\n";

/// Answers a path that no question has: with its shortest spelling, if that is another one.
fn other(path: &str) -> Page {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    if clean == path {
        return Page::not_found();
    }
    moved(&clean)
}

fn moved(to: &str) -> Page {
    let body = format!("<a href=\"{}\">Moved Permanently</a>.\n\n", escape(to));
    Page::new(301, HTML, body).with("Location", to)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;")
}

/// Returns whether a query names this member with anything but 0.
fn has(query: &str, name: &str) -> bool {
    query.split('&').any(|member| {
        let (key, value) = member.split_once('=').unwrap_or((member, "1"));
        key == name && value != "0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_lead_to_the_shortest() {
        let cases = [
            ("/nosuch", None),
            ("/", None),
            ("/metrics/", None),
            ("//ready", Some("/ready")),
            ("/a/../ready", Some("/ready")),
            ("/./x/", Some("/x/")),
        ];
        for (path, location) in cases {
            let page = other(path);
            let found = page.headers.iter().find(|(name, _)| *name == "Location");
            assert_eq!(found.map(|(_, value)| value.as_str()), location, "{path}");
        }
    }
}
