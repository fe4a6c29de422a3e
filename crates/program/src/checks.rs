//! Whether the edge can be reached from here, outside of any running connector.

use adit_edge::prechecks::{self, Component, Report, Row, Status};
use adit_edge::{Credentials, Identity};
use adit_exchange::Transport;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::Options;
use crate::program::VERSION;
use crate::runtime;

/// Checks and returns the report in the form that support knows.
///
/// # Errors
///
/// Fails when the checks cannot be made at all.
pub(crate) fn report(options: &Options) -> Result<Value, String> {
    let credentials = Credentials {
        account: String::new(),
        secret: bytes::Bytes::new(),
        tunnel: Uuid::nil(),
    };
    let identity = Identity {
        connector: Uuid::new_v4(),
        version: format!("adit/{VERSION}"),
        arch: String::new(),
    };
    let settings = adit_edge::Settings::new(credentials, identity);
    let runtime = runtime::start(options).map_err(|failure| failure.text().to_owned())?;
    let report = runtime
        .block_on(prechecks::run(&settings))
        .map_err(|error| error.to_string())?;
    Ok(shown(&report))
}

fn shown(report: &Report) -> Value {
    let suggested = report.suggested().map(|transport| match transport {
        Transport::Http2 => 0,
        Transport::Quic => 1,
    });
    json!({
        "RunID": report.run,
        "Results": report.rows.iter().map(row).collect::<Vec<_>>(),
        "SuggestedProtocol": suggested,
    })
}

fn row(row: &Row) -> Value {
    json!({
        "Type": match row.component {
            Component::Dns => 0,
            Component::Udp => 1,
            Component::Tcp => 2,
            Component::Api => 3,
        },
        "Component": row.component.name(),
        "Target": row.target,
        "ProbeStatus": match row.status {
            Status::Pass => 0,
            Status::Fail => 1,
            Status::Skip => 2,
        },
        "Details": row.details,
        "Action": row.advice().unwrap_or_default(),
    })
}
