//! Tells the metrics server how the connector is doing.

use std::sync::{Arc, OnceLock};

use adit_admin::{Connection, Witness};
use adit_edge::{Registered, Status};
use adit_ingress::Ingress;
use tokio_util::sync::CancellationToken;

/// Looks at the parts of the running connector.
pub(crate) struct Observer {
    /// Known once there is a tunnel.
    status: OnceLock<Status>,
    ingress: Arc<Ingress>,
    leave: CancellationToken,
}

impl Observer {
    /// Returns an observer of these parts.
    pub(crate) const fn new(ingress: Arc<Ingress>, leave: CancellationToken) -> Self {
        Self {
            status: OnceLock::new(),
            ingress,
            leave,
        }
    }

    /// Looks at the connections of a tunnel from now on.
    pub(crate) fn watch(&self, status: Status) {
        // An observer sees one tunnel, the first it is shown.
        drop(self.status.set(status));
    }

    fn registered(&self) -> Vec<Arc<Registered>> {
        self.status.get().map(Status::connections).unwrap_or_default()
    }
}

impl Witness for Observer {
    fn connections(&self) -> Vec<Connection> {
        if self.leave.is_cancelled() {
            return Vec::new();
        }
        let registered = self.registered();
        let connections = registered.iter().map(|registered| Connection {
            index: registered.index,
            transport: registered.transport,
            edge: registered.address.ip(),
        });
        connections.collect()
    }

    fn configuration(&self) -> Result<String, String> {
        let rules = self.ingress.rules().ok_or("no rules are in force yet")?;
        Ok(adit_config::report::in_force(self.ingress.version(), &rules))
    }

    fn obstacles(&self) -> Vec<String> {
        if self.leave.is_cancelled() {
            return vec!["the connector is leaving".into()];
        }
        if self.registered().is_empty() {
            return vec!["no connection to the edge is registered".into()];
        }
        Vec::new()
    }
}
