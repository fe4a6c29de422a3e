//! Whatever is lost comes back by itself.

use adit_loopback::faults::Loss;
use adit_loopback::request::Request;
use adit_loopback::{Registration, Transport};

use crate::registration::assert_clean;
use crate::world::{self, connector, over_both_transports, soon, visit};

const RULES: &str = "ingress:\n- service: http_status:204\n";

over_both_transports!(
    a_killed_edge_is_found_again_when_it_is_back,
    one_lost_connection_comes_back,
    a_connection_is_broken_on_request,
);

async fn a_killed_edge_is_found_again_when_it_is_back(transport: Transport) {
    let edge = world::edge().await;
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    edge.everywhere().lose(Loss::Abrupt);
    soon("all connections are gone", edge.deserted()).await;
    connector.err.with("Retrying connection in up to").await;
    assert!(connector.runs(), "the process lives");

    edge.everywhere().restore().await.expect("the same ports");
    world::registered(&edge, &connector).await;
    assert_eq!(
        visit(&edge, Request::get("https://app.example.com/"))
            .await
            .head
            .status,
        204
    );
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

async fn one_lost_connection_comes_back(transport: Transport) {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    let lost = edge.connection(2).registered().await;
    edge.connection(2).close();
    let back = edge.serving(|serving| {
        let back = |now: &Registration| now.index == 2 && now.serial != lost.serial;
        serving.len() == 4 && serving.iter().any(back)
    });
    soon("connection 2 is back", back).await;
    assert_clean(&edge);
}

async fn a_connection_is_broken_on_request(transport: Transport) {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport);
    let connector = connector.flag("--loglevel", "debug").switch("--stdin-control");
    let mut connector = connector.start();
    world::registered(&edge, &connector).await;
    connector.err.with("Enabling control through stdin").await;
    let before = edge.connections();

    connector.tell("\nnonsense\nreconnect soon\nreconnect 1s\n").await;
    connector.err.with("Unknown command").await;
    connector.err.with("Sending reconnect signal").await;
    let breaking = match transport {
        Transport::Quic => "Forcefully breaking tunnel connection",
        Transport::Http2 => "Forcefully breaking http2 connection",
    };
    connector.err.with(breaking).await;
    connector
        .err
        .with("Restarting connection due to reconnect signal in 1s")
        .await;
    let new = |now: &Registration| before.iter().all(|of| of.serial != now.serial);
    let back = edge.serving(|serving| serving.len() == 4 && serving.iter().filter(|of| new(of)).count() == 1);
    soon("it is back", back).await;
    assert_eq!(connector.err.seen("Sending reconnect signal").len(), 1);

    connector.tell_no_more();
    let url = Request::get("https://app.example.com/");
    assert_eq!(visit(&edge, url).await.status(), 204);
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}
