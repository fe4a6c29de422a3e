//! Configurations that the edge pushes, and the one that it is told.

use std::sync::Arc;

use adit_config::overrides::ConfigurationFlags;
use adit_config::{Provenance, Rules, Service};
use adit_edge::LocalConfiguration;
use adit_ingress::Ingress;
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer;
use adit_wire::configuration::{Applied, Update};
use prometheus::{IntGauge, Registry};

use crate::failure::Failure;

/// Puts pushed configurations in force.
#[derive(Debug)]
pub(crate) struct Remote {
    ingress: Arc<Ingress>,
    flags: ConfigurationFlags,
    version: IntGauge,
}

impl Remote {
    /// Returns what puts configurations in force at `ingress`.
    ///
    /// # Errors
    ///
    /// Fails when the metric of the version is taken.
    pub(crate) fn new(
        ingress: Arc<Ingress>,
        flags: ConfigurationFlags,
        registry: &Registry,
    ) -> Result<Self, Failure> {
        let told = |error: prometheus::Error| Failure::new(error.to_string());
        let version = IntGauge::new(
            "cloudflared_orchestration_config_version",
            "Version of the configuration in force",
        );
        let version = version.map_err(told)?;
        registry.register(Box::new(version.clone())).map_err(told)?;
        Ok(Self {
            ingress,
            flags,
            version,
        })
    }

    /// Returns what tells the edge the rules of this machine.
    pub(crate) fn local_configuration(self: &Arc<Self>) -> LocalConfiguration {
        let this = Arc::clone(self);
        Arc::new(move || {
            // The edge asks because it manages nothing itself.
            this.ingress.settle();
            let rules = this.ingress.rules().ok_or("no rules are in force yet")?;
            Ok(adit_config::report::local(&rules, &this.flags).into())
        })
    }

    /// Puts the rules of this machine in force. Those that nobody wrote only stand in for what the
    /// edge may send.
    ///
    /// # Errors
    ///
    /// Fails when a service cannot be started.
    pub(crate) fn start(&self, rules: Rules) -> Result<(), Failure> {
        let started = match rules.provenance {
            Provenance::BuiltIn => self.ingress.stand_in(rules),
            Provenance::File | Provenance::SingleOrigin | Provenance::Remote => self.ingress.start(rules),
        };
        started.map_err(Failure::of_error)?;
        self.announce();
        Ok(())
    }

    /// Tells that the built-in page is served, if a rule asks for it.
    fn announce(&self) {
        let rules = self.ingress.rules();
        let mut services = rules
            .iter()
            .flat_map(|rules| &rules.rules)
            .map(|rule| &rule.service);
        if services.any(|service| matches!(service, Service::HelloWorld)) {
            tracing::info!("Starting Hello World server inside the connector");
        }
    }

    fn apply(&self, update: &Update) -> Applied {
        let received = update.version;
        let refused = |error: String| Applied {
            version: self.ingress.version(),
            error,
        };
        let current = self.ingress.version();
        if received <= current {
            tracing::debug!(
                current_version = current,
                received_version = received,
                "Current version is equal or newer than received version"
            );
            return refused(String::new());
        }
        let config = String::from_utf8_lossy(&update.configuration);
        let rules = match adit_config::remote::read(&update.configuration, &self.flags) {
            Ok(rules) => rules,
            Err(error) => {
                let error = error.problem;
                tracing::error!(error, version = received, %config, "Failed to deserialize new configuration");
                return refused(error);
            }
        };
        if let Err(error) = self.ingress.update(received, rules) {
            let error = crate::logging::chain(&error);
            tracing::error!(error, version = received, %config, "Failed to update ingress");
            return refused(error);
        }
        self.announce();
        tracing::info!(version = received, %config, "Updated to new configuration");
        self.version.set(received.into());
        Applied {
            version: self.ingress.version(),
            error: String::new(),
        }
    }
}

impl ConfigurationManager for Remote {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        Box::pin(async move { self.apply(&update) })
    }
}
