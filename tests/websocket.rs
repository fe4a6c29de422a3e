//! WebSockets: messages of all sizes to origins of all kinds, and byte streams in the frames of one.

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::origin::pattern;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message, error::ProtocolError};
use tokio_tungstenite::{accept_async, client_async};

use crate::bridge;
use crate::registration::assert_clean;
use crate::subject::Subject;
use crate::world::{self, over_both_transports, soon};

const MIB: u64 = 1024 * 1024;
/// Lengths of messages: around the borders of the framing and of every buffer on the way.
const LENGTHS: [u64; 14] = [
    1,
    2,
    125,
    126,
    127,
    4096,
    16 * 1024 - 1,
    16 * 1024,
    16 * 1024 + 1,
    65_535,
    65_536,
    MIB,
    4 * MIB + 3,
    16 * MIB,
];
/// What a byte stream carries each way.
const STREAM: u64 = 3 * MIB + 17;

over_both_transports!(
    messages_of_all_sizes_pass_to_a_tcp_origin,
    messages_of_all_sizes_pass_to_a_unix_origin,
    messages_of_all_sizes_pass_to_a_tls_origin,
    an_origin_that_answers_after_the_end_is_heard,
    messages_of_all_sizes_reach_a_byte_stream_whole,
);

async fn messages_of_all_sizes_pass_to_a_tcp_origin(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let accept = async move || listener.accept().await.expect("a connection").0;
    echoes(transport, &format!("service: ws://{address}"), accept).await;
}

async fn messages_of_all_sizes_pass_to_a_unix_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("origin.sock");
    let listener = UnixListener::bind(&path).expect("a new socket");
    let accept = async move || listener.accept().await.expect("a connection").0;
    echoes(transport, &format!("service: unix:{}", path.display()), accept).await;
}

async fn messages_of_all_sizes_pass_to_a_tls_origin(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pool = folder.path().join("pool.pem");
    let acceptor = world::acceptor("origin.test", &pool, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let rule = format!(
        "service: wss://{address}\n  originRequest:\n    originServerName: origin.test\n    caPool: {}",
        pool.display()
    );
    let accept = async move || {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await.expect("a handshake")
    };
    echoes(transport, &rule, accept).await;
}

async fn started(transport: Transport, rule: &str) -> (Edge, Subject) {
    let edge = world::edge().await;
    let rules = format!("ingress:\n- {rule}\n");
    let connector = world::connector(&edge, &rules).over(transport).start();
    world::registered(&edge, &connector).await;
    (edge, connector)
}

/// Lets an origin send back every message, and speak first and last.
async fn echoes<S>(transport: Transport, rule: &str, accept: impl AsyncFn() -> S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (edge, _connector) = started(transport, rule).await;
    let origin = async {
        let stream = soon("the origin is asked", accept()).await;
        let mut socket = accept_async(stream).await.expect("a WebSocket");
        socket
            .send(Message::text("welcome"))
            .await
            .expect("the visitor listens");
        while let Some(message) = soon("a message or the end", socket.next()).await {
            let message = message.expect("a message");
            if message.is_binary() {
                socket.send(message).await.expect("the visitor listens");
            }
        }
    };
    let visitor = async {
        let stream = TcpStream::connect(edge.front()).await.expect("the edge listens");
        let opened = client_async("ws://app.example.com/socket", stream).await;
        let (mut socket, answer) = opened.expect("a WebSocket");
        assert_eq!(answer.status(), 101);
        let first = soon("the origin speaks", socket.next()).await.expect("a message");
        assert_eq!(first.expect("a message"), Message::text("welcome"));
        for length in LENGTHS {
            let sent = Message::binary(pattern(length, length));
            socket.send(sent.clone()).await.expect("the origin listens");
            let echo = soon("an echo", socket.next()).await.expect("a message");
            assert!(
                echo.expect("a message") == sent,
                "{length} bytes came back as others"
            );
        }
        socket.close(None).await.expect("the origin listens");
        loop {
            match soon("the end", socket.next()).await {
                Some(Ok(_)) => {}
                None | Some(Err(WebSocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    return;
                }
                Some(Err(error)) => panic!("{error}"),
            }
        }
    };
    tokio::join!(origin, visitor);
    assert_clean(&edge);
}

/// Half-close: upstream loses what an origin says after the visitor has ended.
async fn an_origin_that_answers_after_the_end_is_heard(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (edge, _connector) = started(transport, &format!("service: tcp://{address}")).await;
    let bridge = bridge::Bridge::to(&edge, "tcp.example.com").await;

    let mut origin = JoinSet::new();
    origin.spawn(async move {
        let (mut stream, _) = soon("the origin is asked", listener.accept())
            .await
            .expect("a connection");
        let mut heard = Vec::new();
        soon("all the visitor says", stream.read_to_end(&mut heard))
            .await
            .expect("an end");
        stream.write_all(&heard).await.expect("the visitor listens");
        heard.len()
    });
    let mut client = TcpStream::connect(bridge.address())
        .await
        .expect("the bridge listens");
    let said = pattern(0, STREAM);
    client.write_all(&said).await.expect("the origin listens");
    client.shutdown().await.expect("the origin listens");
    let mut heard = Vec::new();
    soon("all the origin says", client.read_to_end(&mut heard))
        .await
        .expect("an end");
    assert!(heard == said, "{} bytes of {} came back", heard.len(), said.len());
    let counted = origin.join_next().await.expect("the origin has run");
    assert_eq!(counted.expect("it does not panic") as u64, STREAM);
    assert_clean(&edge);
}

/// Upstream delivers no more than 16 KiB of a message.
async fn messages_of_all_sizes_reach_a_byte_stream_whole(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (edge, _connector) = started(transport, &format!("service: tcp://{address}")).await;
    let stream = bridge::shake_hands(edge.front(), "tcp.example.com")
        .await
        .expect("a WebSocket");
    let (mut origin, _) = soon("the origin is asked", listener.accept())
        .await
        .expect("a connection");
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);

    for length in LENGTHS {
        let message = pattern(length, length);
        let mut heard = vec![0; message.len()];
        let framed = bridge::frame(&message);
        let (said, read) = tokio::join!(
            writer.write_all(&framed),
            soon("a message", origin.read_exact(&mut heard))
        );
        said.expect("the connector listens");
        read.expect("the whole message");
        assert!(heard == message, "{length} bytes arrived as others");

        let answer = async {
            let mut back = Vec::new();
            while back.len() < message.len() {
                let part = soon("an answer", bridge::next(&mut reader))
                    .await
                    .expect("a frame");
                back.extend(part.expect("more"));
            }
            back
        };
        let (said, back) = tokio::join!(origin.write_all(&message), answer);
        said.expect("the connector listens");
        assert!(back == message[..], "{length} bytes came back as others");
    }
    drop(origin);
    assert_eq!(
        soon("the end", bridge::next(&mut reader))
            .await
            .expect("a clean end"),
        None
    );
    assert_clean(&edge);
}
