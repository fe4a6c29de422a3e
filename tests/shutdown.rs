//! A connector that is asked to stop finishes what it has begun.

use adit_loopback::request::Request;
use rustix::process::Signal;

use crate::registration::assert_clean;
use crate::world::{self, Stage, say, soon, visit};

#[tokio::test]
async fn a_request_in_flight_completes_and_the_exit_code_is_zero() {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let mut connector = world::joined(&edge, &stage.rules()).await;

    let ((mut stream, _), mut answer) = tokio::join!(
        async {
            let (mut stream, head) = stage.request().await;
            say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
            (stream, head)
        },
        visit(&edge, Request::get("https://app.example.com/slow")),
    );
    connector.terminate();
    connector
        .err
        .with("Initiating graceful shutdown due to signal terminated")
        .await;
    soon("every connection is unregistered", edge.deserted()).await;
    assert!(connector.runs(), "it waits for the request");

    say(&mut stream, "-last").await;
    let body = soon("the rest of the answer", answer.text()).await;
    assert_eq!(body.expect("a whole body").as_str(), "first-last");
    assert_eq!(connector.ended().await.code(), Some(0));
    assert_clean(&edge);
}

#[tokio::test]
async fn a_graceful_stop_logs_no_error() {
    let edge = world::edge().await;
    let mut connector = world::joined(&edge, "ingress:\n- service: http_status:204\n").await;

    connector.signal(Signal::INT);
    assert_eq!(connector.ended().await.code(), Some(0));
    connector.err.with("Tunnel server stopped").await;
    assert_eq!(
        connector.err.seen("Unregistered tunnel connection").len(),
        4,
        "{}",
        connector.err.all()
    );
    if crate::subject::is_ours() {
        assert_eq!(connector.err.seen(" ERR "), Vec::<String>::new());
        assert_eq!(connector.err.seen(" WRN "), Vec::<String>::new());
    }
    assert_clean(&edge);
}
