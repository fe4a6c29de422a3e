//! A whole tunnel over a path that loses and delays packets, over both transports.

#[path = "adit/tunnel.rs"]
mod tunnel;

use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_edge::{Outcome, Protocol};
use adit_exchange::{Answer, Body, Headers, Proxy, Reply, Request, Response};
use adit_loopback::edge;
use adit_loopback::relay::Weather;
use adit_loopback::request::Request as Visit;
use bytes::Bytes;
use tunnel::{Adit, settings, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_complete_whatever_is_lost_on_the_way() {
    for loss in [0.01, 0.03] {
        let quic = goodput(Protocol::Quic, loss).await;
        let http2 = goodput(Protocol::Http2, loss).await;
        println!("loss {loss}: QUIC {quic:?}, HTTP/2 {http2:?} KiB/s (down, up)");
    }
}

/// Returns how many KiB pass in a second, from an origin and to it.
async fn goodput(protocol: Protocol, loss: f64) -> (u128, u128) {
    let weather = Weather::losing(7, loss).delayed(DELAY);
    let edge = edge::new().weather(weather).run().await.expect("the edge starts");
    let mut adit = Adit::run(settings(&edge, protocol), Arc::new(Origin));
    assert!(within(adit.status.wait_for(|all| all.len() == 4)).await);

    let begun = Instant::now();
    let visit = edge.visit(Visit::get("https://h/down"));
    let mut answer = within(visit).await.expect("there is an answer");
    let down = within(answer.bytes()).await.expect("it arrives");
    assert_eq!(down.len(), LENGTH);
    let down = per_second(begun);

    let begun = Instant::now();
    let visit = edge.visit(Visit::post("https://h/up", vec![7; LENGTH]));
    let mut answer = within(visit).await.expect("there is an answer");
    assert_eq!(
        within(answer.text()).await.expect("it arrives"),
        LENGTH.to_string()
    );
    let up = per_second(begun);

    assert_eq!(adit.drain().await, Outcome::Drained);
    (down, up)
}

fn per_second(begun: Instant) -> u128 {
    LENGTH as u128 * 1000 / 1024 / begun.elapsed().as_millis().max(1)
}

/// Sends much on `/down` and counts what it gets on any other path.
struct Origin;

impl Proxy for Origin {
    fn call(&self, mut request: Request) -> Answer<'_> {
        Box::pin(async move {
            let body = if request.destination.ends_with(b"/down") {
                Body::full(Bytes::from(vec![7; LENGTH]))
            } else {
                let mut length = 0;
                while let Some(Ok(data)) = request.body.data().await {
                    length += data.len();
                }
                Body::full(length.to_string())
            };
            Ok(Reply::Response(Response {
                status: 200,
                wording: None,
                headers: Headers::new(),
                body,
            }))
        })
    }
}

const LENGTH: usize = 1 << 20;
const DELAY: Duration = Duration::from_millis(10);
