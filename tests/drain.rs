//! Taking leave: nothing that has begun is lost, and nobody waits for nothing.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use adit_loopback::edge::{self, Edge};
use adit_loopback::faults::Loss;
use adit_loopback::request::Request;
use adit_loopback::visitor::Response;
use adit_loopback::{Registration, Transport};
use tokio::net::TcpStream;

use crate::load::Load;
use crate::ready;
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, Stage, connector, over_both_transports, say, soon, visit, within};

const RULES: &str = "ingress:\n- service: hello_world\n";
const URL: &str = "https://app.example.com/";
const UNREGISTERED: &str = "Unregistered tunnel connection";

/// What a step may take that waits for nothing; far below the grace period.
const AT_ONCE: Duration = Duration::from_secs(5);

over_both_transports!(
    requests_in_flight_finish_and_the_process_ends_with_them,
    nothing_in_flight_means_no_wait,
    the_grace_period_is_the_longest_wait,
    no_grace_still_takes_leave,
    nobody_waits_for_a_connection_that_is_dead,
    nobody_waits_for_the_requests_of_a_connection_that_is_dead,
    a_second_signal_ends_it_at_once,
    requests_that_arrive_while_it_leaves_are_served,
    twenty_rolling_restarts_lose_nothing,
);

/// Starts a request whose answer has begun.
async fn begun(stage: &Stage, edge: &Edge) -> (TcpStream, Response) {
    let origin = async {
        let (mut stream, _) = stage.request().await;
        say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
        stream
    };
    tokio::join!(origin, visit(edge, Request::get(URL)))
}

async fn requests_in_flight_finish_and_the_process_ends_with_them(transport: Transport) {
    let stage = Stage::open().await;
    // The connector ends by itself, not because the edge closes.
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let mut connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;
    let (mut stream, mut answer) = begun(&stage, &edge).await;
    assert_eq!(ready::status(&connector).await, 200);

    connector.terminate();
    connector.err.nth_with(3, UNREGISTERED).await;
    soon("no connection serves", edge.deserted()).await;
    assert!(connector.runs(), "it waits for the request");
    if subject::is_ours() {
        assert_eq!(
            ready::status(&connector).await,
            503,
            "not ready although it serves"
        );
    }

    say(&mut stream, "-last").await;
    let body = soon("the rest of the answer", answer.text()).await;
    assert_eq!(body.expect("a whole body"), "first-last");
    let finished = Instant::now();
    let status = connector.ended().await;
    assert_eq!(status.code(), Some(0));
    if subject::is_ours() {
        assert!(finished.elapsed() < AT_ONCE, "{:?}", finished.elapsed());
    }
    assert_clean(&edge);
}

async fn nothing_in_flight_means_no_wait(transport: Transport) {
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    let asked = Instant::now();
    connector.terminate();
    assert_eq!(connector.ended().await.code(), Some(0));
    assert_eq!(
        connector.err.seen(UNREGISTERED).len(),
        4,
        "{}",
        connector.err.all()
    );
    if subject::is_ours() {
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
    assert_clean(&edge);
}

async fn the_grace_period_is_the_longest_wait(transport: Transport) {
    let stage = Stage::open().await;
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let connector = connector(&edge, &stage.rules()).over(transport);
    let mut connector = connector.flag("--grace-period", "2s").start();
    world::registered(&edge, &connector).await;
    let (_stream, mut answer) = begun(&stage, &edge).await;

    let asked = Instant::now();
    connector.terminate();
    assert_eq!(connector.ended().await.code(), Some(0));
    let waited = asked.elapsed();
    assert!(waited >= Duration::from_secs(2), "{waited:?}");
    assert!(waited < Duration::from_secs(2) + AT_ONCE, "{waited:?}");
    // The visitor learns that the answer is not whole.
    soon("the end of the answer", answer.text())
        .await
        .expect_err("a broken answer");
    assert_clean(&edge);
}

async fn nobody_waits_for_a_connection_that_is_dead(transport: Transport) {
    let edge = edge::new().addresses(3).run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;
    let dead = edge.connection(2).registered().await;
    edge.connection(2).vanish();
    let replaced = |serving: &[Registration]| {
        let successor = |of: &Registration| of.index == 2 && of.serial != dead.serial;
        serving.iter().any(successor)
    };
    soon("a successor", edge.serving(replaced)).await;

    let asked = Instant::now();
    connector.terminate();
    assert_eq!(connector.ended().await.code(), Some(0));
    if subject::is_ours() {
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
        assert_eq!(connector.err.seen("Error shutting down"), Vec::<String>::new());
    }
    assert_clean(&edge);
}

/// Silence is told from slowness in ten seconds, a third of the grace period.
const TOLD_FROM_SLOWNESS: Duration = Duration::from_secs(15);

async fn nobody_waits_for_the_requests_of_a_connection_that_is_dead(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let stage = Stage::open().await;
    let edge = edge::new().addresses(3).run().await.expect("an edge");
    let mut connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;
    let dead = edge.connection(2).registered().await;
    let connection = edge.connection(2);
    // The visitor waits to the end.
    let mut visitor = std::pin::pin!(connection.send(Request::get(URL)));
    let _origin = tokio::select! {
        origin = stage.request() => origin,
        _ = &mut visitor => panic!("the origin has not answered"),
    };
    edge.connection(2).vanish();
    let replaced = |serving: &[Registration]| {
        let successor = |of: &Registration| of.index == 2 && of.serial != dead.serial;
        serving.iter().any(successor)
    };
    soon("a successor", edge.serving(replaced)).await;

    let asked = Instant::now();
    connector.terminate();
    let status = within(TOLD_FROM_SLOWNESS, "the end", connector.ended()).await;
    assert_eq!(status.code(), Some(0));
    println!("over {transport}: ended after {:?}", asked.elapsed());
    assert_clean(&edge);
}

async fn no_grace_still_takes_leave(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let connector = connector(&edge, RULES)
        .over(transport)
        .flag("--grace-period", "0s");
    let mut connector = connector.start();
    world::registered(&edge, &connector).await;

    let asked = Instant::now();
    connector.terminate();
    assert_eq!(connector.ended().await.code(), Some(0));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert_eq!(
        connector.err.seen(UNREGISTERED).len(),
        4,
        "{}",
        connector.err.all()
    );
    assert_clean(&edge);
}

async fn a_second_signal_ends_it_at_once(transport: Transport) {
    let stage = Stage::open().await;
    let edge = edge::new().keeps_drained().run().await.expect("an edge");
    let mut connector = connector(&edge, &stage.rules()).over(transport).start();
    world::registered(&edge, &connector).await;
    let (_stream, _answer) = begun(&stage, &edge).await;

    connector.terminate();
    connector.err.nth_with(3, UNREGISTERED).await;
    assert!(connector.runs(), "it waits for the request");
    let asked = Instant::now();
    connector.terminate();
    let status = connector.ended().await;
    assert_eq!((status.code(), status.signal()), (None, Some(15)));
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
}

/// Some are on their way when the edge learns of the leave.
async fn requests_that_arrive_while_it_leaves_are_served(transport: Transport) {
    let edge = world::edge().await;
    for _ in 0..3 {
        let mut connector = connector(&edge, RULES).over(transport).start();
        world::registered(&edge, &connector).await;
        let visitor = edge.visitor();
        let url = || Request::get(URL);
        let visits = async {
            let mut served = 0;
            // Until the edge itself has no connection to give.
            while !edge.connections().is_empty() {
                let Ok(mut answer) = visitor.visit(url()).await else {
                    assert!(edge.connections().is_empty(), "a request is lost");
                    break;
                };
                assert_eq!(answer.status(), 200);
                answer.text().await.expect("a whole body");
                served += 1;
            }
            served
        };
        let leave = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            connector.terminate();
        };
        let (served, ()) = tokio::join!(visits, leave);
        assert!(served > 0);
        assert_eq!(connector.ended().await.code(), Some(0));
    }
    assert_clean(&edge);
}

const RESTARTS: usize = 20;

async fn twenty_rolling_restarts_lose_nothing(transport: Transport) {
    let edge = world::edge().await;
    let start = || connector(&edge, RULES).over(transport).start();
    let mut running = vec![start(), start()];
    soon("eight connections", edge.registered(8)).await;

    let load = Load::on_all(&edge, URL, 100);
    for _ in 0..RESTARTS {
        load.goes_on(50).await;
        let mut old: Subject = running.remove(0);
        old.terminate();
        assert_eq!(old.ended().await.code(), Some(0), "{}", old.err.all());
        running.push(start());
        soon("eight connections again", edge.registered(8)).await;
    }
    let visits = load.stop_without_failure().await;
    println!(
        "over {transport}: {} requests, {RESTARTS} restarts, none lost",
        visits.len()
    );
    assert_clean(&edge);
}

#[tokio::test]
async fn a_connector_that_never_registered_leaves_at_once() {
    let edge = world::edge().await;
    edge.everywhere().lose(Loss::Silent);
    let mut connector = connector(&edge, RULES).start();
    connector.err.with("Starting metrics server on ").await;
    // It is in the middle of its first attempts.
    tokio::time::sleep(Duration::from_millis(500)).await;
    connector.terminate();
    let status = within(AT_ONCE, "the end", connector.ended()).await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn connections_in_back_off_do_not_delay_the_end() {
    let edge = world::edge().await;
    let mut connector = world::joined(&edge, RULES).await;
    edge.everywhere().lose(Loss::Abrupt);
    // Each has failed several times, so that the waits have grown.
    connector.err.nth_with(11, "Retrying connection in up to").await;

    connector.terminate();
    let status = within(AT_ONCE, "the end", connector.ended()).await;
    assert_eq!(status.code(), Some(0));
    assert_clean(&edge);
}
