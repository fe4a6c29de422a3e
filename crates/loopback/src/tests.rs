//! The edge against a connector of a few lines, and its names against a real resolver.

mod connector;
mod faults;
mod names;
mod paths;

use crate::edge;
use crate::link::Transport;
use crate::request::{Kind, Request};
use crate::roster::State;
use connector::{LIMIT, Trouble, connect, hello};

const BOTH: [Transport; 2] = [Transport::Quic, Transport::Http2];

#[tokio::test]
async fn a_connector_is_let_in_serves_and_leaves() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let address = edge.addresses()[1];
        let register = hello(&edge.credentials(), 2);
        let connected = connect(&edge, transport, address, register.clone())
            .await
            .expect("let in");

        let registration = edge.connection(2).registered().await;
        assert_eq!(registration.client_id, register.options.client.id);
        assert_eq!((registration.site, registration.address), (1, address));
        assert_eq!(registration.connection_id, connected.details.id);
        assert_eq!(connected.details.location, "loop02");

        let answer = edge
            .visit(Request::post("https://app.example/x?y", "hello"))
            .await;
        let mut answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("x-destination"), Some("https://app.example/x?y"));
        assert_eq!(answer.text().await.expect("a body"), "hello");

        connected
            .control
            .update_local_configuration("{}".into(), LIMIT)
            .await
            .expect("told");
        assert_eq!(edge.configurations(1).await[0].1, "{}");
        connected.control.unregister(LIMIT).await.expect("left");
        edge.empty().await;
        assert_eq!(edge.history(1).await[0].1, State::Gone);
        assert_eq!(edge.violations(), Vec::<String>::new(), "{transport}");
    }
}

#[tokio::test]
async fn a_refusal_comes_with_its_reason() {
    for (transport, reason) in [(Transport::Quic, "there is no rule"), (Transport::Http2, "")] {
        let edge = edge::new().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let answer = edge
            .visit(Request::get("https://app.example/refused"))
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 502);
        assert_eq!(answer.head.refusal.as_deref(), Some(reason));
    }
}

#[tokio::test]
async fn two_way_streams_carry_both_ways() {
    for transport in BOTH {
        let edge = edge::new().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let _connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        let connection = edge.connection(0);
        for request in [
            Request::websocket("https://app.example/"),
            Request::tcp("10.0.0.1:22"),
        ] {
            let kind = request.target.kind();
            let mut stream = connection.connect(request).await.expect("a stream");
            let status = if kind == Kind::WebSocket { 101 } else { 200 };
            assert_eq!(stream.head.status, status);
            for word in ["one", "two"] {
                stream.outgoing.send(word).await.expect("room");
                let heard = stream.incoming.chunk().await.expect("bytes").expect("no end");
                assert_eq!(heard, word);
            }
            stream.outgoing.finish().expect("an end");
            assert_eq!(stream.incoming.chunk().await.expect("an end"), None);
        }
    }
}

#[tokio::test]
async fn configurations_are_pushed() {
    for transport in BOTH {
        let edge = edge::new().remotely_managed().run().await.expect("an edge");
        let register = hello(&edge.credentials(), 0);
        let connected = connect(&edge, transport, edge.addresses()[0], register)
            .await
            .expect("let in");
        assert!(connected.details.remotely_managed);
        let pushed = edge.push(7, r#"{"ingress":[]}"#).await.expect("an answer");
        assert_eq!((pushed.version, pushed.error), (7, None));
    }
}

#[tokio::test]
async fn wrong_credentials_and_broken_rules_are_refused() {
    let edge = edge::new().run().await.expect("an edge");
    let address = edge.addresses()[0];
    let mut wrong = hello(&edge.credentials(), 0);
    wrong.auth.secret = "guessed".into();
    let mut broken = hello(&edge.credentials(), 0);
    broken.options.client.features.clear();
    let high = hello(&edge.credentials(), 4);
    let cases = [
        (wrong, "Unauthorized"),
        (broken, "not announced"),
        (high, "index 4"),
    ];
    for (number, (register, reason)) in cases.into_iter().enumerate() {
        let refused = connect(&edge, Transport::Quic, address, register).await;
        let Err(Trouble::Refused(error)) = refused else {
            panic!("{reason}: it was let in")
        };
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(edge.refused(number + 1).await[number].cause, error.to_string());
    }
    assert_eq!(edge.violations().len(), 2, "{:?}", edge.violations());
}
