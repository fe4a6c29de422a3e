//! A tunnel that runs for a test, with an origin of its own.

use std::sync::Arc;
use std::time::Duration;

use adit_edge::{
    Credentials, Dns, Identity, LocalConfiguration, Metrics, Outcome, Parts, Protocol, Roots, Settings,
    Source, Status, Tunnel,
};
use adit_exchange::Proxy;
use adit_loopback::edge::Edge;
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer;
use adit_wire::configuration::{Applied, Update};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A tunnel that runs until it is asked to leave.
pub(crate) struct Adit {
    /// Its connections, as it sees them.
    pub(crate) status: Status,
    /// Asks it to leave.
    pub(crate) leave: CancellationToken,
    /// Ends as it does.
    pub(crate) running: JoinHandle<Outcome>,
}

impl Adit {
    /// Starts a tunnel with this origin.
    #[expect(clippy::disallowed_methods, reason = "the test is the owner")]
    pub(crate) fn run(settings: Settings, origin: Arc<dyn Proxy>) -> Self {
        let local: LocalConfiguration = Arc::new(|| Ok("{\"ingress\":[]}".into()));
        let tunnel = Tunnel::new(Parts {
            settings,
            proxy: origin,
            configuration: Arc::new(Rules),
            local_configuration: local,
            sessions: None,
            metrics: Metrics::new(&Registry::new()).expect("the registry is new"),
        });
        let tunnel = tunnel.expect("the settings are usable");
        let leave = CancellationToken::new();
        Self {
            status: tunnel.status(),
            running: tokio::spawn(tunnel.run(leave.clone())),
            leave,
        }
    }

    /// Asks it to leave and waits until it has.
    pub(crate) async fn drain(self) -> Outcome {
        self.leave.cancel();
        within(self.running).await.expect("it does not panic")
    }
}

/// Returns settings that lead to `edge`.
pub(crate) fn settings(edge: &Edge, protocol: Protocol) -> Settings {
    let credentials = edge.credentials();
    let credentials = Credentials {
        account: credentials.account_tag,
        secret: credentials.secret.into(),
        tunnel: credentials.tunnel_id,
    };
    let identity = Identity {
        connector: Uuid::new_v4(),
        version: "adit/test".to_owned(),
        arch: "linux_amd64".to_owned(),
    };
    let mut settings = Settings::new(credentials, identity);
    settings.source = Source::Fixed(edge.addresses().iter().map(ToString::to_string).collect());
    settings.roots = Roots::from_pem(edge.authority().pem().as_bytes()).expect("it is a root");
    settings.protocol = protocol;
    settings.dns = Dns::Servers(vec![edge.dns().address()]);
    settings.grace = Duration::from_secs(10);
    settings
}

/// Waits, but not forever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), future)
        .await
        .expect("it happens within a minute")
}

/// Takes every configuration but those that say that they are broken.
struct Rules;

impl ConfigurationManager for Rules {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        let broken = update.configuration == "{\"broken\":1}";
        let applied = Applied {
            version: if broken { 7 } else { update.version },
            error: if broken {
                "no configuration".to_owned()
            } else {
                String::new()
            },
        };
        Box::pin(std::future::ready(applied))
    }
}
