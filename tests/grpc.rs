//! gRPC: one message, a stream of them, and a conversation, with the trailers that end each call.

use std::convert::Infallible;
use std::path::Path;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::origin::pattern;
use adit_loopback::request::Request;
use adit_loopback::visitor::Response;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::mpsc;

use crate::peers::{self, Server};
use crate::registration::assert_clean;
use crate::world::{self, over_both_transports, soon, visit};

const NAME: &str = "origin.test";
/// A message that no window on the way takes at once.
const LARGE: u64 = 5 * 1024 * 1024 + 1;
/// What a server streams.
const STREAMED: usize = 500;
/// The turns of a conversation.
const TURNS: usize = 50;
/// `NOT_FOUND`.
const NOT_FOUND: &str = "5";

over_both_transports!(
    calls_end_as_the_server_says_over_tls,
    calls_end_as_the_server_says_in_the_clear,
);

async fn calls_end_as_the_server_says_over_tls(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    peers::self_signed(folder, NAME);
    let (port, _server) = serve(folder, &[&format!("{NAME}.pem"), &format!("{NAME}.key")]).await;
    let rules = format!(
        "ingress:\n- service: https://127.0.0.1:{port}\n\
         \x20 originRequest: {{ http2Origin: true, originServerName: {NAME}, caPool: {}/{NAME}.pem }}\n",
        folder.display()
    );
    judge(transport, &rules).await;
}

async fn calls_end_as_the_server_says_in_the_clear(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (port, _server) = serve(folder.path(), &[]).await;
    let rules = format!(
        "ingress:\n- service: http://127.0.0.1:{port}\n  originRequest: {{ http2PriorKnowledge: true }}\n"
    );
    judge(transport, &rules).await;
}

async fn serve(folder: &Path, files: &[&str]) -> (u16, Server) {
    peers::need(Path::new("/usr/lib/python3/dist-packages/grpc"));
    let mut python = peers::command("python3", folder);
    python
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/grpc_server.py"))
        .args(files);
    let server = Server::start(python);
    let line = server.err.with("listening on port ").await;
    let port = line.rsplit(' ').next().and_then(|port| port.parse().ok());
    (port.expect("a port"), server)
}

async fn judge(transport: Transport, rules: &str) {
    let edge = world::edge().await;
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    unary(&edge, transport).await;
    server_stream(&edge, transport).await;
    converse(&edge, transport).await;
    fail(&edge).await;
    assert_clean(&edge);
}

async fn unary(edge: &Edge, transport: Transport) {
    let message = pattern(3, LARGE);
    let mut call = Call::begin(edge, "Unary", &message, None).await;
    let answer = call.message().await.expect("an answer");
    assert!(answer.iter().eq(message.iter().rev()), "the answer is another");
    call.ends_well(transport, "x-length", &LARGE.to_string()).await;
}

async fn server_stream(edge: &Edge, transport: Transport) {
    let count = STREAMED.to_string();
    let mut call = Call::begin(edge, "ServerStream", count.as_bytes(), None).await;
    for number in 0..STREAMED {
        let message = call.message().await.expect("a message");
        assert_eq!(message, format!("message {number}"));
    }
    call.ends_well(transport, "x-count", &count).await;
}

/// Each message is written when the one before it has been answered.
async fn converse(edge: &Edge, transport: Transport) {
    let (say, said) = mpsc::channel(1);
    let mut call = Call::begin(edge, "Bidi", b"turn 0", Some(said)).await;
    for turn in 0..TURNS {
        let answer = call.message().await.expect("an answer");
        assert_eq!(answer, format!("heard turn {turn}"));
        if turn + 1 < TURNS {
            let next = prefixed(format!("turn {}", turn + 1).as_bytes());
            say.send(next).await.expect("the call goes on");
        }
    }
    drop(say);
    call.ends_well(transport, "x-count", &TURNS.to_string()).await;
}

/// A call that fails at once has its trailers in the head: no transport loses those.
async fn fail(edge: &Edge) {
    let mut call = Call::begin(edge, "Fail", b"", None).await;
    assert_eq!(call.message().await, None);
    assert_eq!(call.answer.header("grpc-status"), Some(NOT_FOUND));
    assert_eq!(call.answer.header("grpc-message"), Some("nothing of that name"));
}

/// A call from the side of its client.
struct Call {
    answer: Response,
    /// Bytes of messages that have arrived and are not yet read.
    rest: BytesMut,
}

impl Call {
    /// Calls a method with one message, and with more if there are.
    async fn begin(edge: &Edge, method: &str, first: &[u8], more: Option<mpsc::Receiver<Bytes>>) -> Self {
        let first = Some(prefixed(first));
        let frames = unfold((first, more), async |(first, mut more)| {
            let next = match (first, &mut more) {
                (Some(first), _) => first,
                (None, Some(more)) => more.recv().await?,
                (None, None) => return None,
            };
            Some((Ok::<_, Infallible>(Frame::data(next)), (None, more)))
        });
        let request = Request::new("POST", &format!("https://grpc.example.com/test.Peer/{method}"))
            .header("Content-Type", "application/grpc")
            .header("Te", "trailers")
            .header("User-Agent", "grpc-test/1")
            .body(StreamBody::new(Box::pin(frames)));
        let answer = visit(edge, request).await;
        assert_eq!(answer.status(), 200, "{method}: {:?}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        let rest = BytesMut::new();
        Self { answer, rest }
    }

    /// Waits for a message; nothing at the end.
    async fn message(&mut self) -> Option<Bytes> {
        loop {
            if let Some(mut head) = self.rest.get(..PREFIX) {
                assert_eq!(head.get_u8(), 0, "nobody has agreed to compression");
                let end = PREFIX + usize::try_from(head.get_u32()).expect("a length");
                if self.rest.len() >= end {
                    let message = self.rest.split_to(end).freeze();
                    return Some(message.slice(PREFIX..));
                }
            }
            match soon("a message or the end", self.answer.chunk())
                .await
                .expect("no reset")
            {
                Some(chunk) => self.rest.extend_from_slice(&chunk),
                None => {
                    assert!(self.rest.is_empty(), "half a message: {:?}", self.rest);
                    return None;
                }
            }
        }
    }

    /// Waits for the end, which must be a good one, and for a trailer of the method's own. QUIC has
    /// no place for trailers.
    async fn ends_well(mut self, transport: Transport, name: &str, value: &str) {
        assert_eq!(self.message().await, None);
        let trailers = soon("trailers", self.answer.trailers()).await.expect("no reset");
        if transport == Transport::Quic {
            return assert_eq!(trailers, None);
        }
        let trailers = trailers.expect("trailers");
        assert_eq!(
            trailers.get("grpc-status").map(|status| status.as_bytes()),
            Some(b"0".as_slice())
        );
        assert_eq!(
            trailers.get(name).map(|own| own.as_bytes()),
            Some(value.as_bytes())
        );
    }
}

/// What a message is prefixed with: whether it is compressed, and its length.
const PREFIX: usize = 5;

fn prefixed(message: &[u8]) -> Bytes {
    let mut prefixed = BytesMut::with_capacity(PREFIX + message.len());
    prefixed.put_u8(0);
    prefixed.put_u32(u32::try_from(message.len()).expect("a length that fits"));
    prefixed.put_slice(message);
    prefixed.freeze()
}

/// Where trailers cannot travel it is said at the start, and when rules that need them arrive.
#[tokio::test]
async fn what_breaks_grpc_is_told() {
    const NEEDS: &str =
        "ingress:\n- service: http://127.0.0.1:1\n  originRequest: { http2PriorKnowledge: true }\n";
    const ARRIVES: &str =
        r#"{"ingress": [{"service": "https://127.0.0.1:1", "originRequest": {"http2Origin": true}}]}"#;
    let edge = world::edge().await;
    let connector = world::connector(&edge, NEEDS).over(Transport::Quic).start();
    let line = connector.err.with("Trailers of HTTP/2 origins are lost").await;
    assert!(line.contains("rules=0"), "{line}");
    let pushed = soon("an answer", edge.push(1, ARRIVES)).await;
    assert_eq!(pushed.expect("the push is answered").version, 1);
    connector
        .err
        .nth_with(1, "Trailers of HTTP/2 origins are lost")
        .await;

    let other = world::edge().await;
    let connector = world::connector(&other, NEEDS).over(Transport::Http2).start();
    world::registered(&other, &connector).await;
    assert_eq!(connector.err.seen("Trailers"), Vec::<String>::new());
}
