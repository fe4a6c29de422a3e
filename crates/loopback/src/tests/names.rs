//! The names of the edge, asked for by a real resolver.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::dns::{Asked, EDGE_NAME, Mood, Record, TRANSPORTS_NAME};
use crate::edge;

fn resolver(address: SocketAddr) -> TokioResolver {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().cache_size = 0;
    builder.build().expect("a resolver")
}

async fn look_up(resolver: &TokioResolver, name: &str, kind: RecordType) -> Vec<RData> {
    let found = resolver.lookup(format!("{name}."), kind).await.expect("records");
    found.answers().iter().map(|record| record.data.clone()).collect()
}

#[tokio::test]
async fn the_data_centres_are_found() {
    let edge = edge::new()
        .family(edge::Family::Both)
        .run()
        .await
        .expect("an edge");
    let resolver = resolver(edge.dns().address());
    for name in [EDGE_NAME, "_us-v2-origintunneld._tcp.argotunnel.com"] {
        let mut found = Vec::new();
        for record in look_up(&resolver, name, RecordType::SRV).await {
            let RData::SRV(service) = record else {
                panic!("{record}")
            };
            let ips = resolver
                .lookup_ip(service.target.to_string())
                .await
                .expect("addresses");
            found.extend(ips.iter().map(|ip| SocketAddr::new(ip, service.port)));
        }
        let mut expected = edge.addresses();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn texts_are_read_and_long_answers_come_over_tcp() {
    let edge = edge::new().run().await.expect("an edge");
    let resolver = resolver(edge.dns().address());
    let texts = look_up(&resolver, TRANSPORTS_NAME, RecordType::TXT).await;
    assert!(matches!(&texts[..], [RData::TXT(text)] if text.to_string().contains("quic")));

    let addresses = (1..=200).map(|last| Record::Address(IpAddr::from([127, 9, 9, last])));
    edge.dns().set("many.example", addresses.collect());
    let found = look_up(&resolver, "many.example", RecordType::A).await;
    assert_eq!(found.len(), 200);
}

#[tokio::test]
async fn names_fail_as_ordered() {
    let edge = edge::new().dns(Mood::Fails).run().await.expect("an edge");
    let resolver = resolver(edge.dns().address());
    let ask = || resolver.lookup(EDGE_NAME, RecordType::SRV);
    ask().await.expect_err("the server fails");
    edge.dns().mood(Mood::NoSuchName);
    assert!(ask().await.expect_err("there is no such name").is_nx_domain());
    edge.dns().mood(Mood::Answers);
    ask().await.expect("the server is back");
    edge.dns().mood_for(EDGE_NAME, Mood::NoSuchName);
    ask().await.expect_err("this name fails");
    edge.dns().asked(EDGE_NAME, 4).await;
    let asked = Asked {
        name: EDGE_NAME.into(),
        kind: "SRV".into(),
    };
    assert!(edge.dns().questions().contains(&asked));
}
