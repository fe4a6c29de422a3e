//! Conversations between both ends as this crate has them, and what happens when one leaves.

use std::sync::Mutex;
use std::time::Duration;

use adit_rpc::far::{self, RegistrationServer, serve_registration};
use adit_rpc::server::{Answer, Exception};
use adit_rpc::{CallError, ConfigurationManager, Ended, Exports, SessionManager, client, serve};
use adit_wire::configuration::{Applied, Update};
use adit_wire::registration::{Auth, Client, Details, Options, Refused, Register, Registered};
use adit_wire::session::{Close, Open, Opened};
use adit_wire::{Intake, preamble};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::sync::Notify;
use uuid::Uuid;

/// Longer than any of this takes.
const AMPLE: Duration = Duration::from_secs(30);

/// For calls that nobody answers.
const SHORT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_connection_registers_and_takes_its_leave() {
    let (near, far) = duplex(64);
    let edge = Edge::default();
    let (registration, conversation) = begin(near);
    let connector = async move {
        let details = registration.register(request(0), AMPLE).await;
        registration
            .update_local_configuration(Bytes::from(vec![b' '; 100_000]), AMPLE)
            .await?;
        registration.unregister(AMPLE).await?;
        details
    };
    let (left, details, seen) = tokio::join!(conversation, connector, serve_registration(split(far), &edge));
    left.expect("it took its leave");
    assert_eq!(details, Ok(accepted()));
    assert!(matches!(seen, Err(Ended::Aborted(reason)) if reason == "rpc: shutdown"));
    let seen = edge.seen.into_inner().expect("nobody panicked");
    assert_eq!(
        seen,
        ["register 0", "configuration of 100000 bytes", "unregister"]
    );
}

#[tokio::test]
async fn a_duplicate_is_told_from_other_refusals() {
    let (near, far) = duplex(4096);
    let edge = Edge::default();
    let (registration, conversation) = begin(near);
    let connector = async move {
        (
            registration.register(request(1), AMPLE).await,
            registration.register(request(2), AMPLE).await,
        )
    };
    let (_, (duplicate, failed), _) =
        tokio::join!(conversation, connector, serve_registration(split(far), &edge));
    assert_eq!(duplicate, Err(CallError::Duplicate));
    let text = failed.expect_err("it was to fail").to_string();
    let expected =
        "tunnelrpc/proto/tunnelrpc.capnp:RegistrationServer.registerConnection: rpc exception: broken";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_spoil_later_calls() {
    let (near, far) = duplex(4096);
    let edge = Edge::default();
    let (registration, conversation) = begin(near);
    let connector = async {
        let slow = registration.register(request(3), SHORT).await;
        edge.go_on.notify_one();
        let next = registration.register(request(0), AMPLE).await;
        drop(registration);
        (slow, next)
    };
    let (_, (slow, next), _) = tokio::join!(conversation, connector, serve_registration(split(far), &edge));
    assert_eq!(slow, Err(CallError::TimedOut));
    assert_eq!(next, Ok(accepted()));
}

#[tokio::test]
async fn calls_fail_when_the_edge_vanishes() {
    let (near, far) = duplex(4096);
    let (registration, conversation) = begin(near);
    let vanish = async {
        let (mut reader, writer) = split(far);
        reader.read_u8().await.expect("a bootstrap");
        drop((reader, writer));
    };
    let call = registration.register(request(0), AMPLE);
    let (ended, failed, ()) = tokio::join!(conversation, call, vanish);
    assert!(ended.is_err());
    assert_eq!(failed, Err(CallError::Closed));
    let late = registration.unregister(AMPLE).await;
    assert_eq!(late, Err(CallError::Closed));
}

#[tokio::test]
async fn bytes_that_are_no_message_end_a_conversation() {
    let (near, mut far) = duplex(4096);
    let (_registration, conversation) = begin(near);
    let noise = async { far.write_all(&[0xff; 64]).await };
    let (ended, written) = tokio::join!(conversation, noise);
    written.expect("it was read");
    assert!(matches!(ended, Err(Ended::Malformed(_))), "{ended:?}");
}

#[tokio::test]
async fn a_connector_is_called() {
    let (near, far) = duplex(64);
    let (reader, writer) = split(near);
    let (connector, conversation) = far::begin(reader, writer);
    let served = async {
        let (mut reader, writer) = split(far);
        let mut signature = [0; 6];
        reader.read_exact(&mut signature).await.expect("a signature");
        assert_eq!(signature, preamble::RPC);
        serve(Intake::new(), (reader, writer), exports(), AMPLE).await
    };
    let edge = async move {
        let update = Update {
            version: 7,
            configuration: Bytes::from(vec![b'x'; 300_000]),
        };
        let applied = connector.update_configuration(update, AMPLE).await;
        let opened = connector.register_udp_session(open(), AMPLE).await;
        let closed = connector.unregister_udp_session(close(), AMPLE).await;
        (applied, opened, closed)
    };
    let (left, served, (applied, opened, closed)) = tokio::join!(conversation, served, edge);
    left.expect("it took its leave");
    served.expect("that the edge leaves is no failure");
    let applied_seven = Applied {
        version: 7,
        error: String::new(),
    };
    assert_eq!(applied, Ok(applied_seven));
    assert_eq!(opened, Ok(Opened::default()));
    assert_eq!(closed, Ok(()));
}

#[tokio::test]
async fn a_stream_of_calls_lives_for_its_limit() {
    let (near, mut far) = duplex(4096);
    let served = serve(Intake::new(), split(near), exports(), SHORT);
    let mut last_words = Vec::new();
    let (result, read) = tokio::join!(served, far.read_to_end(&mut last_words));
    result.expect("the limit is no failure");
    assert_eq!(read.expect("an end"), 64);
    assert_eq!(&last_words[48..61], b"rpc: shutdown");
}

#[tokio::test]
async fn an_edge_that_asks_without_listening_is_not_served() {
    let (near, far) = duplex(1024);
    let served = serve(Intake::new(), split(near), exports(), AMPLE);
    let flood = async {
        let (_deaf, mut writer) = split(far);
        let bootstrap = [
            0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        for question in 0..100_u8 {
            let mut message: [u8; 48] = bootstrap;
            message[32] = question;
            if writer.write_all(&message).await.is_err() {
                return;
            }
        }
    };
    let (result, ()) = tokio::join!(served, flood);
    assert!(result.is_err(), "{result:?}");
}

fn begin(
    stream: DuplexStream,
) -> (
    adit_rpc::Registration,
    impl Future<Output = Result<(), Ended>> + Send,
) {
    let (reader, writer) = split(stream);
    client::begin(reader, writer)
}

fn request(index: u8) -> Register {
    Register {
        auth: Auth {
            account: "account".into(),
            secret: Bytes::from_static(b"secret"),
        },
        tunnel: Uuid::from_u128(1),
        index,
        options: Options {
            client: Client {
                id: Uuid::from_u128(2),
                features: Vec::new(),
                version: "1".into(),
                platform: "linux_amd64".into(),
            },
            local_address: None,
            replace_existing: false,
            compression_quality: 0,
            previous_attempts: 0,
        },
    }
}

fn accepted() -> Details {
    Details {
        id: Uuid::from_u128(3),
        location: "here".into(),
        remotely_managed: false,
    }
}

/// An edge that answers by the index of the connection.
#[derive(Default)]
struct Edge {
    seen: Mutex<Vec<String>>,
    go_on: Notify,
}

impl Edge {
    fn note(&self, what: String) {
        self.seen.lock().expect("nobody panicked").push(what);
    }
}

impl RegistrationServer for Edge {
    fn register(&self, request: Register) -> Answer<'_, Result<Registered, Exception>> {
        self.note(format!("register {}", request.index));
        Box::pin(async move {
            match request.index {
                1 => Ok(Registered::Refused(Refused {
                    cause: "EDUPCONN".into(),
                    retry: false,
                    after: Duration::ZERO,
                })),
                2 => Err(Exception("broken".into())),
                3 => {
                    self.go_on.notified().await;
                    Ok(Registered::Accepted(accepted()))
                }
                _ => Ok(Registered::Accepted(accepted())),
            }
        })
    }

    fn update_local_configuration(&self, json: Bytes) -> Answer<'_, Result<(), Exception>> {
        self.note(format!("configuration of {} bytes", json.len()));
        Box::pin(async { Ok(()) })
    }

    fn unregister(&self) -> Answer<'_, Result<(), Exception>> {
        self.note("unregister".into());
        Box::pin(async { Ok(()) })
    }
}

struct Connector;

fn exports() -> Exports<'static> {
    Exports {
        sessions: &Connector,
        configuration: &Connector,
    }
}

fn open() -> Open {
    Open {
        session: Uuid::from_u128(4),
        address: Bytes::from_static(&[127, 0, 0, 1]),
        port: 53,
        idle: 0,
        trace: String::new(),
    }
}

fn close() -> Close {
    Close {
        session: Uuid::from_u128(4),
        message: "done".into(),
    }
}

impl SessionManager for Connector {
    fn register_udp_session(&self, request: Open) -> Answer<'_, Opened> {
        assert_eq!(request, open());
        Box::pin(async { Opened::default() })
    }

    fn unregister_udp_session(&self, request: Close) -> Answer<'_, Result<(), Exception>> {
        assert_eq!(request, close());
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
