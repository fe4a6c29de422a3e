//! What support asks for: the state of the tunnel, the settings, the machine.

use std::collections::BTreeMap;

use adit_exchange::Transport;
use serde::Serialize;
use uuid::Uuid;

use crate::page::Page;
use crate::{Facts, Witness, system};

/// The answer to `/diag/tunnel`.
#[derive(Serialize)]
struct Tunnel<'a> {
    #[serde(rename = "tunnelID")]
    tunnel: Uuid,
    #[serde(rename = "connectorID")]
    connector: Uuid,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connections: Vec<Connection>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    icmp_sources: &'a [String],
}

#[derive(Serialize)]
struct Connection {
    #[serde(rename = "isConnected")]
    connected: bool,
    /// The number of the transport; left out for HTTP/2, which is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<u8>,
    #[serde(rename = "edgeAddress")]
    edge: String,
    /// Left out for the first connection, which is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u8>,
}

/// Answers `/diag/tunnel`.
pub(crate) fn tunnel(facts: &Facts, witness: &dyn Witness) -> Page {
    let connections = witness.connections().into_iter().map(|connection| Connection {
        connected: true,
        protocol: match connection.transport {
            Transport::Quic => Some(1),
            Transport::Http2 => None,
        },
        edge: connection.edge.to_string(),
        index: Some(connection.index).filter(|index| *index > 0),
    });
    let answer = Tunnel {
        tunnel: facts.tunnel,
        connector: facts.connector,
        connections: connections.collect(),
        icmp_sources: &facts.icmp_sources,
    };
    collected("tunnelState", || json_line(&answer))
}

/// Answers `/diag/configuration`.
pub(crate) fn configuration(facts: &Facts) -> Page {
    let mut settings: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in &facts.settings {
        settings.insert(name, value.clone());
    }
    let user = rustix::process::getuid().as_raw();
    settings.insert("uid", user.to_string());
    collected("configuration", || json_line(&settings))
}

/// Answers `/diag/system`.
pub(crate) fn machine(facts: &Facts) -> Page {
    collected("system", || json_line(&system::report(facts)))
}

/// Answers `/config`.
pub(crate) fn rules(witness: &dyn Witness) -> Page {
    match witness.configuration() {
        Ok(rules) => Page::text(200, rules),
        Err(reason) => Page::text(500, format!("ERR: {reason}")),
    }
}

/// Answers `/quicktunnel`.
pub(crate) fn quick_tunnel(facts: &Facts) -> Page {
    let answer = BTreeMap::from([("hostname", &facts.quick_host)]);
    Page::text(200, json(&answer))
}

/// Returns a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names and texts are always JSON")
}

fn json_line(value: &impl Serialize) -> String {
    let mut text = json(value);
    text.push('\n');
    text
}

fn collected(collector: &'static str, collect: impl FnOnce() -> String) -> Page {
    tracing::info!(collector, "Collection started");
    let text = collect();
    tracing::info!(collector, "Collection finished");
    Page::text(200, text)
}
