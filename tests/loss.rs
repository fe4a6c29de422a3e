//! Parts of the edge that are lost: a data centre, everything, an address family, one connection.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use adit_loopback::edge::{self, Edge, Family};
use adit_loopback::faults::{Direction, Loss};
use adit_loopback::{Registration, Transport};

use crate::load::{Load, failed};
use crate::ready;
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, Connector, connector, over_both_transports, within};

const RULES: &str = "ingress:\n- service: hello_world\n";
const URL: &str = "https://app.example.com/";

over_both_transports!(
    a_data_centre_that_goes_dark_is_left_for_the_other,
    a_data_centre_that_dies_is_left_for_the_other,
    a_data_centre_that_is_back_is_used_again,
    a_minute_without_any_edge_is_survived,
    a_lost_address_family_is_left_for_the_other,
    a_lost_ipv4_is_left_for_ipv6,
    a_connection_that_goes_silent_costs_its_own_streams_alone,
    a_connection_that_is_heard_but_does_not_hear_is_replaced,
    all_four_connections_return_together,
);

async fn a_data_centre_that_goes_dark_is_left_for_the_other(transport: Transport) {
    data_centre_lost(transport, Loss::Silent).await;
}

async fn a_data_centre_that_dies_is_left_for_the_other(transport: Transport) {
    data_centre_lost(transport, Loss::Abrupt).await;
}

async fn data_centre_lost(transport: Transport, loss: Loss) {
    // As in the real world there are more addresses than connections.
    let edge = edge::new().addresses(5).run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;
    let (lost, kept): (Vec<_>, Vec<_>) = edge
        .connections()
        .into_iter()
        .partition(|connection| connection.site == 0);
    assert_eq!((lost.len(), kept.len()), (2, 2), "two in each data centre");

    let survivors: Vec<_> = kept
        .iter()
        .map(|connection| Load::on_one(&edge, connection.index, URL, 20))
        .collect();
    edge.data_centre(0).lose(loss);
    let moved = |serving: &[Registration]| {
        serving.len() == 4 && serving.iter().all(|connection| connection.site == 1)
    };
    let begun = Instant::now();
    let moved = soon_or_log(
        &connector,
        "all serve in the other data centre",
        edge.serving(moved),
    )
    .await;
    println!(
        "{loss:?} over {transport}: four in the other data centre after {:?}",
        begun.elapsed()
    );
    let addresses: BTreeSet<_> = moved.iter().map(|connection| connection.address).collect();
    assert_eq!(addresses.len(), 4, "each with an address of its own");

    for load in survivors {
        load.stop_without_failure().await;
    }
    for connection in &kept {
        let now = edge.connection(connection.index).registered().await;
        assert_eq!(
            now.serial, connection.serial,
            "those that were well were left alone"
        );
    }
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

/// A minute of quiet comes first; then one connection moves after the other, before their visitors' eyes.
const USED_AGAIN: Duration = Duration::from_secs(120);

async fn a_data_centre_that_is_back_is_used_again(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let edge = edge::new().addresses(5).run().await.expect("an edge");
    let connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;
    let inside = |serving: &[Registration]| serving.iter().filter(|of| of.site == 0).count();
    edge.data_centre(0).lose(Loss::Abrupt);
    let left = |serving: &[Registration]| serving.len() == 4 && inside(serving) == 0;
    soon_or_log(&connector, "all serve in the other", edge.serving(left)).await;

    edge.data_centre(0).restore().await.expect("the same ports");
    let restored = Instant::now();
    let load = Load::on_all(&edge, URL, 20);
    let spread = |serving: &[Registration]| serving.len() == 4 && inside(serving) == 2;
    within(USED_AGAIN, "two serve in each", edge.serving(spread)).await;
    println!(
        "over {transport}: two in each data centre after {:?}",
        restored.elapsed()
    );
    load.goes_on(40).await;
    load.stop_without_failure().await;
    assert_clean(&edge);
}

async fn a_minute_without_any_edge_is_survived(transport: Transport) {
    let edge = world::edge().await;
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    edge.everywhere().lose(Loss::Silent);
    // The length of the outage is what is tested here.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(connector.runs(), "the process lives");
    assert_eq!(ready::status(&connector).await, 503);

    edge.everywhere().restore().await.expect("the same ports");
    let begun = Instant::now();
    soon_or_log(&connector, "four connections", edge.registered(4)).await;
    println!(
        "a minute without edge over {transport}: back after {:?}",
        begun.elapsed()
    );
    assert_eq!(ready::status(&connector).await, 200);
    let load = Load::on_all(&edge, URL, 50);
    load.goes_on(50).await;
    load.stop_without_failure().await;
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

/// The name servers know both families; IPv6, which is preferred, goes dark.
async fn a_lost_address_family_is_left_for_the_other(transport: Transport) {
    if subject::is_ours() {
        let edge = edge::new().family(Family::Both).run().await.expect("an edge");
        let connector = connector(&edge, RULES).over(transport).by_name();
        family_lost(&edge, connector, true).await;
    }
}

/// Upstream never leaves IPv4 where it comes first.
async fn a_lost_ipv4_is_left_for_ipv6(transport: Transport) {
    if subject::is_ours() {
        let edge = edge::new().family(Family::Both).run().await.expect("an edge");
        let addresses = |v4: bool| {
            let of_site = |site: usize| {
                let addresses = edge.data_centre(site).addresses();
                let chosen = addresses.into_iter().find(|address| address.is_ipv4() == v4);
                chosen.expect("each has one of each family")
            };
            [of_site(0), of_site(1)]
        };
        let addresses = [addresses(true), addresses(false)].concat();
        let connector = connector(&edge, RULES).over(transport).told(addresses);
        family_lost(&edge, connector, false).await;
    }
}

async fn family_lost(edge: &Edge, connector: Connector, v6: bool) {
    // Loopback has one IPv6 address, so there is one in each data centre.
    let mut connector = connector.flag("--ha-connections", "2").start();
    let over = |v6: bool| {
        move |serving: &[Registration]| {
            serving.len() == 2 && serving.iter().all(|of| of.address.is_ipv6() == v6)
        }
    };
    soon_or_log(&connector, "two connections", edge.serving(over(v6))).await;

    let addresses = edge.addresses();
    for address in addresses.into_iter().filter(|address| address.is_ipv6() == v6) {
        edge.at(address).lose(Loss::Silent);
    }
    let begun = Instant::now();
    soon_or_log(&connector, "both use the other family", edge.serving(over(!v6))).await;
    println!("IPv6 {v6} lost: the other after {:?}", begun.elapsed());
    assert!(connector.runs(), "the process lives");
    let load = Load::on_all(edge, URL, 50);
    load.goes_on(50).await;
    load.stop_without_failure().await;
    assert_clean(edge);
}

async fn a_connection_that_goes_silent_costs_its_own_streams_alone(transport: Transport) {
    silenced(transport, Direction::Both, REPLACED).await;
}

async fn a_connection_that_is_heard_but_does_not_hear_is_replaced(transport: Transport) {
    silenced(transport, Direction::ToConnector, REPLACED).await;
}

#[tokio::test]
async fn a_connection_that_hears_but_is_not_heard_is_replaced_over_quic() {
    silenced(Transport::Quic, Direction::FromConnector, REPLACED).await;
}

/// Over TCP it is not the path that is deaf, whose acknowledgements would be missed, but the edge
/// itself: it sends requests and reads nothing.
#[tokio::test]
async fn a_connection_that_hears_but_is_not_heard_is_replaced_over_http2() {
    if subject::is_ours() {
        silenced(Transport::Http2, Direction::FromConnector, FOUND_DEAF).await;
    }
}

/// A connection is dead at the latest after this time; its successor serves by then.
const REPLACED: Duration = Duration::from_secs(15);
/// An edge that speaks is given half a minute to answer a ping.
const FOUND_DEAF: Duration = Duration::from_secs(45);

async fn silenced(transport: Transport, direction: Direction, limit: Duration) {
    // There is a free address for the successor.
    let edge = edge::new().addresses(3).run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;
    let dead = edge.connection(2).registered().await;

    let loads: Vec<_> = (0..4).map(|index| Load::on_one(&edge, index, URL, 25)).collect();
    for load in &loads {
        load.goes_on(10).await;
    }
    edge.connection(2).silence(direction);
    let silenced = Instant::now();
    let successor = |serving: &[Registration]| {
        serving
            .iter()
            .any(|connection| connection.index == 2 && connection.serial != dead.serial)
    };
    let serving = within(limit, "a successor", edge.serving(successor)).await;
    let replaced = Instant::now();
    println!(
        "{direction:?} silent over {transport}: replaced after {:?}",
        replaced - silenced
    );
    let address = serving
        .iter()
        .find(|connection| connection.serial != dead.serial && connection.index == 2);
    assert_ne!(
        address.map(|connection| connection.address),
        Some(dead.address),
        "another address"
    );

    for (index, load) in loads.into_iter().enumerate() {
        load.goes_on(20).await;
        if index != 2 {
            load.stop_without_failure().await;
            continue;
        }
        let visits = load.stop().await;
        let late = failed(&visits)
            .into_iter()
            .filter(|visit| visit.at > replaced)
            .count();
        assert_eq!(late, 0, "none fails on the successor");
    }
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

/// The first connection that gets through again wakes the others.
async fn all_four_connections_return_together(transport: Transport) {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport).start();
    world::registered(&edge, &connector).await;

    edge.everywhere().lose(Loss::Abrupt);
    // Back-off has grown by then.
    connector.err.nth_with(11, "Retrying connection in up to").await;
    edge.everywhere().restore().await.expect("the same ports");
    let first = soon_or_log(&connector, "one connection", edge.registered(1)).await;
    let four = within(Duration::from_secs(5), "the other three", edge.registered(4)).await;
    println!(
        "over {transport}: all four {:?} after the first",
        four[3].at - first[0].at
    );
    assert_clean(&edge);
}

async fn soon_or_log<T>(connector: &Subject, what: &str, event: impl Future<Output = T>) -> T {
    let event = tokio::time::timeout(subject::PATIENCE, event).await;
    event.unwrap_or_else(|_| {
        panic!(
            "{what}: not in time; the connector says:\n{}",
            connector.err.all()
        )
    })
}
