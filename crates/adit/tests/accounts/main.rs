//! The commands that speak to an account's API against what upstream was recorded to do: one
//! process per recorded command line, with an API on this machine that says what it was recorded to
//! say (`service.rs`). Where the program does something else on purpose, it is judged by the rule
//! for that situation (`differences.rs`).

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod case;
mod differences;
#[path = "../recorded/isolation.rs"]
mod isolation;
mod proxies;
mod secrets;
mod service;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use adit_vectors::{File, Verdict};
use serde_json::{Value, json};

/// Cases that run at the same time. Most of their time they wait.
const PARALLEL: usize = 8;

/// Commands whose records are read elsewhere: what they speak to is no account's API.
const ELSEWHERE: [&str; 3] = ["tail", "management", "update"];

#[test]
fn commands_of_accounts_have_their_recorded_outcome() {
    check("account-api");
}

#[test]
fn quick_tunnels_have_their_recorded_outcome() {
    check("account-quick");
}

#[test]
fn logins_have_their_recorded_outcome() {
    check("account-login");
}

#[test]
fn public_services_are_asked_as_recorded() {
    check("account-edgehosts");
}

#[test]
fn a_page_that_is_no_address_ends_a_login_before_it_begins() {
    let case = json!({
        "args": ["tunnel", "login", "--loginURL", "::"],
        "server": "http",
        "expect": {
            "exit": 1,
            "stdout": "",
            "stderr": "parse \"::\": missing protocol scheme\n",
            "requests": [],
        },
    });
    assert_eq!(differences::judge(&case), Verdict::Same);
}

/// Runs one case inside its namespaces; the tests above start it there.
#[test]
#[ignore = "runs inside the namespaces that the other tests make"]
fn isolated_case() {
    let Some(case) = isolation::case() else { return };
    isolation::tell(&differences::judge(&case));
}

fn check(name: &str) {
    let Some(file) = File::open(name) else {
        return;
    };
    if is_public(&file.cases("cases")[0]) && !isolation::is_possible() {
        adit_vectors::say(&format!("{name}: skipped, this machine gives no namespaces"));
        return;
    }
    let is_here = |case: &&Value| !ELSEWHERE.contains(&case["args"][0].as_str().unwrap_or_default());
    let cases: Vec<&Value> = file.cases("cases").iter().filter(is_here).collect();
    let mut report = file.report();
    for (case, verdict) in cases.iter().zip(in_parallel(&cases)) {
        report.give(&case["id"], verdict);
    }
    report.finish();
}

/// Returns whether a case is about services by their public names, on their public port.
fn is_public(case: &Value) -> bool {
    case["server"] == "https-443"
}

fn verdict(case: &Value) -> Verdict {
    if is_public(case) {
        return isolation::verdict(case);
    }
    differences::judge(case)
}

/// Gives each case to one of several threads; returns the verdicts in the order of the cases.
fn in_parallel(cases: &[&Value]) -> Vec<Verdict> {
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
