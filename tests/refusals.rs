//! What becomes of a connector that the edge refuses, in each of the ways in which it can.

use std::time::{Duration, Instant};

use adit_loopback::Transport;
use adit_loopback::credentials::Credentials;
use adit_loopback::edge::{self, Edge};
use adit_loopback::faults::{Answer, Greeting, Order};

use crate::registration::assert_clean;
use crate::subject::Subject;
use crate::world::{self, connector, over_both_transports, soon};

const RULES: &str = "ingress:\n- service: http_status:204\n";

over_both_transports!(
    unauthorised_at_start_ends_the_process_and_is_said,
    unauthorised_once_is_tried_again,
    refused_for_good_at_start_ends_the_process_with_the_cause,
    refused_once_it_has_served_is_tried_again,
    a_time_to_wait_is_honoured,
    connected_already_moves_to_another_address,
    silence_ends_with_the_time_for_calls,
    an_exception_is_tried_again,
    a_late_answer_is_waited_for,
    an_edge_that_hangs_before_the_handshake_is_left_for_another,
    an_edge_that_hangs_after_the_handshake_is_left_for_another,
);

fn started(edge: &Edge, transport: Transport) -> Subject {
    connector(edge, RULES).over(transport).start()
}

async fn unauthorised_at_start_ends_the_process_and_is_said(transport: Transport) {
    let edge = world::edge().await;
    let mut connector = started(&edge, transport);
    edge.accept_only(Credentials::random());

    assert_eq!(connector.ended().await.code(), Some(1));
    connector.err.with("Unauthorized: Invalid tunnel secret").await;
    connector.err.with("initial tunnel connection failed").await;
    // A tunnel that has just been created is not known everywhere at once.
    let refused = edge.refused(1).await;
    assert!((2..=5).contains(&refused.len()), "{refused:?}");
    let elsewhere = refused.iter().any(|again| again.address != refused[0].address);
    assert!(elsewhere, "another server is asked: {refused:?}");
    assert_clean(&edge);
}

async fn unauthorised_once_is_tried_again(transport: Transport) {
    let edge = world::edge().await;
    edge.order(Order::times(Answer::unauthorized(), 1));
    let connector = started(&edge, transport);
    world::registered(&edge, &connector).await;
    assert_clean(&edge);
}

async fn refused_for_good_at_start_ends_the_process_with_the_cause(transport: Transport) {
    let edge = world::edge().await;
    edge.order(Order::always(Answer::Refused("the tunnel is no more".to_owned())));
    let mut connector = started(&edge, transport);

    assert_eq!(connector.ended().await.code(), Some(1));
    connector.err.with("Register tunnel error from server side").await;
    let line = connector.err.with("Initiating shutdown").await;
    assert!(
        line.contains(" ERR ") && line.contains("the tunnel is no more"),
        "{line}"
    );
    let said = connector.err.seen("the tunnel is no more");
    assert!(!said.is_empty(), "{}", connector.err.all());
    assert_eq!(edge.refused(1).await.len(), 1, "the edge is taken at its word");
    assert_clean(&edge);
}

async fn refused_once_it_has_served_is_tried_again(transport: Transport) {
    let edge = world::edge().await;
    let mut connector = started(&edge, transport);
    world::registered(&edge, &connector).await;

    for answer in [
        Answer::unauthorized(),
        Answer::Refused("the tunnel is no more".to_owned()),
    ] {
        edge.order(Order::always(answer));
        let before = edge.refused(0).await.len();
        (0..4).for_each(|index| edge.connection(index).close());
        soon("several refusals", edge.refused(before + 4)).await;
        assert!(connector.runs(), "the process lives");
        edge.withdraw_orders();
        world::registered(&edge, &connector).await;
    }
    assert_clean(&edge);
}

async fn a_time_to_wait_is_honoured(transport: Transport) {
    let edge = world::edge().await;
    let after = Duration::from_secs(4);
    for index in [0, 2] {
        let later = Answer::Later {
            cause: "try again later".to_owned(),
            after,
        };
        edge.order(Order::times(later, 1).on_connection(index));
    }
    let mut connector = started(&edge, transport);
    world::registered(&edge, &connector).await;

    for refused in edge.refused(2).await {
        let next = edge.connection(refused.index).registered().await;
        let waited = next.at.duration_since(refused.at);
        // The edge counts from its answer, the connector from its arrival.
        assert!(waited >= after, "{waited:?}");
        assert!(waited < after + Duration::from_secs(10), "{waited:?}");
    }
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

async fn connected_already_moves_to_another_address(transport: Transport) {
    // With as many addresses as connections there may be no other to move to.
    let edge = edge::new().addresses(3).run().await.expect("an edge");
    edge.order(Order::times(Answer::Duplicate, 1).on_connection(0));
    edge.order(Order::times(Answer::Duplicate, 1).on_connection(1));
    let connector = started(&edge, transport);
    world::registered(&edge, &connector).await;

    for refused in edge.refused(2).await {
        let next = edge.connection(refused.index).registered().await;
        assert_ne!(next.address, refused.address);
    }
    connector
        .err
        .with("already connected to this server, trying another address")
        .await;
    assert_clean(&edge);
}

async fn silence_ends_with_the_time_for_calls(transport: Transport) {
    let edge = world::edge().await;
    edge.order(Order::times(Answer::Silence, 1));
    let begun = Instant::now();
    let connector = connector(&edge, RULES)
        .over(transport)
        .flag("--rpc-timeout", "1s")
        .start();
    world::registered(&edge, &connector).await;

    let refused = edge.refused(1).await;
    let next = edge.connection(refused[0].index).registered().await;
    assert!(next.at.duration_since(refused[0].at) >= Duration::from_secs(1));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_clean(&edge);
}

async fn an_exception_is_tried_again(transport: Transport) {
    let edge = world::edge().await;
    edge.order(Order::times(Answer::Exception("out of order".to_owned()), 1));
    edge.order(Order::times(Answer::Exception("out of order".to_owned()), 2).on_connection(3));
    let mut connector = started(&edge, transport);
    world::registered(&edge, &connector).await;
    connector.err.with("out of order").await;
    assert_eq!(edge.refused(3).await.len(), 3);
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}

async fn a_late_answer_is_waited_for(transport: Transport) {
    let edge = world::edge().await;
    edge.order(Order::times(Answer::Late(Duration::from_secs(2)), 1));
    let connector = started(&edge, transport);
    world::registered(&edge, &connector).await;
    assert_eq!(connector.err.seen("Retrying"), Vec::<String>::new());
    assert_clean(&edge);
}

async fn an_edge_that_hangs_before_the_handshake_is_left_for_another(transport: Transport) {
    half_open(transport, Greeting::Hangs).await;
}

async fn an_edge_that_hangs_after_the_handshake_is_left_for_another(transport: Transport) {
    half_open(transport, Greeting::Mute).await;
}

/// One data centre accepts connections and never says anything on them.
async fn half_open(transport: Transport, greeting: Greeting) {
    let edge = edge::new().addresses(5).run().await.expect("an edge");
    edge.data_centre(0).greet(greeting);
    let begun = Instant::now();
    let mut connector = started(&edge, transport);
    world::registered(&edge, &connector).await;
    println!(
        "{greeting:?} over {transport}: all serve after {:?}",
        begun.elapsed()
    );
    assert!(edge.connections().iter().all(|connection| connection.site == 1));
    assert!(connector.runs(), "the process lives");
    assert_clean(&edge);
}
