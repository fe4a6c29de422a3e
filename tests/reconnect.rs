//! Whatever is lost comes back by itself.

use adit_loopback::faults::Loss;
use adit_loopback::request::Request;

use crate::registration::assert_clean;
use crate::world::{self, soon, visit};

const RULES: &str = "ingress:\n- service: http_status:204\n";

#[tokio::test]
async fn a_killed_edge_is_found_again_when_it_is_back() {
    let edge = world::edge().await;
    let mut connector = world::joined(&edge, RULES).await;

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

#[tokio::test]
async fn one_lost_connection_comes_back() {
    let edge = world::edge().await;
    let _connector = world::joined(&edge, RULES).await;

    let lost = edge.connection(2).registered().await;
    edge.connection(2).close();
    let back = async {
        loop {
            let now = edge.connection(2).registered().await;
            if now.serial != lost.serial {
                return now;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(soon("connection 2 is back", back).await.index, 2);
    assert_clean(&edge);
}
