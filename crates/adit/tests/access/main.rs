//! `access` and `tail` against what upstream was recorded to do: one process per recorded command
//! line, in a network of its own where every public name is this machine (`service.rs`), with
//! tokens made for the case (`tokens.rs`). Where the program does something else on purpose, it is
//! judged by the rule for that situation (`differences.rs`).

#![expect(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it must be"
)]

mod case;
#[path = "../started/command.rs"]
mod command;
mod differences;
mod service;
mod tokens;
mod websocket;

use adit_vectors::{File, Verdict, isolation};
use serde_json::Value;

#[test]
fn applications_are_reached_as_recorded() {
    check("account-access", |case| case["args"][0] != "update");
}

#[test]
fn far_logs_are_followed_as_recorded() {
    check("account-edgehosts", |case| case["args"][0] == "tail");
}

/// A login that nobody completes is no recorded case; it is made of one that somebody does.
#[test]
fn logins_that_nobody_completes_are_waited_for() {
    let Some(file) = File::open("account-access") else {
        return;
    };
    let completed = file
        .cases("cases")
        .iter()
        .find(|case| case["id"] == "acc-login-full");
    let (Some(completed), true) = (completed, isolation::is_possible()) else {
        adit_vectors::say("skipped: no recorded login, or no namespaces");
        return;
    };
    let mut case = completed.clone();
    case["script"].as_array_mut().unwrap().truncate(2);
    let expect = &mut case["expect"];
    let waiting = "<TS> INF Waiting for login...\n";
    let reason = "Could not create access request: failed to run transfer service: Failed to fetch resource";
    expect["exit"] = 1.into();
    expect["stderr"] = format!(
        "{}<TS> ERR Could not verify token error=\"{reason}\"\n{reason}\n",
        expect["stderr"]
            .as_str()
            .unwrap()
            .replace(waiting, &waiting.repeat(10))
    )
    .into();
    let requests = expect["requests"].as_array_mut().unwrap();
    requests.truncate(3);
    requests.extend(vec![requests[2].clone(); 9]);
    let verdict = isolation::verdict(&case);
    assert!(
        matches!(verdict, Verdict::Differs("logins-have-ten-minutes")),
        "{verdict:?}"
    );
}

/// Runs one case inside its namespaces; the tests above start it there.
#[test]
#[ignore = "runs inside the namespaces that the other tests make"]
fn isolated_case() {
    let Some(case) = isolation::case() else { return };
    isolation::tell(&differences::judge(&case));
}

fn check(name: &str, is_here: impl Fn(&Value) -> bool) {
    let Some(file) = File::open(name) else {
        return;
    };
    if !isolation::is_possible() {
        adit_vectors::say(&format!("{name}: skipped, this machine gives no namespaces"));
        return;
    }
    let mut report = file.report();
    let cases = file.cases("cases").iter().filter(|case| is_here(case));
    report.give_all(cases, isolation::verdict);
    report.finish();
}
