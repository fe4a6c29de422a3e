//! What is done with any bytes. The fuzzer and the tests share it.

use std::future::Future;
use std::time::Duration;

use adit_rpc::server::{Answer, Exception};
use adit_rpc::{ConfigurationManager, Exports, SessionManager, client, serve};
use adit_wire::Intake;
use adit_wire::configuration::{Applied, Update};
use adit_wire::session::{Close, Open, Opened};
use tokio::io::sink;

/// Lets a peer say `bytes` to both sides of a conversation.
pub(crate) fn conversation(bytes: &[u8]) {
    drop(run(serve(Intake::new(), (bytes, sink()), exports(), LIMIT)));
    let asked = async {
        let (registration, conversation) = client::begin(bytes, sink());
        let unregister = registration.unregister(LIMIT);
        tokio::join!(conversation, unregister)
    };
    let (ended, called) = run(asked);
    // A peer that has said all cannot keep a conversation open.
    assert!(ended.is_err(), "{called:?}");
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(future)
}

/// Longer than any of this takes.
const LIMIT: Duration = Duration::from_secs(30);

fn exports() -> Exports<'static> {
    Exports {
        sessions: &Connector,
        configuration: &Connector,
    }
}

struct Connector;

impl SessionManager for Connector {
    fn register_udp_session(&self, _: Open) -> Answer<'_, Opened> {
        Box::pin(async { Opened::default() })
    }

    fn unregister_udp_session(&self, _: Close) -> Answer<'_, Result<(), Exception>> {
        Box::pin(async { Ok(()) })
    }
}

impl ConfigurationManager for Connector {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        Box::pin(async move {
            Applied {
                version: update.version,
                error: String::new(),
            }
        })
    }
}
