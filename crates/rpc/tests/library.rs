//! Conversations with the library that this crate does without, and code generated for it.

use std::sync::Mutex;
use std::time::Duration;

use adit_rpc::server::{Answer, Exception};
use adit_rpc::{CallError, ConfigurationManager, Exports, Retry, SessionManager, client, serve};
use adit_wire::Intake;
use adit_wire::configuration::{Applied, Update};
use adit_wire::registration::{Auth, Client, Details, Options, Register};
use adit_wire::session::{Close, Open, Opened};
use bytes::Bytes;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{RpcSystem, twoparty};
use schema::calls_capnp as calls;
use tokio::io::{DuplexStream, duplex, split};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};
use uuid::Uuid;

#[expect(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_ref_mut,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::semicolon_if_nothing_returned,
    unused_qualifications,
    unreachable_pub,
    missing_debug_implementations,
    unnameable_types,
    dead_code,
    reason = "generated"
)]
#[path = "../../wire/tests/schema"]
mod schema {
    #[rustfmt::skip]
    pub mod calls_capnp;
}

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_server_of_the_library_registers() {
    let (near, far) = duplex(4096);
    let edge: calls::registration_server::Client = capnp_rpc::new_client(Edge);
    let edge = RpcSystem::new(Box::new(network(far, Side::Server)), Some(edge.client));
    let (reader, writer) = split(near);
    let (registration, conversation) = client::begin(reader, writer);
    let connector = async move {
        let accepted = registration.register(request(3), LIMIT).await;
        let refused = registration.register(request(4), LIMIT).await;
        let failed = registration.register(request(5), LIMIT).await;
        let updated = registration
            .update_local_configuration(Bytes::from_static(b"{}"), LIMIT)
            .await;
        let unregistered = registration.unregister(LIMIT).await;
        (accepted, refused, failed, updated, unregistered)
    };
    let (ended, (accepted, refused, failed, updated, unregistered)) = tokio::select! {
        both = async { tokio::join!(conversation, connector) } => both,
        error = edge => panic!("the library gave up: {error:?}"),
    };
    ended.expect("this side took its leave");
    let details = Details {
        id: Uuid::from_u128(7),
        location: "lhr22".into(),
        remotely_managed: true,
    };
    assert_eq!(accepted, Ok(details));
    let retry = Retry::After(Duration::from_secs(5));
    let cause = "Unauthorized: try later".into();
    assert_eq!(refused, Err(CallError::Refused { cause, retry }));
    assert!(matches!(failed, Err(CallError::Exception { reason, .. }) if reason.contains("on purpose")));
    assert_eq!(updated, Ok(()));
    assert_eq!(unregistered, Ok(()));
}

#[tokio::test]
async fn a_client_of_the_library_is_served() {
    let (near, far) = duplex(4096);
    let mut edge = RpcSystem::new(Box::new(network(far, Side::Client)), None);
    let connector: calls::cloudflared_server::Client = edge.bootstrap(Side::Server);
    let seen = Connector::default();
    let exports = Exports {
        sessions: &seen,
        configuration: &seen,
    };
    let served = serve(Intake::new(), split(near), exports, LIMIT);
    tokio::select! {
        result = served => panic!("served until {result:?}"),
        error = edge => panic!("the library gave up: {error:?}"),
        () = call_everything(connector) => (),
    }
    let seen = seen.0.into_inner().expect("nobody panicked");
    assert_eq!(
        seen,
        [
            r#"Update { version: 5, configuration: b"{}" }"#,
            "Open { session: 00000000-0000-0000-0000-000000000009, address: b\"\\n\\0\\0\\x01\", port: 53, idle: -1, trace: \"a:b:c:d\" }",
            "Close { session: 00000000-0000-0000-0000-000000000009, message: \"gone\" }",
        ]
    );
}

async fn call_everything(connector: calls::cloudflared_server::Client) {
    let cast = capnp::capability::FromClientHook::new;
    let hook = || capnp::capability::FromClientHook::as_client_hook(&connector).add_ref();
    let configuration: calls::configuration_manager::Client = cast(hook());
    let mut update = configuration.update_configuration_request();
    update.get().set_version(5);
    update.get().set_config(b"{}");
    let applied = update.send().promise.await.expect("results");
    let applied = applied
        .get()
        .and_then(|results| results.get_result())
        .expect("a result");
    assert_eq!(applied.get_latest_applied_version(), 4);
    assert_eq!(applied.get_err().expect("a text").as_bytes(), b"not that one");

    let sessions: calls::session_manager::Client = capnp::capability::FromClientHook::new(hook());
    let id = Uuid::from_u128(9);
    let mut open = sessions.register_udp_session_request();
    open.get().set_session_id(id.as_bytes());
    open.get().set_dst_ip(&[10, 0, 0, 1]);
    open.get().set_dst_port(53);
    open.get().set_close_after_idle_hint(-1);
    open.get().set_trace_context("a:b:c:d");
    let opened = open.send().promise.await.expect("results");
    let opened = opened
        .get()
        .and_then(|results| results.get_result())
        .expect("a result");
    assert!(!opened.has_err());
    assert_eq!(opened.get_spans().expect("bytes"), b"spans");

    let mut close = sessions.unregister_udp_session_request();
    close.get().set_session_id(id.as_bytes());
    close.get().set_message("gone");
    let Err(error) = close.send().promise.await else {
        panic!("it was to fail")
    };
    assert!(error.extra.contains("no such session"), "{error:?}");
    let mut close = sessions.unregister_udp_session_request();
    close.get().set_session_id(&[1, 2, 3]);
    let Err(error) = close.send().promise.await else {
        panic!("it was to fail")
    };
    assert!(error.extra.contains("invalid UUID (got 3 bytes)"), "{error:?}");
}

fn network(stream: DuplexStream, side: Side) -> twoparty::VatNetwork<impl futures_util::AsyncRead + Unpin> {
    let (reader, writer) = split(stream);
    twoparty::VatNetwork::new(
        reader.compat(),
        writer.compat_write(),
        side,
        capnp::message::ReaderOptions::new(),
    )
}

fn request(index: u8) -> Register {
    Register {
        auth: Auth {
            account: "account".into(),
            secret: Bytes::from_static(&[1, 2, 3]),
        },
        tunnel: Uuid::from_u128(42),
        index,
        options: Options {
            client: Client {
                id: Uuid::from_u128(43),
                features: vec!["one".into(), "two".into()],
                version: "1.2.3".into(),
                platform: "linux_amd64".into(),
            },
            local_address: Some([192, 0, 2, 10].into()),
            replace_existing: true,
            compression_quality: 1,
            previous_attempts: 2,
        },
    }
}

/// An edge that checks what it is told.
struct Edge;

impl calls::registration_server::Server for Edge {
    async fn register_connection(
        self: capnp::capability::Rc<Self>,
        params: calls::registration_server::RegisterConnectionParams,
        mut results: calls::registration_server::RegisterConnectionResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        check(&params)?;
        let mut result = results.get().init_result().init_result();
        match params.get_conn_index() {
            3 => {
                let mut details = result.init_connection_details();
                details.set_uuid(Uuid::from_u128(7).as_bytes());
                details.set_location_name("lhr22");
                details.set_tunnel_is_remotely_managed(true);
            }
            4 => {
                let mut error = result.reborrow().init_error();
                error.set_cause("Unauthorized: try later");
                error.set_retry_after(5_000_000_000);
                error.set_should_retry(true);
            }
            _ => return Err(capnp::Error::failed("on purpose".into())),
        }
        Ok(())
    }

    async fn unregister_connection(
        self: capnp::capability::Rc<Self>,
        _: calls::registration_server::UnregisterConnectionParams,
        _: calls::registration_server::UnregisterConnectionResults,
    ) -> capnp::Result<()> {
        Ok(())
    }

    async fn update_local_configuration(
        self: capnp::capability::Rc<Self>,
        params: calls::registration_server::UpdateLocalConfigurationParams,
        _: calls::registration_server::UpdateLocalConfigurationResults,
    ) -> capnp::Result<()> {
        assert_eq!(params.get()?.get_config()?, b"{}");
        Ok(())
    }
}

fn check(params: &calls::registration_server::register_connection_params::Reader<'_>) -> capnp::Result<()> {
    let auth = params.get_auth()?;
    assert_eq!(auth.get_account_tag()?.as_bytes(), b"account");
    assert_eq!(auth.get_tunnel_secret()?, [1, 2, 3]);
    assert_eq!(params.get_tunnel_id()?, Uuid::from_u128(42).as_bytes());
    let options = params.get_options()?;
    assert_eq!(options.get_origin_local_ip()?[10..], [0xff, 0xff, 192, 0, 2, 10]);
    assert!(options.get_replace_existing());
    assert_eq!(options.get_compression_quality(), 1);
    assert_eq!(options.get_num_previous_attempts(), 2);
    let client = options.get_client()?;
    assert_eq!(client.get_client_id()?, Uuid::from_u128(43).as_bytes());
    assert_eq!(client.get_features()?.len(), 2);
    assert_eq!(client.get_features()?.get(1)?.as_bytes(), b"two");
    assert_eq!(client.get_version()?.as_bytes(), b"1.2.3");
    assert_eq!(client.get_arch()?.as_bytes(), b"linux_amd64");
    Ok(())
}

/// A connector that notes what it is asked.
#[derive(Default)]
struct Connector(Mutex<Vec<String>>);

impl Connector {
    fn note(&self, asked: &dyn std::fmt::Debug) {
        self.0.lock().expect("nobody panicked").push(format!("{asked:?}"));
    }
}

impl SessionManager for Connector {
    fn register_udp_session(&self, open: Open) -> Answer<'_, Opened> {
        self.note(&open);
        let spans = Some(Bytes::from_static(b"spans"));
        Box::pin(async {
            Opened {
                error: String::new(),
                spans,
            }
        })
    }

    fn unregister_udp_session(&self, close: Close) -> Answer<'_, Result<(), Exception>> {
        self.note(&close);
        Box::pin(async { Err(Exception("no such session".into())) })
    }
}

impl ConfigurationManager for Connector {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        self.note(&update);
        Box::pin(async {
            Applied {
                version: 4,
                error: "not that one".into(),
            }
        })
    }
}
