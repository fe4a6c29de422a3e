//! Whether the connector is ready for requests.

use serde::Serialize;
use uuid::Uuid;

use crate::Witness;
use crate::page::Page;

/// The answer to `/ready`.
#[derive(Serialize)]
struct Ready {
    status: u16,
    #[serde(rename = "readyConnections")]
    ready_connections: usize,
    #[serde(rename = "connectorId")]
    connector_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
}

/// Answers `/ready`; with reasons for `/ready?reasons`.
pub(crate) fn page(witness: &dyn Witness, connector: Uuid, with_reasons: bool) -> Page {
    let ready_connections = witness.connections().len();
    let status = if ready_connections > 0 { 200 } else { 503 };
    let answer = Ready {
        status,
        ready_connections,
        connector_id: connector,
        reasons: with_reasons.then(|| witness.obstacles()),
    };
    Page::text(status, crate::diagnostics::json(&answer))
}
