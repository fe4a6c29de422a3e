//! A kept connection that turns out to be dead costs a visitor nothing, and no origin is asked
//! twice for what must happen once.

use std::sync::{Arc, Mutex};

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::registration::assert_clean;
use crate::world::{self, over_both_transports, say, visit};

const URL: &str = "https://app.example.com";
const BODY: &str = "must not happen twice";

over_both_transports!(
    a_request_that_may_be_repeated_is_repeated_once,
    a_request_that_may_not_be_repeated_is_sent_once,
);

/// An origin that answers one request of each connection and dies of the next.
struct Mortal {
    rules: String,
    /// The request lines in the order of their arrival, with the number of the connection.
    asked: Arc<Mutex<Vec<(usize, String)>>>,
    _task: JoinSet<()>,
}

impl Mortal {
    async fn run() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked: Arc<Mutex<Vec<(usize, String)>>> = Arc::default();
        let noted = Arc::clone(&asked);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 1.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                connections.spawn(live(stream, number, Arc::clone(&noted)));
            }
        });
        Self {
            rules: format!("ingress:\n- service: http://{address}\n"),
            asked,
            _task: task,
        }
    }

    /// Returns on which connections it was asked for this.
    fn asked(&self, line: &str) -> Vec<usize> {
        let asked = self.asked.lock().expect("no connection panicked");
        let same = asked.iter().filter(|(_, asked)| asked == line);
        same.map(|(number, _)| *number).collect()
    }
}

/// Answers one request and dies of the next when it has arrived whole.
async fn live(mut stream: TcpStream, number: usize, asked: Arc<Mutex<Vec<(usize, String)>>>) {
    for answered in [true, false] {
        let head = world::head(&mut stream).await;
        let line = head.lines().next().unwrap_or_default();
        let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line).to_owned();
        asked.lock().expect("no test panicked").push((number, line));
        if head.to_ascii_lowercase().contains("\r\ncontent-length: 21\r\n") {
            let mut body = [0; BODY.len()];
            stream.read_exact(&mut body).await.expect("the whole body");
            assert_eq!(body, BODY.as_bytes());
        }
        if answered {
            say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
            if !head.starts_with("HEAD ") {
                say(&mut stream, "done").await;
            }
        }
    }
}

/// Returns the status of the answer, once it has arrived whole.
async fn status(edge: &Edge, request: Request) -> u16 {
    let mut answer = visit(edge, request).await;
    answer.bytes().await.expect("a whole answer");
    answer.head.status
}

async fn a_request_that_may_be_repeated_is_repeated_once(transport: Transport) {
    let origin = Mortal::run().await;
    let edge = world::edge().await;
    let connector = world::connector(&edge, &origin.rules).over(transport).start();
    world::registered(&edge, &connector).await;

    assert_eq!(status(&edge, Request::get(&format!("{URL}/first"))).await, 200);
    let keyed = Request::new("POST", &format!("{URL}/keyed")).header("Idempotency-Key", "7");
    let requests = [
        ("GET /get", Request::get(&format!("{URL}/get"))),
        ("HEAD /head", Request::new("HEAD", &format!("{URL}/head"))),
        (
            "OPTIONS /options",
            Request::new("OPTIONS", &format!("{URL}/options")),
        ),
        ("POST /keyed", keyed),
    ];
    // Each dies with a connection and is answered on the next one, which is then the kept one.
    for (number, (line, request)) in (1..).zip(requests) {
        assert_eq!(status(&edge, request).await, 200, "{line}");
        assert_eq!(origin.asked(line), [number, number + 1], "{line}");
    }
    assert_clean(&edge);
}

async fn a_request_that_may_not_be_repeated_is_sent_once(transport: Transport) {
    let origin = Mortal::run().await;
    let edge = world::edge().await;
    let connector = world::connector(&edge, &origin.rules).over(transport).start();
    world::registered(&edge, &connector).await;

    let empty = Request::new("POST", &format!("{URL}/empty"));
    let keyed = Request::post(&format!("{URL}/keyed"), BODY).header("Idempotency-Key", "7");
    let put = Request::new("PUT", &format!("{URL}/put")).full(BODY);
    let requests = [
        ("POST /post", Request::post(&format!("{URL}/post"), BODY)),
        ("POST /keyed", keyed),
        ("PUT /put", put),
        ("POST /empty", empty),
    ];
    for (number, (line, request)) in (1..).zip(requests) {
        assert_eq!(status(&edge, Request::get(&format!("{URL}/kept"))).await, 200);
        assert_eq!(status(&edge, request).await, 502, "{line}");
        assert_eq!(origin.asked(line), [number], "{line}");
    }
    assert_clean(&edge);
}
