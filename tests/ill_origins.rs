//! Origins that misbehave: each visitor gets the specified reply, and nothing is left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::registration::assert_clean;
use crate::subject::Subject;
use crate::world::{self, over_both_transports, soon, visit};

const URL: &str = "https://app.example.com";
/// Above the limit of 10 MiB for the head of an answer.
const LARGE: usize = 11 * 1024 * 1024;
/// How much memory may grow by, in KiB, between two looks with many rounds between them.
pub(crate) const SWING: u64 = 4 * 1024;
/// How much of what heads of 11 MiB took an allocator may keep, in KiB, however many there were: up to 73
/// MiB were seen, after 20 heads as after 200.
const KEPT: u64 = 96 * 1024;
/// Rounds before memory is looked at for the first time, and after that.
const WARM: usize = 300;
const MEASURED: usize = 680;
/// Heads of 11 MiB, one after another.
const LARGE_ROUNDS: usize = 200;
/// Visitors at once.
const AT_ONCE: usize = 16;

/// The ways to misbehave that rounds go through.
const ILLS: [&str; 8] = [
    "dies",
    "resets",
    "garbage",
    "closes",
    "cut-head",
    "bad-chunk",
    "stalls",
    "never",
];

over_both_transports!(
    each_ill_origin_gets_the_specified_reply,
    a_thousand_ill_answers_leave_nothing_behind,
);

/// An origin that does what the path says.
struct Ill {
    rules: String,
    seen: watch::Sender<Looked>,
    _task: JoinSet<()>,
}

/// What the origin has seen.
#[derive(Debug, Default)]
struct Looked {
    /// The connections that are open.
    open: usize,
    /// The targets that were asked for.
    asked: BTreeSet<String>,
}

impl Ill {
    async fn run() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = watch::Sender::new(Looked::default());
        let noted = seen.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                noted.send_modify(|looked| looked.open += 1);
                let noted = noted.clone();
                connections.spawn(async move {
                    misbehave(stream, &noted).await;
                    noted.send_modify(|looked| looked.open -= 1);
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            rules: format!("ingress:\n- service: http://{address}\n"),
            seen,
            _task: task,
        }
    }

    /// Waits until the origin has been asked for this.
    async fn asked(&self, target: &str) {
        let mut seen = self.seen.subscribe();
        let asked = seen.wait_for(|looked| looked.asked.contains(target));
        soon("the origin is asked", asked).await.expect("the origin runs");
    }

    /// Waits until the connector has left.
    async fn alone(&self) {
        let mut seen = self.seen.subscribe();
        let alone = seen.wait_for(|looked| looked.open == 0);
        soon("the connector leaves", alone)
            .await
            .expect("the origin runs");
    }
}

/// Answers one request as its path says; a number may follow.
async fn misbehave(mut stream: TcpStream, seen: &watch::Sender<Looked>) {
    let head = world::head(&mut stream).await;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let ill = target
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    seen.send_modify(|looked| {
        looked.asked.insert(target.clone());
    });
    let ok = "HTTP/1.1 200 OK\r\n";
    let answer = match ill {
        "dies" | "resets" | "stalls" => format!("{ok}Content-Length: 100\r\n\r\nonly this"),
        "garbage" => "\u{1}\u{2}\u{3} nothing like HTTP\r\n\r\n".to_owned(),
        "cut-head" => format!("{ok}X-Half: th"),
        "bad-chunk" => format!("{ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "large" => format!("{ok}X-Large: {}\r\n\r\n", "v".repeat(LARGE)),
        _ => String::new(),
    };
    // A connector that has read enough may be gone.
    let _said = stream.write_all(answer.as_bytes()).await;
    match ill {
        "resets" => stream.set_zero_linger().expect("a socket of its own"),
        "stalls" | "never" => {
            // Until the connector leaves.
            let _left = stream.read_u8().await;
        }
        _ => {}
    }
}

async fn each_ill_origin_gets_the_specified_reply(transport: Transport) {
    let origin = Ill::run().await;
    let edge = world::edge().await;
    let connector = world::connector(&edge, &origin.rules).over(transport).start();
    world::registered(&edge, &connector).await;

    let before_the_head = [
        ("/closes", ": EOF"),
        ("/cut-head", "transport connection broken: unexpected EOF"),
        ("/garbage", "transport connection broken: malformed HTTP"),
        (
            "/large",
            "server response headers exceeded 10485760 bytes; aborted",
        ),
    ];
    for (path, cause) in before_the_head {
        let answer = visit(&edge, Request::get(&format!("{URL}{path}"))).await;
        let refusal = answer.head.refusal.clone();
        let refusal = refusal.unwrap_or_else(|| panic!("{path}: {:?}", answer.head));
        if transport == Transport::Quic {
            assert!(
                refusal.contains("Unable to reach the origin service"),
                "{refusal}"
            );
            assert!(refusal.contains(cause), "{path}: {refusal}");
        } else {
            assert_eq!(answer.head.status, 502, "{path}");
        }
        connector.err.with(cause).await;
    }
    let inside_the_body = [
        ("/dies", "unexpected EOF"),
        ("/resets", "connection reset by peer"),
        ("/bad-chunk", "invalid byte in chunk length"),
    ];
    for (path, cause) in inside_the_body {
        // Over QUIC a reset may overtake the head of the answer.
        if let Ok(mut answer) = edge.visit(Request::get(&format!("{URL}{path}"))).await {
            assert_eq!(answer.head.status, 200, "{path}");
            let body = soon("the end", answer.bytes()).await;
            assert!(body.is_err(), "{path}: {body:?}");
        }
        connector.err.with(cause).await;
    }
    origin.alone().await;
    visitors_may_leave(&edge, &origin).await;
    assert_eq!(connector.err.seen("panicked"), Vec::<String>::new());
    assert_clean(&edge);
}

/// Nobody but the visitor decides how long is too long.
async fn visitors_may_leave(edge: &Edge, origin: &Ill) {
    let mut answer = visit(edge, Request::get(&format!("{URL}/stalls"))).await;
    let chunk = soon("what was said", answer.chunk()).await.expect("bytes");
    assert_eq!(chunk.as_deref(), Some(b"only this".as_slice()));
    drop(answer);
    origin.alone().await;

    leave_early(edge, origin, "/never").await;
    origin.alone().await;
}

/// Asks, and leaves as soon as the origin knows of it.
async fn leave_early(edge: &Edge, origin: &Ill, target: &str) {
    let url = format!("{URL}{target}");
    tokio::select! {
        answer = edge.visit(Request::get(&url)) => panic!("an answer out of nothing: {answer:?}"),
        () = origin.asked(target) => {}
    }
}

async fn a_thousand_ill_answers_leave_nothing_behind(transport: Transport) {
    let origin = Ill::run().await;
    let edge = world::edge().await;
    let mut connector = world::connector(&edge, &origin.rules).over(transport).start();
    world::registered(&edge, &connector).await;

    rounds(&edge, &origin, 0..WARM).await;
    origin.alone().await;
    let (warm, opened) = (memory(&connector), files(&connector));
    rounds(&edge, &origin, WARM..WARM + MEASURED).await;
    origin.alone().await;
    let after = memory(&connector);
    for number in 0..LARGE_ROUNDS {
        meet(&edge, &origin, "large", number).await;
    }
    origin.alone().await;
    let kept = memory(&connector);
    println!("{transport}: {warm} KiB when warm, then {after} KiB, and {kept} KiB after large heads");
    assert!(after <= warm + SWING, "{warm} KiB have become {after} KiB");
    assert!(kept <= after + KEPT, "{after} KiB have become {kept} KiB");
    soon("open files are as few as before", async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while files(&connector) > opened {
            looks.tick().await;
        }
    })
    .await;
    assert!(connector.runs());
    assert_eq!(connector.err.seen("panicked"), Vec::<String>::new());
    assert_clean(&edge);
}

/// Lets visitors meet every ill in turn.
async fn rounds(edge: &Edge, origin: &Ill, numbers: std::ops::Range<usize>) {
    let visits = stream::iter(numbers).map(|number| meet(edge, origin, ILLS[number % ILLS.len()], number));
    visits.buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn meet(edge: &Edge, origin: &Ill, ill: &str, number: usize) {
    let target = format!("/{ill}/{number}");
    if ill == "never" {
        return leave_early(edge, origin, &target).await;
    }
    let visit = edge.visit(Request::get(&format!("{URL}{target}")));
    // What becomes of it is another test's question, and so is the body.
    if let Ok(mut answer) = soon("an answer or none", visit).await
        && ill != "stalls"
    {
        let _body = soon("the end", answer.bytes()).await;
    }
}

/// Returns the memory of its own that a connector holds, in KiB.
pub(crate) fn memory(connector: &Subject) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", connector.pid()))
        .expect("the system tells of the connector");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).expect("an amount")
}

/// Returns how many files a connector has open.
fn files(connector: &Subject) -> usize {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", connector.pid()));
    folder.expect("the system tells of the connector").count()
}
