//! Where this program does something else on purpose: each rule recognises the situation and says
//! what is asked for instead. The rows stand in `proto/vectors/DIFFERENCES.md`.

use adit_vectors::{Rule, Verdict};
use serde_json::{Value, json};

use crate::elsewhere;
use crate::judge;
use crate::service;
use crate::world::{Observed, texts};

const RULES: &[Rule] = &[
    Rule {
        name: "flags-anywhere",
        apply: flags_anywhere,
    },
    Rule {
        name: "usage-errors-fail",
        apply: usage_errors_fail,
    },
    Rule {
        name: "environment-errors-are-told",
        apply: environment_errors_are_told,
    },
    Rule {
        name: "no-self-update",
        apply: no_self_update,
    },
    Rule {
        name: "a-token-file-is-a-token",
        apply: a_token_file_is_a_token,
    },
    Rule {
        name: "settings-before-protocol",
        apply: settings_before_protocol,
    },
    Rule {
        name: "secrets-are-masked",
        apply: secrets_are_masked,
    },
    Rule {
        name: "no-execution-trace",
        apply: no_execution_trace,
    },
    Rule {
        name: "no-needless-lookups",
        apply: no_needless_lookups,
    },
    Rule {
        name: "lookup-errors-name-no-server",
        apply: lookup_errors_name_no_server,
    },
    Rule {
        name: "the-edge-is-waited-for",
        apply: the_edge_is_waited_for,
    },
    Rule {
        name: "a-failing-log-file-changes-nothing-else",
        apply: a_failing_log_file,
    },
    Rule {
        name: "the-built-in-page-has-no-port",
        apply: the_built_in_page,
    },
    Rule {
        name: "no-inherited-listeners",
        apply: no_inherited_listeners,
    },
    Rule {
        name: "the-file-may-forbid-diagnostics",
        apply: the_file_may_forbid_diagnostics,
    },
    Rule {
        name: "tilde-is-expanded-everywhere",
        apply: tilde_is_expanded,
    },
    Rule {
        name: "update-asks-nobody",
        apply: update_says_so,
    },
    Rule {
        name: "lines-are-lines",
        apply: elsewhere::lines_are_lines,
    },
    Rule {
        name: "colours-where-they-are-seen",
        apply: elsewhere::colours_where_seen,
    },
    Rule {
        name: "the-service-of-forwarders-is-told",
        apply: elsewhere::the_service_is_told,
    },
    Rule {
        name: "no-update-units",
        apply: service::no_update_units,
    },
    Rule {
        name: "the-service-has-a-user-of-its-own",
        apply: service::a_user_of_its_own,
    },
    Rule {
        name: "a-failed-installation-is-undone",
        apply: service::a_failure_is_undone,
    },
];

/// Judges what the program did.
pub(crate) fn judge(case: &Value, observed: &Observed) -> Verdict {
    let observed = &without_hints(observed);
    adit_vectors::judge(RULES, case, |expect| {
        judged(case, expect, observed).map_err(|reason| format!("{}: {reason}", case["argv"]))
    })
}

fn judged(case: &Value, expect: &Value, observed: &Observed) -> Result<(), String> {
    if let Some(absent) = expect["stderr_without"].as_str() {
        let text = observed.stderr.join("\n");
        return if text.contains(absent) {
            Err(format!("stderr has {absent}: {text}"))
        } else {
            Ok(())
        };
    }
    judge::compare(expect, observed)?;
    if expect["outcome"] == "exit" || case.get("http").is_some() {
        judge::compare_requests(&case["http"], observed)?;
    }
    Ok(())
}

/// Hints are lines of their own below the text that scripts know.
fn without_hints(observed: &Observed) -> Observed {
    let kept = observed
        .stderr
        .iter()
        .filter(|line| !line.starts_with("  hint: "));
    Observed {
        stderr: kept.cloned().collect(),
        outcome: observed.outcome,
        exit_code: observed.exit_code,
        exit_signal: observed.exit_signal,
        stdout: observed.stdout.clone(),
        files: observed.files.clone(),
        requests: observed.requests.clone(),
    }
}

fn first_line(expect: &Value) -> String {
    texts(&expect["stdout"]).first().cloned().unwrap_or_default()
}

fn is_usage_error(expect: &Value) -> bool {
    let line = first_line(expect);
    line.starts_with("Incorrect Usage") || line.starts_with("Cannot use two forms")
}

/// Decision 3: flags of the root and of `tunnel` may follow a command or an argument.
fn flags_anywhere(case: &Value, expect: &mut Value) -> bool {
    let line = first_line(expect);
    let argv = texts(&case["argv"]);
    let accepted = line
        .split_once("flag provided but not defined: -")
        .is_some_and(|(_, name)| {
            let after_command = argv.iter().any(|word| !word.starts_with('-'));
            after_command && SHARED.contains(&name)
        });
    let flag_behind = texts(&expect["stderr"])
        .first()
        .is_some_and(|line| line.contains("accepts only one argument"))
        && argv.iter().any(|word| word.starts_with("--") && word.len() > 2)
        && !argv.iter().any(|word| word == "--");
    if !accepted && !flag_behind {
        return false;
    }
    let refusal = if accepted {
        "flag provided but not defined"
    } else {
        "accepts only one argument"
    };
    *expect = json!({ "stderr_without": refusal });
    true
}

/// Flags of the root and of `tunnel` that records of a refusal use.
const SHARED: &[&str] = &[
    "config",
    "loglevel",
    "metrics",
    "no-autoupdate",
    "edge-ip-version",
    "ha-connections",
    "retries",
    "grace-period",
    "origincert",
    "logfile",
    "log-directory",
    "edge",
    "pidfile",
    "region",
    "protocol",
    "credentials-file",
    "cred-file",
    "url",
    "hello-world",
    "label",
    "tag",
    "output",
    "transport-loglevel",
    "proto-loglevel",
    "no-prechecks",
    "name",
    "hostname",
    "lb-pool",
    "api-url",
    "cacert",
    "edge-bind-address",
    "p",
    "n",
    "f",
    "post-quantum",
    "pq",
    "autoupdate-freq",
    "management-diagnostics",
    "rpc-timeout",
    "stdin-control",
    "overwrite-dns",
    "quick-service",
];

/// Decision 3: usage errors go to stderr and exit 2.
fn usage_errors_fail(_: &Value, expect: &mut Value) -> bool {
    if !is_usage_error(expect) || first_line(expect).contains("could not parse") {
        return false;
    }
    *expect = json!({ "outcome": "exit", "exit_code": 2, "stdout": [], "stderr": [first_line(expect)] });
    true
}

/// Decision 3: an environment value that cannot be read is named.
fn environment_errors_are_told(case: &Value, expect: &mut Value) -> bool {
    let silent = expect["outcome"] == "exit"
        && expect["exit_code"] == 0
        && texts(&expect["stdout"]).is_empty()
        && texts(&expect["stderr"]).is_empty();
    let told = first_line(expect).contains("could not parse");
    let has_environment = case["setup"]["env"]
        .as_object()
        .is_some_and(|env| !env.is_empty());
    if !has_environment || !(silent || told) {
        return false;
    }
    // Help needs no environment.
    if texts(&case["argv"])
        .iter()
        .any(|word| matches!(word.as_str(), "--help" | "-h" | "help" | "--version"))
    {
        *expect = json!({ "outcome": "exit", "exit_code": 0 });
        return true;
    }
    let line = "environment variable <...> does not fit <...>";
    *expect = json!({ "outcome": "exit", "exit_code": 2, "stdout": [], "stderr": [line] });
    true
}

/// The program never replaces itself, so it says nothing about when it would.
fn no_self_update(_: &Value, expect: &mut Value) -> bool {
    remove(expect, |line| {
        line.contains("Autoupdate frequency is set")
            || line.contains("cloudflared will not automatically update")
    })
}

/// A token from a file is treated as one from a flag.
fn a_token_file_is_a_token(case: &Value, expect: &mut Value) -> bool {
    let by_file = texts(&case["argv"])
        .iter()
        .any(|word| word.contains("token-file"))
        || case["setup"].to_string().contains("TUNNEL_TOKEN_FILE")
        || case["setup"].to_string().contains("token-file:");
    by_file
        && expect["outcome"] == "serves"
        && remove(expect, |line| {
            line.contains("Cannot determine default configuration path")
                || line.contains("No ingress rules were defined")
        })
}

/// Every setting is checked before the first step towards the edge.
fn settings_before_protocol(_: &Value, expect: &mut Value) -> bool {
    expect["outcome"] == "exit" && remove(expect, |line| line.contains("Initial protocol "))
}

/// Every secret is masked, and only variables of this program are shown.
fn secrets_are_masked(case: &Value, expect: &mut Value) -> bool {
    const SECRETS: &[&str] = &[
        "TUNNEL_SERVICE_TOKEN_SECRET",
        "TUNNEL_MANAGEMENT_TOKEN",
        "TUNNEL_CREATE_SECRET",
        "TUNNEL_API_KEY",
        "TUNNEL_API_CA_KEY",
        "api-key",
        "api-ca-key",
        "secret-id",
        "access-key-id",
        "session-token",
    ];
    let mut changed = false;
    for key in ["stderr", "stderr_prefix", "stderr_any_order"] {
        for line in expect[key].as_array_mut().into_iter().flatten() {
            let text = line.as_str().unwrap_or_default();
            let masked = masked(text, SECRETS, case);
            if masked != text {
                *line = masked.into();
                changed = true;
            }
        }
    }
    remove(expect, |line| line.ends_with("Environmental variables map[]")) || changed
}

/// Masks secrets in a line that shows a map, and leaves out variables of other programs.
fn masked(line: &str, secrets: &[&str], case: &Value) -> String {
    let Some((start, entries)) = line.split_once("map[") else {
        return line.to_owned();
    };
    let Some((entries, end)) = entries.rsplit_once(']') else {
        return line.to_owned();
    };
    let variables = line.contains("Environmental variables");
    let known = |name: &str| !variables || name.starts_with("TUNNEL_");
    let foreign = case["setup"]["env"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !known(name));
    let mut text = entries.to_owned();
    for (name, value) in foreign {
        let shown = format!("{name}:{}", value.as_str().unwrap_or_default());
        text = text
            .replace(&format!("{shown} "), "")
            .replace(&format!(" {shown}"), "")
            .replace(&shown, "");
    }
    let entries = text.split(' ').map(|entry| match entry.split_once(':') {
        Some((name, _)) if secrets.contains(&name) => format!("{name}:*****"),
        _ => entry.to_owned(),
    });
    format!("{start}map[{}]{end}", entries.collect::<Vec<_>>().join(" "))
}

/// There is no runtime whose execution could be traced.
fn no_execution_trace(case: &Value, expect: &mut Value) -> bool {
    let asked = case.to_string().contains("trace-output");
    asked && remove(expect, |line| line.contains("temporary trace output file"))
}

/// Records of the edge are only looked up where they matter.
fn no_needless_lookups(_: &Value, expect: &mut Value) -> bool {
    remove(expect, |line| {
        line.contains("edge discovery: looking up edge SRV record") || line.contains("Fetched protocol: ")
    })
}

/// The error of a name names the name; which server said so is not known.
fn lookup_errors_name_no_server(_: &Value, expect: &mut Value) -> bool {
    let text = expect.to_string();
    let replaced = text.replace(" on 127.0.0.1:53: no such host", ": no such host");
    let changed = replaced != text;
    *expect = serde_json::from_str(&replaced).expect("it stays JSON");
    changed
}

/// Decision 7: an edge that cannot be found yet does not end the process.
fn the_edge_is_waited_for(_: &Value, expect: &mut Value) -> bool {
    let text = expect.to_string();
    let about = [
        "failed to resolve any edge address",
        "Could not lookup srv records",
    ];
    if expect["outcome"] != "exit" || !about.iter().any(|about| text.contains(about)) {
        return false;
    }
    let line = "<TIME> ERR edge discovery: <...>";
    *expect = json!({ "outcome": "serves", "exit_code": 0, "stdout": [], "stderr_any_order": [line] });
    true
}

/// A log file that cannot be opened leaves the terminal's format and level alone.
fn a_failing_log_file(_: &Value, expect: &mut Value) -> bool {
    if !expect.to_string().contains("Falling back to a default logger") {
        return false;
    }
    let line = "<TIME> ERR Falling back to a default logger due to logger setup failure: <...>";
    *expect =
        json!({ "outcome": expect["outcome"], "exit_code": expect["exit_code"], "stderr_prefix": [line] });
    true
}

/// The built-in page is served inside the connector.
fn the_built_in_page(_: &Value, expect: &mut Value) -> bool {
    let text = expect.to_string();
    let replaced = text.replace(
        "Starting Hello World server at 127.0.0.1:<PORT>",
        "Starting Hello World server <...>",
    );
    let changed = replaced != text;
    *expect = serde_json::from_str(&replaced).expect("it stays JSON");
    changed
}

/// Listeners of another process are not taken over.
fn no_inherited_listeners(case: &Value, expect: &mut Value) -> bool {
    if case["setup"]["env"]["LISTEN_FDS"].is_null() {
        return false;
    }
    let text = expect
        .to_string()
        .replace("127.0.0.1:20242/metrics", "127.0.0.1:<PORT>/metrics");
    *expect = serde_json::from_str(&text).expect("it stays JSON");
    true
}

/// The file may switch management diagnostics off.
fn the_file_may_forbid_diagnostics(case: &Value, expect: &mut Value) -> bool {
    if !case["setup"]["files"]
        .to_string()
        .contains("management-diagnostics: false")
    {
        return false;
    }
    remove(expect, |line| line.contains("Settings: map["))
}

/// `~` in `credentials-file` means the home directory for every reader of the file.
fn tilde_is_expanded(case: &Value, expect: &mut Value) -> bool {
    let by_home = case["setup"]["files"]
        .to_string()
        .contains("credentials-file: ~/");
    if !by_home || !expect.to_string().contains("error parsing tunnel ID") {
        return false;
    }
    *expect = json!({ "outcome": "serves", "exit_code": 0 });
    true
}

/// `update` asks nobody: the program is updated the way it was installed.
fn update_says_so(case: &Value, expect: &mut Value) -> bool {
    if texts(&case["argv"])
        .iter()
        .find(|word| !word.starts_with('-'))
        .map(String::as_str)
        != Some("update")
    {
        return false;
    }
    *expect = json!({ "outcome": "exit", "exit_code": 0, "stderr": [] });
    true
}

/// Removes lines that are not expected here; returns whether there were any.
fn remove(expect: &mut Value, unwanted: impl Fn(&str) -> bool) -> bool {
    let mut changed = false;
    for key in ["stderr", "stderr_prefix", "stderr_any_order"] {
        if let Some(lines) = expect[key].as_array_mut() {
            let before = lines.len();
            lines.retain(|line| !line.as_str().is_some_and(&unwanted));
            changed |= lines.len() != before;
        } else if expect[key].is_null() {
            expect.as_object_mut().expect("a record is an object").remove(key);
        }
    }
    changed
}
