//! The program against what upstream was recorded to do: one process per recorded command line.
//!
//! Each case gets a network, files and servers of its own (`isolation.rs`, `world.rs`); what the
//! process did is compared with the record (`judge.rs`), and where this program does something
//! else on purpose, with what the rule for that situation asks for (`differences.rs`).

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod differences;
mod elsewhere;
mod endpoints;
mod isolation;
mod judge;
mod management;
mod running;
mod secrets;
mod servers;
mod service;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_vectors::{File, Verdict};
use serde_json::Value;

/// Cases that run at the same time. Most of their time they wait.
const PARALLEL: usize = 12;

#[test]
fn command_lines_have_their_recorded_outcome() {
    let Some(file) = File::open("cli-parse") else {
        return;
    };
    if !isolation::is_possible() {
        println!("cli-parse: skipped, this machine gives no namespaces");
        return;
    }
    let cases = file.cases("cases");
    let verdicts = in_parallel(cases, isolation::verdict);
    let mut report = file.report();
    for (case, verdict) in cases.iter().zip(verdicts) {
        report.give(&case["id"], verdict);
    }
    report.finish();
}

/// Runs one case inside its namespaces; the test above starts it there.
#[test]
#[ignore = "runs inside the namespaces that the other test makes"]
fn isolated_case() {
    let Some(case) = isolation::case() else { return };
    let observed = world::run(&case);
    isolation::tell(&differences::judge(&case, &observed));
}

/// Gives each case to one of several threads; returns the verdicts in the order of the cases.
fn in_parallel(cases: &[Value], verdict: impl Fn(&Value) -> Verdict + Sync) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let verdicts: Vec<_> = cases.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = cases.get(index) else { break };
                    *verdicts[index].lock().unwrap() = Some(verdict(case));
                }
            });
        }
    });
    let verdicts = verdicts.into_iter().map(|verdict| verdict.into_inner().unwrap());
    verdicts
        .map(|verdict| verdict.expect("every case is judged"))
        .collect()
}
