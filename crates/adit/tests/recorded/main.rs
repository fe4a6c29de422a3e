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
mod judge;
mod management;
mod running;
mod secrets;
mod servers;
mod service;
mod world;

use adit_vectors::{File, isolation};

#[test]
fn command_lines_have_their_recorded_outcome() {
    let Some(file) = File::open("cli-parse") else {
        return;
    };
    if !isolation::is_possible() {
        println!("cli-parse: skipped, this machine gives no namespaces");
        return;
    }
    let mut report = file.report();
    report.give_all(file.cases("cases"), isolation::verdict);
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
