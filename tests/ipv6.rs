//! Hosts with one address family only, and paths with the smallest packets that IPv6 allows.
//!
//! Each test runs this binary again inside a network namespace of its own, where the loopback
//! interface has the addresses of the edge and nothing else has a route.

mod namespace;

use std::net::IpAddr;
use std::time::Instant;

use adit_loopback::dns::{EDGE_NAME, Mood, Record};
use adit_loopback::edge::{self, Builder, Edge};
use adit_loopback::faults::Loss;
use adit_loopback::{Registration, Transport};
use namespace::{Resolvers, V4, V6, in_a_namespace, ip, ipv4_only, ipv6_only};

use crate::load::Load;
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, connector, soon};

const RULES: &str = "ingress:\n- service: hello_world\n";
const URL: &str = "https://app.example.com/";

macro_rules! in_a_namespace {
    ($($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                if subject::is_ours() {
                    in_a_namespace(concat!("ipv6::inside::", stringify!($name))).await;
                }
            }
        )*

        mod inside {
            $(
                #[tokio::test]
                #[ignore = "runs inside a network namespace of its own, started by its namesake"]
                async fn $name() {
                    Box::pin(super::story::$name()).await;
                }
            )*
        }
    };
}

in_a_namespace!(
    a_host_with_ipv6_only_needs_no_flags,
    a_host_with_ipv4_only_needs_no_flags,
    a_host_with_ipv6_only_and_without_udp_needs_no_flags,
    the_checks_tell_the_truth_about_a_host_with_ipv6_only,
    a_resolver_that_knows_no_services_is_helped_out_over_tls,
    a_resolver_that_is_dead_is_helped_out_over_tls,
    packets_of_1280_bytes_are_enough_over_ipv6,
    packets_of_1280_bytes_are_enough_over_ipv4,
    a_family_that_loses_its_addresses_is_left,
    an_ipv6_only_host_outlives_a_failure,
);

fn on_v6() -> Builder {
    let sites = V6
        .iter()
        .map(|site| site.iter().map(|ip| IpAddr::V6(*ip)).collect());
    edge::new().family(edge::Family::V6).listening_on(sites.collect())
}

fn on_v4() -> Builder {
    let sites = V4
        .iter()
        .map(|site| site.iter().map(|ip| IpAddr::from(*ip)).collect());
    edge::new().listening_on(sites.collect())
}

mod story {
    use super::*;

    /// The names lead to both families, as those of the real edge do.
    pub(super) async fn a_host_with_ipv6_only_needs_no_flags() {
        ipv6_only().await;
        let edge = on_v6().run().await.expect("an edge");
        names_lead_to_both(&edge);
        let begun = Instant::now();
        let connector = connector(&edge, RULES).by_name().start();
        world::registered(&edge, &connector).await;
        println!("  IPv6 only: registered after {:?}", begun.elapsed());
        assert_all(&edge, IpAddr::is_ipv6);
        assert_quiet(&connector);
        serves(&edge).await;
    }

    pub(super) async fn a_host_with_ipv4_only_needs_no_flags() {
        ipv4_only().await;
        for address in V4.as_flattened() {
            ip(&format!("-4 addr add {}/32 dev lo", IpAddr::from(*address))).await;
        }
        let edge = on_v4().run().await.expect("an edge");
        names_lead_to_both(&edge);
        let begun = Instant::now();
        let connector = connector(&edge, RULES).by_name().start();
        world::registered(&edge, &connector).await;
        println!("  IPv4 only: registered after {:?}", begun.elapsed());
        assert_all(&edge, IpAddr::is_ipv4);
        assert_quiet(&connector);
        serves(&edge).await;
    }

    pub(super) async fn a_host_with_ipv6_only_and_without_udp_needs_no_flags() {
        ipv6_only().await;
        let edge = on_v6().http2_only().run().await.expect("an edge");
        names_lead_to_both(&edge);
        let connector = connector(&edge, RULES).by_name().start();
        world::registered(&edge, &connector).await;
        assert_all(&edge, IpAddr::is_ipv6);
        let over_http2 = |of: &Registration| of.transport == Transport::Http2;
        assert!(edge.connections().iter().all(over_http2));
        assert_quiet(&connector);
        serves(&edge).await;
    }

    /// Upstream has been seen to tell of critical failures while it served.
    pub(super) async fn the_checks_tell_the_truth_about_a_host_with_ipv6_only() {
        ipv6_only().await;
        let edge = on_v6().run().await.expect("an edge");
        names_lead_to_both(&edge);
        let connector = connector(&edge, RULES).by_name().checks().start();
        world::registered(&edge, &connector).await;
        let verdict = connector.err.with("precheck complete").await;
        assert!(verdict.contains("hard_fail=false"), "{}", connector.err.all());
        assert!(verdict.contains("suggested_protocol=quic"), "{verdict}");
        for component in ["DNS Resolution", "UDP Connectivity", "TCP Connectivity"] {
            let rows = connector.err.seen(&format!("component=\"{component}\""));
            assert_eq!(rows.len(), 2, "{}", connector.err.all());
            assert!(rows.iter().all(|row| row.contains("status=pass")), "{rows:#?}");
        }
        assert_clean(&edge);
    }

    /// Many routers do not pass questions for services on.
    pub(super) async fn a_resolver_that_knows_no_services_is_helped_out_over_tls() {
        ipv6_only().await;
        let edge = on_v6().run().await.expect("an edge");
        let system = edge::new().run().await.expect("a resolver");
        for site in [1, 2] {
            let name = format!("region{site}.v2.argotunnel.com");
            let addresses = V6[site - 1].iter().map(|ip| Record::Address(IpAddr::V6(*ip)));
            system.dns().set(&name, addresses.collect());
        }
        system.dns().mood_for(EDGE_NAME, Mood::Fails);
        let resolvers = Resolvers::of_the_system(Some(system.dns().address())).await;
        helped_out(&edge, resolvers).await;
        assert!(system.dns().questions().iter().any(|of| of.kind == "AAAA"));
        assert!(edge.dns().questions().iter().all(|of| of.kind == "SRV"));
    }

    pub(super) async fn a_resolver_that_is_dead_is_helped_out_over_tls() {
        ipv6_only().await;
        let edge = on_v6().run().await.expect("an edge");
        helped_out(&edge, Resolvers::of_the_system(None).await).await;
    }

    async fn helped_out(edge: &Edge, mut resolvers: Resolvers) {
        let roots = resolvers.open_public(edge.dns().address()).await;
        let begun = Instant::now();
        let connector = connector(edge, RULES).by_name().asks_the_system(&roots);
        let connector = connector.start();
        world::registered(edge, &connector).await;
        println!("  the public resolver: registered after {:?}", begun.elapsed());
        assert_all(edge, IpAddr::is_ipv6);
        serves(edge).await;
    }

    pub(super) async fn packets_of_1280_bytes_are_enough_over_ipv6() {
        ipv6_only().await;
        ip("link set lo mtu 1280").await;
        let edge = on_v6().run().await.expect("an edge");
        let connector = connector(&edge, RULES).by_name().over(Transport::Quic).start();
        world::registered(&edge, &connector).await;
        serves(&edge).await;
    }

    pub(super) async fn packets_of_1280_bytes_are_enough_over_ipv4() {
        ipv4_only().await;
        ip("link set lo mtu 1280").await;
        let edge = world::edge().await;
        for discovered in [true, false] {
            let connector = connector(&edge, RULES).over(Transport::Quic);
            let connector = if discovered {
                connector.by_name()
            } else {
                connector
            };
            let connector = connector.start();
            world::registered(&edge, &connector).await;
            serves(&edge).await;
            drop(connector);
            edge.everywhere().lose(Loss::Abrupt);
            edge.everywhere().restore().await.expect("the same ports");
        }
    }

    /// A host that moves to a network with the other family only.
    pub(super) async fn a_family_that_loses_its_addresses_is_left() {
        ipv6_only().await;
        for address in V4.as_flattened() {
            ip(&format!("-4 addr add {}/32 dev lo", IpAddr::from(*address))).await;
        }
        let sites = V6.iter().zip(&V4).map(|(six, four)| {
            let six = six.iter().map(|ip| IpAddr::V6(*ip));
            six.chain(four.iter().map(|ip| IpAddr::from(*ip))).collect()
        });
        let edge = edge::new()
            .listening_on(sites.collect())
            .run()
            .await
            .expect("an edge");
        let mut connector = connector(&edge, RULES).by_name().start();
        world::registered(&edge, &connector).await;
        let six = edge.connections()[0].address.is_ipv6();

        let gone: Vec<IpAddr> = if six {
            V6.as_flattened().iter().map(|ip| IpAddr::V6(*ip)).collect()
        } else {
            V4.as_flattened().iter().map(|ip| IpAddr::from(*ip)).collect()
        };
        for address in edge
            .addresses()
            .into_iter()
            .filter(|address| address.is_ipv6() == six)
        {
            edge.at(address).lose(Loss::Abrupt);
        }
        for address in gone {
            let bits = if six { 128 } else { 32 };
            ip(&format!("addr del {address}/{bits} dev lo")).await;
        }
        let lost = Instant::now();
        let moved = edge.serving(|serving| {
            serving.len() == 4
                && serving
                    .iter()
                    .all(|connection| connection.address.is_ipv6() != six)
        });
        let moved = tokio::time::timeout(subject::PATIENCE, moved).await;
        moved.unwrap_or_else(|_| panic!("not moved:\n{}", connector.err.all()));
        println!("  the other family after {:?}", lost.elapsed());
        assert!(connector.runs(), "the process lives");
        serves(&edge).await;
    }

    /// Upstream tries the family without a route after every failure.
    pub(super) async fn an_ipv6_only_host_outlives_a_failure() {
        ipv6_only().await;
        let edge = on_v6().run().await.expect("an edge");
        names_lead_to_both(&edge);
        let connector = connector(&edge, RULES)
            .by_name()
            .flag("--loglevel", "debug")
            .start();
        world::registered(&edge, &connector).await;
        edge.everywhere().lose(Loss::Silent);
        connector.err.nth_with(7, "Retrying connection in up to").await;
        edge.everywhere().restore().await.expect("the same ports");
        soon("all are back", edge.registered(4)).await;
        assert_all(&edge, IpAddr::is_ipv6);
        assert_quiet(&connector);
        serves(&edge).await;
    }
}

/// Adds the addresses of the other family to the names of the data centres.
fn names_lead_to_both(edge: &Edge) {
    for (site, (six, four)) in V6.iter().zip(&V4).enumerate() {
        let six = six.iter().map(|ip| Record::Address(IpAddr::V6(*ip)));
        let four = four.iter().map(|ip| Record::Address(IpAddr::from(*ip)));
        let name = format!("region{}.v2.argotunnel.com", site + 1);
        edge.dns().set(&name, four.chain(six).collect());
    }
}

fn assert_all(edge: &Edge, family: fn(&IpAddr) -> bool) {
    let connections = edge.connections();
    assert!(
        connections
            .iter()
            .all(|connection| family(&connection.address.ip())),
        "{connections:#?}"
    );
}

/// Asserts that the family without a route was not even tried.
fn assert_quiet(connector: &Subject) {
    for text in ["unreachable", "os error 101", "os error 99"] {
        assert_eq!(connector.err.seen(text), Vec::<String>::new());
    }
}

async fn serves(edge: &Edge) {
    let load = Load::on_all(edge, URL, 50);
    load.goes_on(40).await;
    load.stop_without_failure().await;
    assert_clean(edge);
}
