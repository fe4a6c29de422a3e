//! Hosts with one address family only, and paths with the smallest packets that IPv6 allows.
//!
//! Each test runs this binary again inside a network namespace of its own, where the loopback
//! interface has the addresses of the edge and nothing else has a route.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

use adit_loopback::dns::{EDGE_NAME, Mood, Record};
use adit_loopback::edge::{self, Builder, Edge};
use adit_loopback::faults::Loss;
use adit_loopback::{Registration, Transport};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::Command;
use tokio::task::JoinSet;

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
    a_resolver_that_knows_no_services_is_helped_out_over_tls,
    a_resolver_that_is_dead_is_helped_out_over_tls,
    packets_of_1280_bytes_are_enough_over_ipv6,
    packets_of_1280_bytes_are_enough_over_ipv4,
    a_family_that_loses_its_addresses_is_left,
    an_ipv6_only_host_outlives_a_failure,
);

/// Runs a test of this binary inside a namespace without a network.
async fn in_a_namespace(test: &str) {
    let inside = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount"])
        .arg(std::env::current_exe().expect("the path of this test"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let inside = inside.await.expect("`unshare` of util-linux runs");
    let out = String::from_utf8_lossy(&inside.stdout);
    let err = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
    for line in out.lines().filter(|line| line.starts_with("  ")) {
        println!("{line}");
    }
}

/// Sets the network of the namespace up.
async fn ip(arguments: &str) {
    run("ip", arguments).await;
}

async fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status().await;
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments}");
}

/// Gives the namespace the IPv4 addresses of the edge and no IPv6 at all.
async fn ipv4_only() {
    ip("link set lo up").await;
    ip("-6 addr flush dev lo").await;
}

/// Gives the namespace the IPv6 addresses of the edge, and of IPv4 what every host has: itself.
async fn ipv6_only() {
    ip("link set lo up").await;
    for address in V6.as_flattened() {
        ip(&format!("-6 addr add {address}/128 dev lo nodad")).await;
    }
}

/// Two data centres of three addresses each: documentation addresses, far from any real host.
const V6: [[Ipv6Addr; 3]; 2] = [[v6(0x11), v6(0x12), v6(0x13)], [v6(0x21), v6(0x22), v6(0x23)]];
const V4: [[[u8; 4]; 3]; 2] = [
    [[198, 51, 100, 11], [198, 51, 100, 12], [198, 51, 100, 13]],
    [[198, 51, 100, 21], [198, 51, 100, 22], [198, 51, 100, 23]],
];

const fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

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

/// Resolvers other than those of the edge. They end with it.
struct Resolvers(JoinSet<()>, TempDir);

impl Resolvers {
    /// Makes the system ask one resolver: that at `answering`, or one that is not there.
    async fn of_the_system(answering: Option<SocketAddr>) -> Self {
        let mut resolvers = Self(JoinSet::new(), tempfile::tempdir().expect("a temporary folder"));
        let file = resolvers.1.path().join("resolv.conf");
        std::fs::write(&file, "nameserver ::1\n").expect("the file is written");
        run("mount", &format!("--bind {} /etc/resolv.conf", file.display())).await;
        if let Some(answering) = answering {
            let front = UdpSocket::bind("[::1]:53")
                .await
                .expect("nobody else resolves here");
            resolvers.0.spawn(forward(front, answering));
        }
        resolvers
    }

    /// Opens the public resolver, which has its answers from `answering`, and returns what vouches
    /// for it.
    async fn open_public(&mut self, answering: SocketAddr) -> PathBuf {
        ip("-6 addr add 2606:4700:4700::1111/128 dev lo nodad").await;
        let roots = self.1.path().join("roots.pem");
        let acceptor = world::acceptor("cloudflare-dns.com", &roots, &[]);
        let listener = TcpListener::bind("[2606:4700:4700::1111]:853").await;
        let listener = listener.expect("nobody else listens here");
        self.0.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("a client");
                let acceptor = acceptor.clone();
                clients.spawn(async move {
                    let mut client = acceptor.accept(client).await.expect("a handshake");
                    let mut server = TcpStream::connect(answering).await.expect("it listens");
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        roots
    }
}

/// Passes questions on, one after another.
async fn forward(front: UdpSocket, answering: SocketAddr) {
    let mut message = [0; 4096];
    loop {
        let (length, client) = front.recv_from(&mut message).await.expect("a question");
        let back = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let asked = back.send_to(&message[..length], answering).await;
        asked.expect("it listens");
        let length = soon("an answer", back.recv(&mut message)).await;
        let length = length.expect("an answer");
        let told = front.send_to(&message[..length], client).await;
        told.expect("the way back");
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
