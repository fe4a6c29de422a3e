//! Configurations that the edge pushes.

use adit_config::{ConfigurationFlags, OriginRequest, Rules, WarpRouting, remote, report};
use adit_vectors::{File, Verdict, same};
use serde_json::{Value, json};

use crate::effective::{State, flags, local, parsed, shown, start};

#[test]
fn pushes_are_judged_and_applied() {
    let Some(vectors) = File::open("ingress-remote-config") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("cases") {
        report.give(&case["id"], judge(case));
    }
    report.finish();
}

#[test]
fn each_push_is_answered() {
    let Some(vectors) = File::open("edge-remote-config") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("vectors") {
        report.give(&case["name"], judge_steps(case));
    }
    report.finish();
}

fn judge(case: &Value) -> Verdict {
    let flags = flags(&case["flags"]);
    let mut state = match case["yaml"].as_str() {
        Some("") => bare(&flags).map(State::local),
        _ => local(&case["yaml"], &flags).map(State::local),
    }
    .expect("the local configuration is right");
    for update in case["updates"].as_array().expect("a case has updates") {
        let answer = push(&mut state, update, &flags);
        let recorded = (update["last_applied_version"].clone(), update["error"].clone());
        if answer != recorded {
            return same(&answer, &recorded);
        }
    }
    shown(case, &state, &flags)
}

fn judge_steps(case: &Value) -> Verdict {
    let flags = flags(&case["configuration_flags"]);
    let mut state = match bare(&flags) {
        Ok(rules) => State::local(rules),
        Err(problem) => return same(&Value::from(problem), &case["start_error"]),
    };
    let local = parsed(&report::local(&state.rules, &flags));
    if local != case["config_json_at_start"] {
        return same(&local, &case["config_json_at_start"]);
    }
    for step in case["steps"].as_array().expect("a case has steps") {
        let (version, error) = push(&mut state, step, &flags);
        let outcome = json!({
            "last_applied_version": version,
            "err": error,
            "config_json_after": parsed(&report::local(&state.rules, &flags)),
            "versioned_config_after": parsed(&report::in_force(state.version, &state.rules)),
        });
        for (key, value) in outcome.as_object().expect("an outcome has fields") {
            if *value != step[key] {
                return Verdict::Wrong(format!("{key}: {value}\n    recorded: {}", step[key]));
            }
        }
    }
    Verdict::Same
}

/// Returns what recordings without a file start from: a connector that has not even defaults.
fn bare(flags: &ConfigurationFlags) -> Result<Rules, String> {
    let limit = flags.max_active_flows().map_err(|error| error.problem)?;
    let warp_routing = WarpRouting {
        max_active_flows: limit.unwrap_or_default(),
        ..WarpRouting::DEFAULT
    };
    Ok(Rules::built_in(OriginRequest::zero(), warp_routing))
}

/// Offers a push and returns the answer: the version in force, and what is wrong.
fn push(state: &mut State, update: &Value, flags: &ConfigurationFlags) -> (Value, Value) {
    let version = update["version"].as_i64().expect("an update has a version");
    let version = i32::try_from(version).expect("a version fits");
    let config = update["config"].as_str().expect("an update has a text");
    if version <= state.version {
        return (state.version.into(), Value::Null);
    }
    let read = remote::read(config.as_bytes(), flags).map_err(|error| error.problem);
    let problem = match read.and_then(|rules| start(&rules).map(|()| rules)) {
        Ok(rules) => {
            *state = State { version, rules };
            None
        }
        Err(problem) => Some(problem),
    };
    (state.version.into(), problem.into())
}
