//! The log as scripts read it: the lines they wait for, and nothing that alarms anybody without need.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use adit_loopback::Transport;
use adit_loopback::edge;
use adit_loopback::faults::Loss;
use adit_loopback::request::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::registration::assert_clean;
use crate::subject;
use crate::world::{self, Stage, connector, over_both_transports, soon};

const RULES: &str = "ingress:\n- service: http_status:204\n";

over_both_transports!(
    the_life_of_a_connector_in_lines,
    a_lost_edge_in_lines,
    a_server_that_throws_everybody_out_is_not_asked_all_the_time,
    answers_are_told_in_the_words_of_their_origin,
);

/// Only the line about the request knows them: they go no further than the connector.
async fn answers_are_told_in_the_words_of_their_origin(transport: Transport) {
    let origin = Stage::open().await;
    let rules = origin.rules()
        + "  hostname: origin.example.com\n- hostname: built-in.example.com\n  service: http_status:416\n- service: http_status:204\n";
    let edge = world::edge().await;
    let connector = connector(&edge, &rules)
        .over(transport)
        .flag("--loglevel", "debug")
        .start();
    world::registered(&edge, &connector).await;
    if transport == Transport::Quic && subject::is_ours() {
        let line = connector.err.with("DBG Received transport parameters ").await;
        for part in [
            "MaxDatagramFrameSize=",
            "MaxIdleTimeout=",
            "MaxUDPPayloadSize=",
            " ip=127.",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    let play = async {
        let (mut stream, _) = origin.request().await;
        world::say(
            &mut stream,
            "HTTP/1.1 413 Far too much\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    };
    let visit = world::visit(&edge, Request::get("https://origin.example.com/"));
    let (answer, ()) = tokio::join!(visit, play);
    assert_eq!(answer.status(), 413);
    connector.err.with("DBG 413 Far too much ").await;
    world::visit(&edge, Request::get("https://built-in.example.com/")).await;
    connector
        .err
        .with("DBG 416 Requested Range Not Satisfiable ")
        .await;
    assert_clean(&edge);
}

#[expect(
    clippy::too_many_lines,
    reason = "one life, told from its first line to its last"
)]
async fn the_life_of_a_connector_in_lines(transport: Transport) {
    let edge = world::edge().await;
    let mut connector = connector(&edge, RULES)
        .over(transport)
        .flag("--output", "json")
        .start();
    world::registered(&edge, &connector).await;
    connector.err.nth_with(3, "Registered tunnel connection").await;
    connector.terminate();
    assert_eq!(connector.ended().await.code(), Some(0));
    connector.err.with("Metrics server stopped").await;

    let records = records(&connector.err.all());
    let named = |message: &str| -> Vec<&Value> {
        let named = records
            .iter()
            .filter(|record| record["message"].as_str() == Some(message));
        named.collect()
    };
    let registered = named("Registered tunnel connection");
    let mut indices = BTreeSet::new();
    for record in &registered {
        assert_eq!(record["level"], "info");
        assert_eq!(record["event"], 0);
        assert_eq!(record["protocol"], transport.to_string());
        assert!(
            record["ip"].as_str().is_some_and(|ip| ip.starts_with("127.0.")),
            "{record}"
        );
        assert!(
            record["connection"].as_str().is_some_and(|id| id.len() == 36),
            "{record}"
        );
        assert!(
            record["location"]
                .as_str()
                .is_some_and(|place| place.starts_with("loop")),
            "{record}"
        );
        indices.insert(record["connIndex"].as_u64());
    }
    assert_eq!(indices, (0..4).map(Some).collect());

    let unregistered = named("Unregistered tunnel connection");
    assert_eq!(unregistered.len(), 4);
    for record in &unregistered {
        assert_eq!(record["level"], "info");
        assert_eq!(record["event"], 0);
        assert!(
            record["connIndex"].is_u64() && record["ip"].is_string(),
            "{record}"
        );
    }
    let once = [
        "Starting tunnel",
        "Initiating graceful shutdown due to signal terminated ...",
        "Tunnel server stopped",
        "Metrics server stopped",
    ];
    for message in once {
        let found = named(message);
        assert_eq!(found.len(), 1, "{message}");
        assert_eq!(found[0]["level"], "info", "{message}");
    }
    let initial = format!("Initial protocol {transport}");
    assert_eq!(named(&initial).len(), 1, "{initial}");
    let connector_id = |record: &&Value| {
        let message = record["message"].as_str().unwrap_or_default();
        message.starts_with("Generated Connector ID: ")
    };
    assert_eq!(records.iter().filter(connector_id).count(), 1);
    if subject::is_ours() {
        let loud: Vec<_> = records
            .iter()
            .filter(|record| record["level"] != "info")
            .collect();
        assert!(loud.is_empty(), "a good life is a quiet one: {loud:#?}");
        assert!(records.len() < 40, "{records:#?}");
    }
    assert_clean(&edge);
}

/// Reads a log of one JSON object in each line.
fn records(log: &str) -> Vec<Value> {
    let read = |line: &str| -> Value {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = record["time"].as_str().unwrap_or_default();
        assert!(time.ends_with('Z') && time.len() == 20, "{line}");
        record
    };
    log.lines().map(read).collect()
}

async fn a_lost_edge_in_lines(transport: Transport) {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    // The edge knows before the connector does.
    connector.err.nth_with(3, "Registered tunnel connection").await;

    // One of four: worth a warning.
    edge.connection(1).close();
    let line = connector.err.with("Serve tunnel error").await;
    assert!(line.contains(" WRN ") && line.contains("connIndex=1"), "{line}");
    match transport {
        Transport::Quic => {
            let line = connector
                .err
                .with("failed to accept incoming stream requests")
                .await;
            assert!(line.contains("failed to accept QUIC stream: "), "{line}");
            connector.err.with("failed to serve tunnel connection").await
        }
        Transport::Http2 => connector.err.with("Lost connection with the edge").await,
    };
    let line = connector.err.with("Connection terminated").await;
    assert!(line.contains(" WRN ") && line.contains("connIndex=1"), "{line}");
    let line = connector.err.with("Retrying connection in up to ").await;
    assert!(line.contains(" INF ") && line.contains("connIndex=1"), "{line}");
    assert!(line.contains("up to 1s "), "{line}");
    connector.err.nth_with(4, "Registered tunnel connection").await;

    // All of them: somebody should look.
    edge.everywhere().lose(Loss::Abrupt);
    let dial = match transport {
        Transport::Quic => "Failed to dial a quic connection",
        Transport::Http2 => "Unable to establish connection with Cloudflare edge",
    };
    soon("an error", async {
        let mut count = 0;
        while !connector.err.nth_with(count, dial).await.contains(" ERR ") {
            count += 1;
        }
    })
    .await;
    edge.everywhere().restore().await.expect("the same ports");
    world::registered(&edge, &connector).await;
    assert_clean(&edge);
}

/// What upstream does not have: a limit to the attempts when the only address fails at once.
/// Who looks for what makes uploads slow finds the side that does not read.
#[tokio::test]
async fn an_edge_that_waits_for_credit_is_told() {
    const MORE_THAN_A_WINDOW: usize = 16 << 20;
    let origin = Stage::open().await;
    let edge = world::edge().await;
    let connector = connector(&edge, &origin.rules())
        .over(Transport::Quic)
        .flag("--loglevel", "debug")
        .start();
    world::registered(&edge, &connector).await;
    let body = vec![b'x'; MORE_THAN_A_WINDOW];
    let play = async {
        let _unread = origin.request().await;
        connector
            .err
            .with("DBG received stream_data_blocked frame ")
            .await
    };
    let line = tokio::select! {
        answer = edge.visit(Request::post("https://app.example.com/", body)) => panic!("{answer:?} out of nothing"),
        line = play => line,
    };
    assert!(line.contains("connIndex=") && line.contains(" count="), "{line}");
}

#[tokio::test]
async fn a_refused_address_is_not_asked_all_the_time() {
    for transport in [None, Some(Transport::Quic), Some(Transport::Http2)] {
        let edge = edge::new().run().await.expect("an edge");
        edge.everywhere().lose(Loss::Abrupt);
        let address = edge.addresses()[0];
        let connector = connector(&edge, RULES).told(vec![address]);
        let connector = match transport {
            Some(transport) => connector.over(transport),
            None => connector,
        };
        let mut connector = connector.start();
        connector.err.with("Retrying connection in up to").await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let tries = connector.err.seen("Retrying connection in up to").len();
        let lines = connector.err.all().lines().count();
        println!("{transport:?}: {tries} tries in 5 s, {lines} lines");
        assert!((1..=12).contains(&tries), "{tries}");
        assert!(lines < 80, "{}", connector.err.all());
        assert!(connector.runs(), "the process lives");

        edge.at(address).restore().await.expect("the same ports");
        soon("the only address is found again", edge.registered(1)).await;
        assert_clean(&edge);
    }
}

/// Attempts at most in the ten seconds of the test below: the first few come quickly, one by one.
const ATTEMPTS: usize = 25;

async fn a_server_that_throws_everybody_out_is_not_asked_all_the_time(transport: Transport) {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;
    let before = edge.arrivals().len();
    let throwing = async {
        loop {
            (0..4).for_each(|index| edge.connection(index).close());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let thrown = tokio::time::timeout(Duration::from_secs(10), throwing).await;
    thrown.expect_err("it does not end by itself");
    let attempts = edge.arrivals().len() - before;
    println!("over {transport}: {attempts} attempts in 10 s");
    assert!(attempts <= 4 * ATTEMPTS, "{attempts}");
    world::registered(&edge, &connector).await;
    assert_clean(&edge);
}

/// A port where somebody else listens, who says something else.
#[tokio::test]
async fn somebody_else_at_the_address_of_the_edge_is_not_asked_all_the_time() {
    let edge = world::edge().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("a bound socket has an address");
    let connector = connector(&edge, RULES).over(Transport::Http2).told(vec![address]);
    let mut connector = connector.start();
    let mut visits = 0;
    let answering = async {
        let mut answers = JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            visits += 1;
            answers.spawn(async move { stream.write_all(b"220 ready\r\n").await });
        }
    };
    let answered = tokio::time::timeout(Duration::from_secs(5), answering).await;
    answered.expect_err("it does not end by itself");
    println!("somebody else was asked {visits} times in 5 s");
    assert!((1..=12).contains(&visits), "{visits}");
    assert!(connector.runs(), "the process lives");
}
