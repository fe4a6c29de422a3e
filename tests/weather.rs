//! Bad weather on the path to the edge: everything arrives, and QUIC is worth having.

use std::time::{Duration, Instant};

use adit_loopback::Transport;
use adit_loopback::edge::{self, Edge};
use adit_loopback::origin::{self, Origin, Page, pattern, sha256};
use adit_loopback::relay::Weather;
use adit_loopback::request::Request;
use futures_util::future::join_all;
use serde_json::Value;

use crate::registration::assert_clean;
use crate::subject::Subject;
use crate::world::{self, connector, within};

const URL: &str = "https://app.example.com";
/// What each of the four connections carries in each direction.
const LENGTH: u64 = 2 << 20;
/// Half a round trip.
const DELAY: Duration = Duration::from_millis(20);
/// A transfer that takes longer than this will never end.
const COMPLETE: Duration = Duration::from_secs(120);

/// KiB per second, on each connection.
#[derive(Clone, Copy, Debug)]
struct Goodput {
    down: f64,
    up: f64,
}

/// What else the machine does disturbs one measurement more than the other, so that one may err.
const LOOKS: usize = 3;

/// When a window meets its first loss is luck, and decides about a short transfer: several tunnels
/// in weather of their own tell more than one.
const SEEDS: [u64; 8] = [1, 8, 15, 22, 29, 36, 43, 50];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_complete_in_bad_weather() {
    let sum = sha256(LENGTH);
    for (name, loss) in [
        ("40 ms", 0.0),
        ("1 % loss, 40 ms", 0.01),
        ("3 % loss, 40 ms", 0.03),
    ] {
        let mut looks = 0;
        while !compare(name, loss, &sum).await {
            looks += 1;
            assert!(looks < LOOKS, "{name}: QUIC was slower every time");
        }
    }
}

/// Measures both transports, one after the other, and returns whether QUIC was no slower.
async fn compare(name: &str, loss: f64, sum: &str) -> bool {
    let quic = in_all_weathers(Transport::Quic, loss, sum).await;
    let http2 = in_all_weathers(Transport::Http2, loss, sum).await;
    adit_vectors::say(&format!(
        "{name}: down {:.0} KiB/s over QUIC, {:.0} over HTTP/2; up {:.0} and {:.0}",
        quic.down, http2.down, quic.up, http2.up
    ));
    // Where nothing is lost the relay does not hold TCP back at all.
    loss == 0.0 || quic.both_ways() >= http2.both_ways()
}

impl Goodput {
    /// Returns the rate at which as much goes down as up, one after the other: luck that favours one
    /// direction in all its tunnels counts for half.
    fn both_ways(&self) -> f64 {
        2.0 / (1.0 / self.down + 1.0 / self.up)
    }
}

/// Returns the mean over several tunnels at once: all bytes by all the time that they took.
async fn in_all_weathers(transport: Transport, loss: f64, sum: &str) -> Goodput {
    let each = SEEDS.map(|seed| transfers(transport, Weather::losing(seed, loss).delayed(DELAY), sum));
    let each = join_all(each).await;
    let mean = |rate: fn(&Goodput) -> f64| {
        let times: f64 = each.iter().map(|goodput| 1.0 / rate(goodput)).sum();
        each.len() as f64 / times
    };
    Goodput {
        down: mean(|goodput| goodput.down),
        up: mean(|goodput| goodput.up),
    }
}

/// What is reordered and what comes twice is delivered once and in order.
#[tokio::test]
async fn what_is_overtaken_and_what_comes_twice_is_put_right() {
    let weather = Weather {
        duplicate: 0.02,
        reorder: 0.05,
        jitter: Duration::from_millis(5),
        ..Weather::losing(5, 0.02).delayed(Duration::from_millis(5))
    };
    let goodput = transfers(Transport::Quic, weather, &sha256(LENGTH)).await;
    println!("overtaken and twice: {goodput:.0?} KiB/s");
}

async fn transfers(transport: Transport, weather: Weather, sum: &str) -> Goodput {
    let (edge, _origin, _connector) = joined(transport, weather).await;
    let down = over_all(|index| download(&edge, index, sum)).await;
    let up = over_all(|index| upload(&edge, index, sum)).await;
    assert_clean(&edge);
    Goodput { down, up }
}

async fn joined(transport: Transport, weather: Weather) -> (Edge, Origin, Subject) {
    let origin = origin::http()
        .route("/down", Page::Bytes(LENGTH))
        .route("/up", Page::Echo);
    let origin = origin.run().await.expect("an origin");
    let edge = edge::new().weather(weather).run().await.expect("an edge");
    let rules = format!("ingress:\n- service: {}\n", origin.service());
    let connector = connector(&edge, &rules).over(transport).start();
    world::registered(&edge, &connector).await;
    (edge, origin, connector)
}

/// Uses all connections at once and returns how many KiB pass in a second on one of them: all bytes
/// by all the time that they took, so that a lucky connection counts for no more than another.
async fn over_all<F: Future<Output = ()>>(transfer: impl Fn(u8) -> F) -> f64 {
    let each = (0..4).map(|index| {
        let transfer = transfer(index);
        async move {
            let begun = Instant::now();
            within(COMPLETE, "the transfer", transfer).await;
            begun.elapsed().as_secs_f64()
        }
    });
    let times = join_all(each).await;
    let bytes = LENGTH * times.len() as u64;
    bytes as f64 / 1024.0 / times.iter().sum::<f64>()
}

async fn download(edge: &Edge, index: u8, sum: &str) {
    let answer = edge
        .connection(index)
        .send(Request::get(&format!("{URL}/down")))
        .await;
    let received = answer.expect("an answer").sha256().await.expect("a whole body");
    assert_eq!(received, (LENGTH, sum.to_owned()));
}

async fn upload(edge: &Edge, index: u8, sum: &str) {
    let request = Request::post(&format!("{URL}/up"), pattern(0, LENGTH));
    let answer = edge.connection(index).send(request).await;
    let seen = answer
        .expect("an answer")
        .text()
        .await
        .expect("the origin's account of it");
    let seen: Value = serde_json::from_str(&seen).expect("JSON");
    assert_eq!((&seen["length"], &seen["sha256"]), (&LENGTH.into(), &sum.into()));
}
