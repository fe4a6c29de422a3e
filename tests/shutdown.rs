//! A connector that is asked to stop finishes what it has begun.

use adit_loopback::Transport;
use adit_loopback::edge;
use adit_loopback::request::Request;
use rustix::process::Signal;

use crate::load::Load;
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, Stage, connector, over_both_transports, say, soon, visit};

const URL: &str = "https://app.example.com/slow";

over_both_transports!(
    a_request_in_flight_completes_and_the_exit_code_is_zero,
    a_graceful_stop_logs_no_error,
    a_graceful_stop_under_load_logs_no_error,
    a_graceful_stop_during_an_upload_logs_no_error,
);

async fn a_request_in_flight_completes_and_the_exit_code_is_zero(transport: Transport) {
    let stage = Stage::open().await;
    let edge = world::edge().await;
    let mut connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;

    let ((mut stream, _), mut answer) = tokio::join!(
        async {
            let (mut stream, head) = stage.request().await;
            say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
            (stream, head)
        },
        visit(&edge, Request::get(URL)),
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

async fn a_graceful_stop_logs_no_error(transport: Transport) {
    let edge = world::edge().await;
    let rules = "ingress:\n- service: http_status:204\n";
    let mut connector = connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;

    connector.signal(Signal::INT);
    assert_eq!(connector.ended().await.code(), Some(0));
    connector.err.with("Tunnel server stopped").await;
    assert_left_quietly(&connector);
    assert_clean(&edge);
}

/// Two connectors share the visitors, so that all have somewhere to go.
async fn a_graceful_stop_under_load_logs_no_error(transport: Transport) {
    let edge = world::edge().await;
    let start = || {
        connector(&edge, "ingress:\n- service: hello_world\n")
            .over(transport)
            .start()
    };
    let (mut first, second) = (start(), start());
    soon("eight connections", edge.registered(8)).await;
    let load = Load::on_all(&edge, URL, 100);
    load.goes_on(50).await;

    first.terminate();
    assert_eq!(first.ended().await.code(), Some(0));
    load.goes_on(50).await;
    load.stop_without_failure().await;
    assert_left_quietly(&first);
    assert_eq!(second.err.seen(" ERR "), Vec::<String>::new());
    assert_clean(&edge);
}

/// The edge keeps what it has until the connector goes.
async fn a_graceful_stop_during_an_upload_logs_no_error(transport: Transport) {
    let stage = Stage::open().await;
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let mut connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;
    let upload = visit(&edge, Request::post(URL, "0123456789"));
    let origin = async {
        let (mut stream, head) = stage.request().await;
        assert!(head.contains("Content-Length: 10\r\n"), "{head}");
        connector.terminate();
        connector.err.nth_with(3, "Unregistered tunnel connection").await;
        say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
        stream
    };
    let (mut answer, _stream) = tokio::join!(upload, origin);
    let body = soon("the answer", answer.text()).await;
    assert_eq!(body.expect("a whole body"), "done");
    assert_eq!(connector.ended().await.code(), Some(0));
    assert_left_quietly(&connector);
    assert_clean(&edge);
}

fn assert_left_quietly(connector: &Subject) {
    assert_eq!(
        connector.err.seen("Unregistered tunnel connection").len(),
        4,
        "{}",
        connector.err.all()
    );
    if subject::is_ours() {
        for loud in [" ERR ", " WRN "] {
            assert_eq!(connector.err.seen(loud), Vec::<String>::new());
        }
    }
}
