//! QUIC where it works, HTTP/2 where it does not, and back.

use std::time::{Duration, Instant};

use adit_loopback::edge::{self, Edge};
use adit_loopback::faults::{Direction, Greeting};
use adit_loopback::{Registration, Transport};

use crate::load::Load;
use crate::ready;
use crate::registration::assert_clean;
use crate::subject;
use crate::world::{self, connector, soon, within};

const RULES: &str = "ingress:\n- service: hello_world\n";
const URL: &str = "https://app.example.com/";

/// A host without UDP is served within this time.
const HEALTHY: Duration = Duration::from_secs(3);
/// All connections are back on QUIC within this time.
const RETURNED: Duration = Duration::from_secs(120);

/// What speaks against QUIC.
#[derive(Clone, Copy, Debug)]
enum Against {
    Silence,
    ClosedPorts,
    Rejection,
    WrongCertificate,
}

impl Against {
    fn begin(self, edge: &Edge) {
        let everywhere = edge.everywhere();
        match self {
            Self::Silence => everywhere.silence_udp(Direction::Both),
            Self::ClosedPorts => everywhere.close_udp(),
            Self::Rejection => everywhere.greet_over(Transport::Quic, Greeting::Rejects),
            Self::WrongCertificate => everywhere.greet_over(Transport::Quic, Greeting::WrongCertificate),
        }
    }

    async fn end(self, edge: &Edge) {
        let everywhere = edge.everywhere();
        everywhere.greet_over(Transport::Quic, Greeting::Right);
        everywhere.restore_udp().await.expect("the same ports");
    }
}

#[tokio::test]
async fn a_host_without_udp_is_served_within_three_seconds() {
    let mut fastest = Duration::MAX;
    // The promise is about this program, not about what else runs on the machine: one of three
    // starts has to keep it.
    for _ in 0..3 {
        let edge = edge::new().http2_only().run().await.expect("an edge");
        let begun = Instant::now();
        let connector = connector(&edge, RULES).start();
        soon("a registration", edge.registered(1)).await;
        soon("readiness", async {
            while ready::status(&connector).await != 200 {}
        })
        .await;
        fastest = fastest.min(begun.elapsed());
        world::registered(&edge, &connector).await;
        assert_all_over(&edge, Transport::Http2);
        if fastest < HEALTHY {
            break;
        }
    }
    println!("healthy over HTTP/2 after {fastest:?}");
    assert!(fastest < HEALTHY, "{fastest:?}");
}

#[tokio::test]
async fn whatever_speaks_against_quic_http2_serves_and_quic_is_found_again() {
    let all = [
        Against::Silence,
        Against::ClosedPorts,
        Against::Rejection,
        Against::WrongCertificate,
    ];
    let stories = all.map(|against| Box::pin(blocked_and_restored(against)));
    futures_util::future::join_all(stories).await;
}

async fn blocked_and_restored(against: Against) {
    let edge = world::edge().await;
    against.begin(&edge);
    let connector = connector(&edge, RULES).flag("--loglevel", "debug").start();
    world::registered(&edge, &connector).await;
    assert_all_over(&edge, Transport::Http2);
    connector.err.with("Switching to fallback protocol http2").await;

    // QUIC is tried again, and fails again, without anybody noticing.
    let load = Load::on_all(&edge, URL, 20);
    let tried = connector.err.seen("Failed to dial a quic connection").len();
    connector
        .err
        .nth_with(tried, "Failed to dial a quic connection")
        .await;
    assert_all_over(&edge, Transport::Http2);

    against.end(&edge).await;
    let restored = Instant::now();
    within(RETURNED, "all are back on QUIC", all_over(&edge, Transport::Quic)).await;
    println!("{against:?}: back on QUIC after {:?}", restored.elapsed());
    load.goes_on(40).await;
    load.stop_without_failure().await;
    connector.err.with("Changing protocol to quic").await;
    assert_clean(&edge);
}

#[tokio::test]
async fn udp_that_is_lost_while_all_use_it_is_replaced_and_found_again() {
    let edge = world::edge().await;
    let _connector = world::joined(&edge, RULES).await;
    assert_all_over(&edge, Transport::Quic);

    edge.everywhere().silence_udp(Direction::Both);
    let lost = Instant::now();
    soon("all are served over HTTP/2", all_over(&edge, Transport::Http2)).await;
    println!("UDP lost: over HTTP/2 after {:?}", lost.elapsed());

    let load = Load::on_all(&edge, URL, 20);
    edge.everywhere().restore_udp().await.expect("the same ports");
    within(RETURNED, "all are back on QUIC", all_over(&edge, Transport::Quic)).await;
    load.goes_on(40).await;
    load.stop_without_failure().await;
    assert_clean(&edge);
}

#[tokio::test]
async fn an_explicit_transport_is_never_left() {
    let edge = edge::new().http2_only().run().await.expect("an edge");
    let mut only_quic = connector(&edge, RULES).over(Transport::Quic).start();
    // Rounds fail one after another.
    only_quic
        .err
        .nth_with(1, "Failed to dial a quic connection")
        .await;
    assert!(only_quic.runs(), "the process lives");
    assert_eq!(edge.connections().len(), 0);
    assert_eq!(ready::status(&only_quic).await, 503);

    edge.everywhere().restore_udp().await.expect("the same ports");
    world::registered(&edge, &only_quic).await;
    assert_all_over(&edge, Transport::Quic);
    drop(only_quic);

    let edge = world::edge().await;
    let only_http2 = connector(&edge, RULES).over(Transport::Http2).start();
    world::registered(&edge, &only_http2).await;
    assert_all_over(&edge, Transport::Http2);
    assert!(
        edge.arrivals()
            .iter()
            .all(|arrival| arrival.transport == Transport::Http2)
    );
    assert_clean(&edge);
}

#[tokio::test]
async fn post_quantum_works_over_both() {
    for transport in [Transport::Quic, Transport::Http2] {
        let edge = world::edge().await;
        let connector = connector(&edge, RULES)
            .over(transport)
            .switch("--post-quantum")
            .start();
        world::registered(&edge, &connector).await;
        assert_all_over(&edge, transport);
        let features = &edge.connections()[0].features;
        assert!(
            features.iter().any(|feature| feature == "postquantum"),
            "{features:?}"
        );
        assert_clean(&edge);
    }
}

/// The share that the edge's record gives each transport counts where no token is given as a flag.
#[tokio::test]
async fn the_record_of_the_edge_chooses_for_those_with_credentials_in_a_file() {
    if !subject::is_ours() {
        return;
    }
    let records = [
        (
            r#"[{"protocol":"quic","percentage":100},{"protocol":"http2","percentage":100}]"#,
            Transport::Quic,
        ),
        (r#"[{"protocol":"http2","percentage":100}]"#, Transport::Http2),
    ];
    for (record, transport) in records {
        let edge = edge::new().transports(record).run().await.expect("an edge");
        let connector = connector(&edge, RULES).with_credentials_file(&edge).start();
        world::registered(&edge, &connector).await;
        connector.err.with(&format!("Initial protocol {transport}")).await;
        assert_all_over(&edge, transport);
        assert_clean(&edge);
    }
}

/// Waits until all connections serve over this transport.
async fn all_over(edge: &Edge, transport: Transport) {
    let all = |serving: &[Registration]| {
        serving.len() == 4 && serving.iter().all(|connection| connection.transport == transport)
    };
    edge.serving(all).await;
}

fn assert_all_over(edge: &Edge, transport: Transport) {
    let transports: Vec<_> = edge
        .connections()
        .iter()
        .map(|connection| connection.transport)
        .collect();
    assert_eq!(transports, [transport; 4]);
}
