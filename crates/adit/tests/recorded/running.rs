//! What must not disturb a running connector: new configurations, and a log that cannot be written.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use adit_loopback::request::Request;
use adit_loopback::visitor::Visitor;
use tokio::task::JoinSet;

use crate::endpoints::World;

/// How often the configuration changes.
const RELOADS: usize = 1000;

/// Visitors who come all the while.
const VISITORS: usize = 4;

/// Memory that a thousand configurations may leave behind, in units of 1024 bytes.
const GROWTH: u64 = 16 << 10;

/// A reload that takes longer has been missed.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_thousand_reloads_fail_no_request_and_keep_nothing() {
    let world = World::with_rules(&rules(0)).await;
    let visitor = world.edge().visitor();
    let stop = Arc::new(AtomicBool::new(false));
    let visits = Arc::new(AtomicUsize::new(0));
    let mut visitors = JoinSet::new();
    for _ in 0..VISITORS {
        let (visitor, stop, visits) = (visitor.clone(), Arc::clone(&stop), Arc::clone(&visits));
        visitors.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(status(&visitor, "page.example.com").await, 200);
                visits.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut before = 0;
    for number in 1..=RELOADS {
        world.configure(&rules(number));
        let in_force = async {
            while status(&visitor, "version.example.com").await != version(number) {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, in_force).await;
        assert!(in_time.is_ok(), "reload {number} is missed");
        if number == RELOADS / 10 {
            before = world.memory();
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(visited) = visitors.join_next().await {
        visited.unwrap();
    }
    let after = world.memory();
    assert!(
        visits.load(Ordering::Relaxed) > RELOADS,
        "visitors came all the while"
    );
    assert!(after < before + GROWTH, "{before} kB became {after} kB");
    world.end().await;
}

#[tokio::test]
async fn a_full_disk_under_the_log_stops_no_request() {
    let world = World::logging_to("/dev/full").await;
    let visitor = world.edge().visitor();
    for _ in 0..100 {
        assert_eq!(status(&visitor, "a.example.com").await, 200);
    }
    world.end().await;
}

async fn status(visitor: &Visitor, host: &str) -> u16 {
    let mut answer = visitor
        .visit(Request::get(&format!("https://{host}/")))
        .await
        .unwrap();
    answer.bytes().await.unwrap();
    answer.status()
}

/// Returns a status that tells one configuration from the next.
fn version(number: usize) -> u16 {
    400 + u16::try_from(number % 100).unwrap()
}

fn rules(number: usize) -> String {
    format!(
        "ingress:\n- hostname: page.example.com\n  service: hello_world\n- service: http_status:{}\n",
        version(number)
    )
}

/// Returns the memory of a process in units of 1024 bytes.
pub(crate) fn memory_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
