//! Recorded requests, driven through the proxy against scripted origins.
//!
//! `script` plays the origins, `visit` plays the edge, `record` turns what happened into the
//! recorded form, `judge` compares. Only `visit` and `record` know how a transport spells things.

mod authority;
mod case;
mod judge;
mod listen;
mod multiplexed;
mod origins;
mod record;
mod rules;
mod script;
mod visit;
mod wire;

use std::sync::Mutex;
use std::thread;

use adit_vectors::{File, Report};
use serde_json::Value;

/// Cases that run at the same time; they mostly sleep.
const AT_ONCE: usize = 32;

#[test]
fn requests_reach_origins_as_recorded() {
    run("proxy-request");
}

#[test]
fn responses_reach_the_edge_as_recorded() {
    run("proxy-response");
}

#[test]
fn streams_flow_as_recorded() {
    run("proxy-stream");
}

fn run(name: &str) {
    let Some(file) = File::open(name) else { return };
    let cases = file.cases("cases");
    let report = Mutex::new(file.report());
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { return };
                    judged(case, &report);
                }
            });
        }
    });
    report.into_inner().expect("no case panicked").finish();
}

fn judged(case: &Value, report: &Mutex<Report>) {
    if judge::belongs_to_transport(case) {
        return;
    }
    let happened = case::play(case);
    let verdict = judge::judge(case, &happened);
    report
        .lock()
        .expect("no case panicked")
        .give(&case["id"], verdict);
}
