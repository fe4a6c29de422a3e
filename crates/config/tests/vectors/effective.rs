//! What a file means, as the metrics server shows it and the edge is told.

use std::path::Path;

use adit_config::{ConfigurationFlags, File, Overrides, Reading, Rules, report};
use adit_vectors::{Verdict, same};
use serde_json::Value;

/// A configuration in force and its version.
pub(crate) struct State {
    pub(crate) version: i32,
    pub(crate) rules: Rules,
}

impl State {
    /// Starts with the configuration of this machine.
    pub(crate) fn local(rules: Rules) -> Self {
        Self { version: -1, rules }
    }
}

#[test]
fn files_mean_what_upstream_makes_of_them() {
    let Some(vectors) = adit_vectors::File::open("ingress-effective") else {
        return;
    };
    let mut judgement = vectors.report();
    for case in vectors.cases("cases") {
        judgement.give(&case["id"], judge(case));
    }
    judgement.finish();
}

fn judge(case: &Value) -> Verdict {
    let flags = flags(&case["flags"]);
    let rules = match local(&case["yaml"], &flags) {
        Ok(rules) => rules,
        Err(problem) => return refused(case, "parse_error", &problem),
    };
    if let Err(problem) = start(&rules) {
        return refused(case, "start_error", &problem);
    }
    shown(case, &State::local(rules), &flags)
}

fn refused(case: &Value, key: &str, problem: &str) -> Verdict {
    let recorded = case["parse_error"].as_str().or(case["start_error"].as_str());
    match recorded {
        Some(recorded) => same(problem, recorded),
        None => Verdict::Wrong(format!("{key}: {problem}")),
    }
}

/// Reads a file and says what it means.
pub(crate) fn local(yaml: &Value, flags: &ConfigurationFlags) -> Result<Rules, String> {
    let text = yaml.as_str().unwrap_or_default();
    let file = match File::read("c.yml", text.as_bytes()).map_err(|error| error.problem)? {
        Reading::Empty => File::default(),
        Reading::File { file, .. } => *file,
    };
    adit_config::resolve(&file, &Overrides::default(), flags).map_err(|error| error.problem)
}

/// Does of the start of services what fails in recorded cases: reading files of authorities.
pub(crate) fn start(rules: &Rules) -> Result<(), String> {
    for rule in &rules.rules {
        let pool = &rule.origin.ca_pool;
        if !pool.is_empty() && !Path::new(pool).exists() {
            return Err(format!(
                "failed to start origin: Error starting local service {}: Error loading cert pool: \
                 unable to read the file {pool} for --origin-ca-pool: open {pool}: no such file or \
                 directory",
                rule.service
            ));
        }
    }
    Ok(())
}

pub(crate) fn flags(value: &Value) -> ConfigurationFlags {
    let mut flags = ConfigurationFlags::default();
    for (name, value) in value.as_object().into_iter().flatten() {
        flags.set(name, value.as_str().expect("a flag is a text"));
    }
    flags
}

/// Compares both forms with the recorded ones, as texts where those are recorded.
pub(crate) fn shown(case: &Value, state: &State, flags: &ConfigurationFlags) -> Verdict {
    let forms = [
        ("versioned", report::in_force(state.version, &state.rules)),
        ("push", report::local(&state.rules, flags)),
    ];
    for (key, form) in forms {
        let verdict = match case[format!("{key}_text")].as_str() {
            Some(text) => same(form.as_str(), text),
            None => same(&parsed(&form), &case[key]),
        };
        if verdict != Verdict::Same {
            return verdict;
        }
    }
    Verdict::Same
}

pub(crate) fn parsed(form: &str) -> Value {
    serde_json::from_str(form).expect("a report is JSON")
}
