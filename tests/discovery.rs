//! How the edge is found: by its name, by addresses, and late.

use std::time::{Duration, Instant};

use adit_loopback::Transport;
use adit_loopback::dns::{EDGE_NAME, Mood, Record};
use adit_loopback::edge::{self, Edge};
use adit_loopback::faults::Loss;

use crate::load::Load;
use crate::ready;
use crate::registration::assert_clean;
use crate::subject;
use crate::world::{self, connector, over_both_transports, soon, within};

const RULES: &str = "ingress:\n- service: hello_world\n";
const URL: &str = "https://app.example.com/";

over_both_transports!(
    the_edge_is_found_by_its_name,
    name_servers_may_be_late,
    when_every_address_fails_the_names_are_asked_again,
);

/// The tunnel serves so soon after the name servers answer.
const SERVING: Duration = Duration::from_secs(2);

async fn the_edge_is_found_by_its_name(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).over(transport).by_name().start();
    world::registered(&edge, &connector).await;

    let sites = edge
        .connections()
        .iter()
        .filter(|connection| connection.site == 0)
        .count();
    assert_eq!(sites, 2, "two in each data centre");
    assert!(asked(&edge, EDGE_NAME) > 0);
    assert_clean(&edge);
}

#[tokio::test]
async fn the_edge_of_a_region_is_found_by_its_name() {
    if !subject::is_ours() {
        return;
    }
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).by_name().flag("--region", "us").start();
    world::registered(&edge, &connector).await;
    assert_eq!(asked(&edge, EDGE_NAME), 0);
    assert!(asked(&edge, "_us-v2-origintunneld._tcp.argotunnel.com") > 0);
    assert_clean(&edge);
}

#[tokio::test]
async fn addresses_given_by_hand_need_no_name() {
    let edge = world::edge().await;
    let connector = connector(&edge, RULES).start();
    world::registered(&edge, &connector).await;
    assert_eq!(asked(&edge, EDGE_NAME), 0);
    assert_clean(&edge);
}

/// Whatever a name server does instead of answering, the process lives, says that it is not ready,
/// and serves as soon as there are answers.
async fn name_servers_may_be_late(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let moods = [Mood::NoSuchName, Mood::Fails, Mood::Silent];
    futures_util::future::join_all(moods.map(|mood| late(transport, mood))).await;
}

async fn late(transport: Transport, mood: Mood) {
    let edge = edge::new().dns(mood).run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).over(transport).by_name().start();
    edge.dns().asked(EDGE_NAME, 3).await;
    // Upstream would have ended by now.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(connector.runs(), "the process lives");
    assert_eq!(ready::status(&connector).await, 503);

    edge.dns().mood(Mood::Answers);
    let back = Instant::now();
    let what = format!("{mood:?}: serving\n{}", connector.err.all());
    within(SERVING, &what, edge.registered(1)).await;
    println!(
        "{mood:?} over {transport}: serving {:?} after the name servers are back",
        back.elapsed()
    );
    world::registered(&edge, &connector).await;
    assert_eq!(ready::status(&connector).await, 200);
    let load = Load::on_all(&edge, URL, 50);
    load.goes_on(20).await;
    load.stop_without_failure().await;
    // Once, not every other second.
    assert_eq!(
        connector.err.seen("the DNS query failed").len(),
        1,
        "{}",
        connector.err.all()
    );
    assert_clean(&edge);
}

/// With `--retries` given, whoever starts it wants to hear that it cannot be done.
#[tokio::test]
async fn whoever_bounds_the_retries_is_told_that_there_is_no_edge() {
    if !subject::is_ours() {
        return;
    }
    let edge = edge::new().dns(Mood::NoSuchName).run().await.expect("an edge");
    let mut connector = connector(&edge, RULES).by_name().flag("--retries", "2").start();
    assert_eq!(connector.ended().await.code(), Some(1));
    connector.err.with("Could not lookup srv records on").await;
}

/// The addresses behind the names may change while the connector runs.
async fn when_every_address_fails_the_names_are_asked_again(transport: Transport) {
    if !subject::is_ours() {
        return;
    }
    let old = world::edge().await;
    let new = edge::new()
        .credentials(old.credentials())
        .run()
        .await
        .expect("an edge");
    // Both are trusted, and the names are those of the old one.
    let connector = connector(&old, RULES).over(transport);
    let connector = connector.by_name().trusts(&new).start();
    world::registered(&old, &connector).await;

    old.everywhere().lose(Loss::Silent);
    point_to(&old, &new);
    let lost = Instant::now();
    soon("the new edge is found", new.registered(4)).await;
    println!(
        "over {transport}: the new addresses are in use after {:?}",
        lost.elapsed()
    );
    assert_clean(&new);
}

/// Lets the names of one edge lead to another one.
fn point_to(old: &Edge, new: &Edge) {
    let mut services = Vec::new();
    for site in 0..2_u16 {
        let addresses = new.data_centre(site.into()).addresses();
        let target = format!("region{}.v2.argotunnel.com", site + 1);
        services.push(Record::Srv {
            priority: 1,
            weight: 1,
            port: addresses[0].port(),
            target: target.clone(),
        });
        let addresses = addresses.iter().map(|address| Record::Address(address.ip()));
        old.dns().set(&target, addresses.collect());
    }
    old.dns().set(EDGE_NAME, services);
}

fn asked(edge: &Edge, name: &str) -> usize {
    let questions = edge.dns().questions();
    questions
        .iter()
        .filter(|asked| asked.name == name && asked.kind == "SRV")
        .count()
}
