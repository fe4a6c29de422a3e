//! Origins that misbehave below HTTP: while TLS is agreed on, and in the frames of HTTP/2.

use std::net::SocketAddr;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ill_origins::{SWING, memory};
use crate::registration::assert_clean;
use crate::subject::Subject;
use crate::world::{self, over_both_transports, soon};

/// Rounds before memory is looked at for the first time, and after that.
const WARM: usize = 100;
const MEASURED: usize = 300;
/// Visitors at once.
const AT_ONCE: usize = 8;
/// How long what a client of HTTP/2 says first is.
const PREFACE: usize = 24;
/// More than any head may take.
const ENDLESS: usize = 16 * 1024 * 1024;

/// What an origin does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ill {
    Closes,
    Resets,
    SpeaksHttp1,
    /// It reads and says nothing.
    Silent,
    /// It resets each stream, with this code.
    ResetsStreams(u32),
    /// It says of each connection that it will answer nothing on it.
    GoesAway,
    /// It closes inside a body.
    Dies,
    /// It resets each stream inside a body.
    Cuts,
    /// It sends a head without an end.
    Endless,
}

const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;

/// What a visitor gets.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// A refusal, and these words in the log.
    Refused(&'static str),
    /// A head, a part of the body, and a reset.
    Broken,
}

/// Over TLS: a name, what happens, and what comes of it.
const TLS: [(&str, Ill, Outcome); 4] = [
    ("tls-closes", Ill::Closes, Outcome::Refused(": EOF")),
    (
        "tls-resets",
        Ill::Resets,
        Outcome::Refused("connection reset by peer"),
    ),
    (
        "tls-plain",
        Ill::SpeaksHttp1,
        Outcome::Refused("tls: first record does not look like a TLS handshake"),
    ),
    (
        "tls-silent",
        Ill::Silent,
        Outcome::Refused("net/http: TLS handshake timeout"),
    ),
];

/// As [`TLS`], with frames of HTTP/2.
const FRAMES: [(&str, Ill, Outcome); 9] = [
    ("h2-closes", Ill::Closes, Outcome::Refused("http2: ")),
    ("h2-resets", Ill::Resets, Outcome::Refused("http2: ")),
    ("h2-plain", Ill::SpeaksHttp1, Outcome::Refused("http2: ")),
    (
        "h2-fails",
        Ill::ResetsStreams(INTERNAL_ERROR),
        Outcome::Refused("http2: "),
    ),
    (
        "h2-refuses",
        Ill::ResetsStreams(REFUSED_STREAM),
        Outcome::Refused("http2: "),
    ),
    ("h2-leaves", Ill::GoesAway, Outcome::Refused("http2: ")),
    ("h2-endless", Ill::Endless, Outcome::Refused("http2: ")),
    ("h2-dies", Ill::Dies, Outcome::Broken),
    ("h2-cuts", Ill::Cuts, Outcome::Broken),
];

over_both_transports!(
    each_ill_connection_costs_its_own_requests,
    many_ill_connections_leave_nothing_behind,
    a_visitor_may_leave_an_origin_that_never_answers,
);

/// Starts an origin for each row, and returns the rules that lead to them, and where they are.
async fn origins(tasks: &mut JoinSet<()>) -> (String, Vec<SocketAddr>) {
    let mut rules = String::from("ingress:\n");
    let mut addresses = Vec::new();
    for (name, ill, _) in TLS {
        let address = play(tasks, ill).await;
        addresses.push(address);
        rules += &format!(
            "- hostname: {name}.example.com\n  service: https://{address}\n  originRequest: {{ tlsTimeout: 300ms }}\n"
        );
    }
    for (name, ill, _) in FRAMES {
        let address = play(tasks, ill).await;
        addresses.push(address);
        rules += &format!(
            "- hostname: {name}.example.com\n  service: http://{address}\n  originRequest: {{ http2PriorKnowledge: true }}\n"
        );
    }
    (rules + "- service: http_status:204\n", addresses)
}

async fn play(tasks: &mut JoinSet<()>, ill: Ill) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                // Whatever goes wrong is meant to.
                let _ended = misbehave(stream, ill).await;
            });
            while connections.try_join_next().is_some() {}
        }
    });
    address
}

async fn misbehave(mut stream: TcpStream, ill: Ill) -> std::io::Result<()> {
    match ill {
        Ill::Closes => {
            // What was said is read, lest closing becomes a reset.
            let _length = stream.read(&mut [0; 4096]).await?;
            Ok(())
        }
        Ill::Resets => {
            stream.read_u8().await?;
            stream.set_zero_linger()
        }
        Ill::SpeaksHttp1 => {
            let _length = stream.read(&mut [0; 4096]).await?;
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await?;
            drain(&mut stream).await
        }
        Ill::Silent => drain(&mut stream).await,
        Ill::ResetsStreams(_) | Ill::GoesAway | Ill::Dies | Ill::Cuts | Ill::Endless => {
            speak_frames(&mut stream, ill).await
        }
    }
}

/// Reads to the end.
async fn drain(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Types of frames, and flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` from the static table.
const OK: &[u8] = &[0x88];

async fn speak_frames(stream: &mut TcpStream, ill: Ill) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
        stream.read_exact(&mut payload).await?;
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if head[3] == SETTINGS && head[4] & ACK == 0 {
            stream.write_all(&frame(SETTINGS, ACK, 0, &[])).await?;
        }
        if head[3] == HEADERS {
            answer(stream, ill, id).await?;
            if ill == Ill::Dies {
                // What the connector says is read, lest closing becomes a reset that overtakes.
                stream.shutdown().await?;
                return drain(stream).await;
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, ill: Ill, id: u32) -> std::io::Result<()> {
    let part = [
        frame(HEADERS, END_HEADERS, id, OK),
        frame(DATA, 0, id, b"only this"),
    ]
    .concat();
    let reset = |code: u32| frame(RST_STREAM, 0, id, &code.to_be_bytes());
    match ill {
        Ill::ResetsStreams(code) => stream.write_all(&reset(code)).await,
        Ill::GoesAway => stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8])).await,
        Ill::Dies => stream.write_all(&part).await,
        Ill::Cuts => stream.write_all(&[part, reset(INTERNAL_ERROR)].concat()).await,
        Ill::Endless => {
            stream.write_all(&frame(HEADERS, 0, id, OK)).await?;
            // A literal field of its own, as long as one frame may be.
            let mut field = vec![0, 1, b'x', 0x7f];
            let value = vec![b'v'; 16_000];
            field.extend(prefixed_length(value.len()));
            field.extend(value);
            for _ in 0..ENDLESS / field.len() {
                stream.write_all(&frame(CONTINUATION, 0, id, &field)).await?;
            }
            Ok(())
        }
        Ill::Closes | Ill::Resets | Ill::SpeaksHttp1 | Ill::Silent => Ok(()),
    }
}

/// Continues a length of HPACK that did not fit into seven bits.
fn prefixed_length(length: usize) -> Vec<u8> {
    let mut rest = length - 0x7f;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(0x80 | rest.to_le_bytes()[0]);
        rest >>= 7;
    }
    bytes.push(rest.to_le_bytes()[0]);
    bytes
}

fn frame(kind: u8, flags: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a frame is short")
        .to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    frame
}

async fn started(transport: Transport, rules: &str) -> (Edge, Subject) {
    let edge = world::edge().await;
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    (edge, connector)
}

async fn each_ill_connection_costs_its_own_requests(transport: Transport) {
    let mut tasks = JoinSet::new();
    let (rules, addresses) = origins(&mut tasks).await;
    let (edge, connector) = started(transport, &rules).await;
    for ((name, _, outcome), address) in TLS.iter().chain(&FRAMES).zip(addresses) {
        let visit = edge.visit(Request::get(&format!("https://{name}.example.com/")));
        match (soon(name, visit).await, outcome) {
            (Ok(answer), Outcome::Refused(words)) => {
                assert!(answer.head.refusal.is_some(), "{name}: {:?}", answer.head);
                let line = connector.err.with(&format!("://{address}")).await;
                assert!(line.contains(words), "{name}: {line}");
            }
            (Ok(mut answer), Outcome::Broken) => {
                assert_eq!(answer.status(), 200, "{name}");
                let body = soon("the end", answer.bytes()).await;
                assert!(body.is_err(), "{name}: {body:?}");
            }
            // Over QUIC a reset may overtake the head of the answer.
            (Err(_), Outcome::Broken) => {}
            (Err(error), Outcome::Refused(_)) => panic!("{name}: {error}"),
        }
    }
    let answer = world::visit(&edge, Request::get("https://other.example.com/")).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(connector.err.seen("panicked"), Vec::<String>::new());
    assert_clean(&edge);
}

async fn many_ill_connections_leave_nothing_behind(transport: Transport) {
    let mut tasks = JoinSet::new();
    let (rules, _) = origins(&mut tasks).await;
    let (edge, mut connector) = started(transport, &rules).await;
    rounds(&edge, 0..WARM).await;
    let warm = memory(&connector);
    rounds(&edge, WARM..WARM + MEASURED).await;
    let after = memory(&connector);
    println!("{transport}: {warm} KiB when warm, then {after} KiB");
    assert!(after <= warm + SWING, "{warm} KiB have become {after} KiB");
    assert!(connector.runs());
    assert_eq!(connector.err.seen("panicked"), Vec::<String>::new());
    assert_clean(&edge);
}

/// Lets visitors meet every ill in turn, but for those that take long.
async fn rounds(edge: &Edge, numbers: std::ops::Range<usize>) {
    let quick = |(_, ill, _): &&(&str, Ill, Outcome)| !matches!(ill, Ill::Silent | Ill::Endless);
    let names: Vec<_> = TLS.iter().chain(&FRAMES).filter(quick).map(|row| row.0).collect();
    let visits = stream::iter(numbers).map(|number| {
        let name = names[number % names.len()];
        async move {
            let visit = edge.visit(Request::get(&format!("https://{name}.example.com/")));
            if let Ok(mut answer) = soon(name, visit).await {
                let _body = soon("the end", answer.bytes()).await;
            }
        }
    });
    visits.buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn a_visitor_may_leave_an_origin_that_never_answers(transport: Transport) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let (asked, mut told) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut preface = [0; PREFACE];
        stream.read_exact(&mut preface).await.expect("a preface");
        stream
            .write_all(&frame(SETTINGS, 0, 0, &[]))
            .await
            .expect("the connector listens");
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).expect("a length")];
            stream.read_exact(&mut payload).await.expect("a whole frame");
            if matches!(head[3], HEADERS | RST_STREAM) {
                asked.send(head[3]).await.expect("the test waits");
            }
        }
    });
    let rules =
        format!("ingress:\n- service: http://{address}\n  originRequest: {{ http2PriorKnowledge: true }}\n");
    let (edge, _connector) = started(transport, &rules).await;
    for _ in 0..3 {
        tokio::select! {
            answer = edge.visit(Request::get("https://app.example.com/")) => panic!("{answer:?} out of nothing"),
            asked = soon("the origin is asked", told.recv()) => assert_eq!(asked, Some(HEADERS)),
        }
        assert_eq!(
            soon("the request is taken back", told.recv()).await,
            Some(RST_STREAM)
        );
    }
    assert_clean(&edge);
}
