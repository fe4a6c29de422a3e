//! The commands that speak to an account's API against what upstream was recorded to do: one
//! process per recorded command line, with an API on this machine that says what it was recorded to
//! say (`service.rs`). Where the program does something else on purpose, it is judged by the rule
//! for that situation (`differences.rs`).

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod case;
#[path = "../started/command.rs"]
mod command;
mod differences;
mod proxies;
mod secrets;

use adit_vectors::{File, Verdict, isolation};
use serde_json::{Value, json};

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

#[test]
fn the_id_of_a_connector_is_looked_at_before_the_certificate() {
    let case = json!({
        "args": [
            "tunnel", "cleanup", "--connector-id", "zz", "11111111-2222-4333-8444-555555555555"
        ],
        "server": "http",
        "expect": {
            "exit": 1,
            "stdout": "",
            "stderr": "zz is not a valid client ID (must be a UUID): invalid UUID length: 2\n",
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
    let mut report = file.report();
    report.give_all(file.cases("cases").iter().filter(is_here), verdict);
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
