//! Faults that are ordered, and what connectors get to feel of them.

use std::time::Duration;

use super::BOTH;
use super::connector::{Trouble, connect, dial_quic, hello, tls};
use crate::edge;
use crate::faults::{Answer, Direction, Greeting, Loss, Order};
use crate::link::Transport;
use crate::request::Request;
use crate::roster::State;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn registrations_are_refused_as_ordered() {
    let edge = edge::new().run().await.expect("an edge");
    let address = edge.addresses()[0];
    edge.order(Order::times(Answer::Duplicate, 1));
    edge.order(Order::times(Answer::Exception("broken".into()), 1));
    edge.order(Order::times(
        Answer::Later {
            cause: "busy".into(),
            after: Duration::from_secs(3),
        },
        1,
    ));
    for reason in ["already connected", "broken", "busy"] {
        let refused = connect(&edge, Transport::Http2, address, hello(&edge.credentials(), 0)).await;
        let Err(Trouble::Refused(error)) = refused else {
            panic!("{reason}: it was let in")
        };
        assert!(error.to_string().contains(reason), "{error}");
    }
    let register = hello(&edge.credentials(), 0);
    connect(&edge, Transport::Http2, address, register)
        .await
        .map(drop)
        .expect("let in");
    assert_eq!(edge.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_vanishes_and_another_takes_its_place() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let address = edge.addresses()[0];
        let register = hello(&edge.credentials(), 1);
        let first = connect(&edge, transport, address, register.clone())
            .await
            .expect("let in");
        let old = edge.connection(1).registered().await;
        edge.connection(1).vanish();
        assert!(edge.connection(1).registration().is_none());
        edge.connection(1)
            .ends_within(old.serial, SOON)
            .await
            .expect("it ended");

        let _second = connect(&edge, transport, address, register)
            .await
            .expect("let in");
        let new = edge
            .connection(1)
            .returns_within(SOON)
            .await
            .expect("it returned");
        assert!(new.serial > old.serial);
        let answer = edge
            .visit(Request::get("https://app.example/"))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        if let Some(connection) = &first.quic {
            assert_eq!(connection.close_reason(), None, "nobody was told");
        }
    }
}

#[tokio::test]
async fn a_peer_that_begins_anew_from_the_same_port_is_heard() {
    let edge = edge::new().run().await.expect("an edge");
    let address = edge.addresses()[0];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls(edge.authority(), Transport::Quic));
    let config = quinn::ClientConfig::new(std::sync::Arc::new(crypto.expect("TLS 1.3")));
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
    let dial = || endpoint.connect_with(config.clone(), address, crate::authority::QUIC_NAME);
    let _first = dial().expect("a dial").await.expect("a connection");
    edge.arrived(1).await;
    let links = edge.roster.until(|inner| inner.links().next().map(|_| ()));
    links.await;
    for link in edge.roster.links() {
        link.silence(Some(Direction::Both));
    }
    dial().expect("a dial").await.expect("a connection");
}

#[tokio::test]
async fn a_wrong_certificate_is_noticed() {
    let edge = edge::new().run().await.expect("an edge");
    let address = edge.addresses()[0];
    for greeting in [Greeting::WrongCertificate, Greeting::Rejects] {
        edge.at(address).greet(greeting);
        for transport in BOTH {
            let register = hello(&edge.credentials(), 0);
            let failed = connect(&edge, transport, address, register).await;
            assert!(
                matches!(failed, Err(Trouble::Transport(_))),
                "{greeting:?} {transport}"
            );
        }
    }
    edge.at(address).greet(Greeting::Right);
    let register = hello(&edge.credentials(), 0);
    connect(&edge, Transport::Quic, address, register)
        .await
        .map(drop)
        .expect("let in");
}

#[tokio::test]
async fn a_hello_that_is_forbidden_is_refused() {
    let edge = edge::new().run().await.expect("an edge");
    let mut config = tls(edge.authority(), Transport::Quic);
    config.alpn_protocols = vec![b"h3".to_vec(), b"argotunnel".to_vec()];
    let refused = dial_quic(config, edge.addresses()[0]).await;
    assert!(refused.is_err());
    let violations = edge.violations();
    assert!(violations[0].contains("ALPN"), "{violations:?}");
}

#[tokio::test]
async fn what_is_lost_comes_back_on_the_same_ports() {
    for loss in [Loss::Abrupt, Loss::Silent] {
        for transport in BOTH {
            let edge = edge::new().run().await.expect("an edge");
            let address = edge.addresses()[0];
            let register = hello(&edge.credentials(), 0);
            let lost = connect(&edge, transport, address, register.clone())
                .await
                .expect("let in");
            edge.data_centre(0).lose(loss);
            edge.deserted().await;
            drop(lost);
            edge.data_centre(0).restore().await.expect("free ports");
            connect(&edge, transport, address, register)
                .await
                .map(drop)
                .expect("let in again");
            let history = edge.history(2).await;
            assert_eq!(history[0].1, State::Gone, "{loss:?} {transport}");
        }
    }
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let connection = edge.connection(0);
        connection.reset_after(100_000);
        let request = Request::post("https://app.example/", vec![1; 1_000_000]);
        let broken = async { connection.send(request).await?.bytes().await };
        broken.await.expect_err("it broke off");
        edge.deserted().await;
    }
}

#[tokio::test]
async fn udp_is_blocked_while_tcp_is_not() {
    let edge = edge::new().http2_only().run().await.expect("an edge");
    let address = edge.addresses()[0];
    let dialled = dial_quic(tls(edge.authority(), Transport::Quic), address);
    let waited = tokio::time::timeout(Duration::from_millis(300), dialled).await;
    assert!(waited.is_err(), "UDP must be silent");
    let register = hello(&edge.credentials(), 0);
    connect(&edge, Transport::Http2, address, register.clone())
        .await
        .map(drop)
        .expect("let in");
    edge.everywhere().restore_udp().await.expect("free ports");
    connect(&edge, Transport::Quic, address, register)
        .await
        .map(drop)
        .expect("let in");
}
