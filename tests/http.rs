//! Requests and responses of every shape arrive whole, on both sides.

use adit_loopback::Transport;
use adit_loopback::error::StreamError;
use adit_loopback::origin::{self, Page, Script, pattern, sha256};
use adit_loopback::request::Request;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::Value;

use crate::registration::assert_clean;
use crate::world::{self, Stage, say, soon, visit};

const MIB: u64 = 1024 * 1024;
const URL: &str = "https://app.example.com";

fn rules(origin: &origin::Origin) -> String {
    format!("ingress:\n- service: {}\n", origin.service())
}

/// A body of the pattern that is made while it is sent.
fn streamed(
    length: u64,
) -> impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static {
    const CHUNK: u64 = 64 * 1024;
    let chunks = (0..length.div_ceil(CHUNK)).map(move |n| pattern(n * CHUNK, CHUNK.min(length - n * CHUNK)));
    StreamBody::new(stream::iter(chunks.map(|chunk| Ok(Frame::data(chunk)))))
}

#[tokio::test]
async fn a_hundred_mebibytes_come_down_whole() {
    let length = 100 * MIB;
    // Before there is an edge: the sum takes long, and an edge that is kept waiting times out.
    let sum = sha256(length);
    let origin = origin::http()
        .route("/length", Page::Bytes(length))
        .route("/chunks", Page::Chunks(length));
    let origin = origin.run().await.expect("an origin");
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &rules(&origin)).await;

    for path in ["/length", "/chunks"] {
        let mut answer = visit(&edge, Request::get(&format!("{URL}{path}"))).await;
        assert_eq!(answer.head.status, 200);
        let received = soon("the download", answer.sha256()).await.expect("a whole body");
        assert_eq!(received, (length, sum.clone()), "{path}");
    }
    assert_clean(&edge);
}

#[tokio::test]
async fn a_hundred_mebibytes_go_up_whole_with_length_chunked_and_with_neither() {
    let length = 100 * MIB;
    // Before there is an edge: the sum takes long, and an edge that is kept waiting times out.
    let sum = sha256(length);
    let origin = origin::http()
        .route("/", Page::Echo)
        .run()
        .await
        .expect("an origin");
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &rules(&origin)).await;

    let post = || Request::new("POST", URL);
    let uploads = [
        (
            "length",
            post()
                .header("Content-Length", length.to_string())
                .body(streamed(length)),
        ),
        ("chunked", post().chunked(streamed(length))),
        ("neither", post().body(streamed(length))),
    ];
    for (name, upload) in uploads {
        let mut answer = visit(&edge, upload).await;
        let seen = soon("the upload", answer.text())
            .await
            .expect("the origin's account of it");
        let seen: Value = serde_json::from_str(&seen).expect("JSON");
        assert_eq!(seen["length"], length, "{name}");
        assert_eq!(seen["sha256"], sum, "{name}");
    }
    assert_clean(&edge);
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &stage.rules()).await;

    let visitor = visit(&edge, Request::get(URL));
    let origin = async {
        let (mut stream, _) = stage.request().await;
        say(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        )
        .await;
        stream
    };
    let (mut answer, mut stream) = tokio::join!(visitor, origin);
    for number in 0..20 {
        // The next event is written only when this one has been read at the other end.
        let event = format!("data: {number}\n\n");
        say(&mut stream, &event).await;
        let mut seen = Vec::new();
        while seen.len() < event.len() {
            let chunk = soon("an event", answer.chunk())
                .await
                .expect("the stream goes on");
            seen.extend_from_slice(&chunk.expect("more"));
        }
        assert_eq!(seen, event.as_bytes());
    }
    drop(stream);
    assert_eq!(soon("the end", answer.chunk()).await.expect("a clean end"), None);
    assert_clean(&edge);
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &stage.rules()).await;

    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 12\r\nETag: \"a\"\r\n\r\n",
            304,
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            200,
        ),
    ];
    for (method, response, status) in cases {
        let origin = async {
            let (mut stream, head) = stage.request().await;
            assert!(head.starts_with(method), "{head}");
            say(
                &mut stream,
                response.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
            )
            .await;
        };
        let visitor = async {
            let mut answer = visit(&edge, Request::new(method, URL)).await;
            (
                answer.head.status,
                soon("the end", answer.bytes()).await.expect("a clean end"),
            )
        };
        let ((), answer) = tokio::join!(origin, visitor);
        assert_eq!(answer, (status, Bytes::new()), "{response}");
    }
    assert_clean(&edge);
}

#[tokio::test]
async fn header_fields_keep_their_number_and_their_size() {
    let origin = origin::http()
        .route("/", Page::Echo)
        .run()
        .await
        .expect("an origin");
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &rules(&origin)).await;

    let mut request = Request::get(URL)
        .header("X-Twice", "one")
        .header("X-Twice", "two");
    for number in 0..32 {
        request = request.header(format!("X-Large-{number}"), "v".repeat(1024));
    }
    let mut answer = visit(&edge, request).await;
    let seen: Value = serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON");
    let headers = seen["headers"].as_array().expect("pairs");
    let values = |name: &str| -> Vec<String> {
        let named = headers.iter().filter(|pair| pair[0] == name);
        named
            .map(|pair| pair[1].as_str().expect("text").to_owned())
            .collect()
    };
    assert_eq!(values("x-twice"), ["one", "two"]);
    for number in 0..32 {
        assert_eq!(values(&format!("x-large-{number}")), ["v".repeat(1024)]);
    }
    assert_clean(&edge);
}

#[tokio::test]
async fn duplicate_fields_of_an_answer_stay_apart() {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &stage.rules()).await;

    let large = "v".repeat(32 * 1024);
    let origin = async {
        let (mut stream, _) = stage.request().await;
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Large: {large}\r\n");
        say(&mut stream, head + "Content-Length: 2\r\n\r\nok").await;
    };
    let ((), mut answer) = tokio::join!(origin, visit(&edge, Request::get(URL)));
    let cookies: Vec<_> = answer.head.values("set-cookie").collect();
    assert_eq!(cookies, [&Bytes::from("a=1"), &Bytes::from("b=2")]);
    assert_eq!(answer.head.value("x-large").map(Bytes::len), Some(large.len()));
    assert_eq!(answer.text().await.expect("a body"), "ok");
    assert_clean(&edge);
}

#[tokio::test]
async fn a_body_waits_for_continue() {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &stage.rules()).await;

    let request = Request::post(URL, "body").header("Expect", "100-continue");
    let origin = async {
        let (mut stream, head) = stage.request().await;
        assert!(head.contains("Expect: 100-continue\r\n"), "{head}");
        say(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
        let mut body = [0; 4];
        let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut body);
        soon("the body", read).await.expect("four bytes");
        assert_eq!(&body, b"body");
        say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    };
    let ((), mut answer) = tokio::join!(origin, visit(&edge, request));
    assert_eq!(
        (answer.head.status, answer.text().await.expect("a body")),
        (200, "ok".to_owned())
    );
    assert_clean(&edge);
}

#[tokio::test]
async fn a_thousand_requests_at_once_lose_nothing() {
    let origin = origin::http()
        .route("/", Page::Mirror)
        .run()
        .await
        .expect("an origin");
    let edge = world::edge().await;
    let _connector = world::joined(&edge, &rules(&origin)).await;

    let mut visits: FuturesUnordered<_> = (0..1000_u64)
        .map(|number| {
            let body = pattern(number, 1024 + number);
            let request = Request::post(URL, body.clone());
            let edge = &edge;
            async move {
                let mut answer = visit(edge, request).await;
                let received = soon("a mirrored body", answer.bytes())
                    .await
                    .expect("a whole body");
                (answer.head.status, received == body)
            }
        })
        .collect();
    let mut done = 0;
    while let Some(answer) = visits.next().await {
        assert_eq!(answer, (200, true));
        done += 1;
    }
    assert_eq!(done, 1000);
    assert_clean(&edge);
}

/// HTTP/2 cannot say every number: such an answer is one that failed.
#[tokio::test]
async fn a_status_that_cannot_be_said_is_a_reset() {
    const INTERNAL_ERROR: u64 = 2;
    let answer = Script::Answers(Bytes::from_static(
        b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    ));
    let origin = origin::raw(answer).await.expect("an origin");
    let edge = world::edge().await;
    let rules = format!("ingress:\n- service: http://{}\n", origin.address());
    let connector = world::connector(&edge, &rules).over(Transport::Http2).start();
    world::registered(&edge, &connector).await;
    let said = soon("a reset", edge.visit(Request::get(URL))).await;
    assert!(
        matches!(said, Err(StreamError::Reset(INTERNAL_ERROR))),
        "{said:?}"
    );
    assert_clean(&edge);
}
