//! Where this program does something else on purpose: each rule recognises the situation and says
//! what is asked for instead. The rows stand in `proto/vectors/DIFFERENCES.md`.

use adit_vectors::{Rule, Verdict};
use serde_json::{Value, json};

use crate::case;

const RULES: [Rule; 17] = [
    Rule {
        name: "usage-errors-fail",
        apply: usage_errors_fail,
    },
    Rule {
        name: "tilde-is-expanded-everywhere",
        apply: tilde_is_expanded,
    },
    Rule {
        name: "the-api-s-reason-is-told",
        apply: the_reason_is_told,
    },
    Rule {
        name: "messages-of-the-api-are-ignored",
        apply: messages_are_ignored,
    },
    Rule {
        name: "redirects-of-the-api-are-not-followed",
        apply: redirects_are_not_followed,
    },
    Rule {
        name: "started-at-sorts",
        apply: started_at_sorts,
    },
    Rule {
        name: "unknown-changes-are-updates",
        apply: unknown_changes,
    },
    Rule {
        name: "subsets-are-asked-for",
        apply: subsets_are_asked_for,
    },
    Rule {
        name: "quick-refusals-tell-why",
        apply: quick_refusals,
    },
    Rule {
        name: "responses-with-secrets-are-not-logged",
        apply: secrets_are_not_logged,
    },
    Rule {
        name: "lines-are-lines",
        apply: lines_are_lines,
    },
    Rule {
        name: "the-time-is-asked-for",
        apply: the_time_is_asked_for,
    },
    Rule {
        name: "new-files-name-no-tunnel",
        apply: new_files_name_no_tunnel,
    },
    Rule {
        name: "origins-are-checked-first",
        apply: origins_are_checked_first,
    },
    Rule {
        name: "logins-have-ten-minutes",
        apply: logins_have_ten_minutes,
    },
    Rule {
        name: "proxies-are-for-the-api-too",
        apply: proxies_are_for_all,
    },
    Rule {
        name: "explanations-are-our-own",
        apply: explanations,
    },
];

/// Runs a case and judges what the program did.
pub(crate) fn judge(case: &Value) -> Verdict {
    let observed = case::run(case);
    adit_vectors::judge(&RULES, case, |expect| observed.compare(expect))
}

fn usage_errors_fail(_: &Value, expect: &mut Value) -> bool {
    let is_help = expect["exit"] == 0 && expect["stdout_match"] == "ignore" && expect["stderr"] == "";
    if is_help {
        *expect = json!({ "exit": 2, "stdout": "", "requests": [] });
    }
    is_help
}

/// The credentials file names the tunnel, so that the account need not be asked.
fn tilde_is_expanded(case: &Value, expect: &mut Value) -> bool {
    let Some(path) = words(case).iter().find_map(|word| word.strip_prefix("~/")) else {
        return false;
    };
    let content = case["home"][path]["text"].as_str().unwrap_or_default();
    let content: Value = serde_json::from_str(content).unwrap_or_default();
    let (Some(id), true) = (content["TunnelID"].as_str(), case.get("stop").is_some()) else {
        return false;
    };
    *expect = json!({
        "exit": 0,
        "stderr_match": "prefix",
        "stderr": format!("<TS> INF Starting tunnel tunnelID={id}\n"),
        "requests": [],
    });
    true
}

/// Returns the last answer that the API gave.
fn last_answer(case: &Value) -> &Value {
    let script = case["script"].as_array();
    script.and_then(|script| script.last()).unwrap_or(&Value::Null)
}

fn body_of(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default()
}

/// Returns what the API says is wrong.
fn told(answer: &Value) -> Option<String> {
    let body = body_of(answer);
    let errors = body["errors"].as_array()?;
    let one = |error: &Value| {
        let message = error["message"].as_str().unwrap_or_default();
        format!("code: {}, reason: {message}", error["code"])
    };
    match errors.as_slice() {
        [] => None,
        [only] => Some(one(only)),
        several => {
            let all: String = several.iter().map(|error| format!("{}; ", one(error))).collect();
            Some(format!("API errors: {all}"))
        }
    }
}

fn the_reason_is_told(case: &Value, expect: &mut Value) -> bool {
    let answer = last_answer(case);
    let kind = answer["headers"]["Content-Type"].as_str().unwrap_or_default();
    let (Some(told), Some(stderr)) = (told(answer), expect["stderr"].as_str()) else {
        return false;
    };
    let is_refused = answer["status"].as_u64().is_some_and(|status| status != 200);
    let at = [
        "incorrect request parameters",
        "unauthorized",
        "not found",
        "API call to ",
    ]
    .iter()
    .find_map(|text| stderr.rfind(text));
    let (true, true, Some(at)) = (is_refused, kind.starts_with("application/json"), at) else {
        return false;
    };
    let requests = expect["requests"].as_array();
    let request = requests
        .and_then(|requests| requests.last())
        .unwrap_or(&Value::Null);
    let path = request["path"].as_str().unwrap_or_default();
    let operation = match (request["method"].as_str(), path) {
        (Some("GET"), path) if path.ends_with("/routes") => "list routes",
        (Some("GET"), _) => "list tunnels",
        _ => "create tunnel",
    };
    expect["stderr"] = format!("{}Failed to {operation}: {told}\n", &stderr[..at]).into();
    true
}

fn messages_are_ignored(case: &Value, expect: &mut Value) -> bool {
    let body = body_of(last_answer(case));
    let has_objects = body["messages"]
        .as_array()
        .is_some_and(|messages| messages.iter().any(Value::is_object));
    if has_objects && body["success"] == true {
        *expect = json!({ "exit": 0, "stderr": "", "requests": expect["requests"] });
    }
    has_objects
}

fn redirects_are_not_followed(case: &Value, expect: &mut Value) -> bool {
    let script = case["script"].as_array().into_iter().flatten();
    let is_redirect = |answer: &Value| matches!(answer["status"].as_u64(), Some(301..=303 | 307 | 308));
    let Some(at) = script.clone().position(is_redirect) else {
        return false;
    };
    let status = script.clone().nth(at).map(|answer| answer["status"].to_string());
    let requests = expect["requests"].as_array().cloned().unwrap_or_default();
    *expect = json!({
        "exit": 1,
        "stdout": "",
        "stderr_must_contain": [format!("failed with status {}", status.unwrap_or_default())],
        "requests": requests[..=at],
    });
    true
}

fn started_at_sorts(case: &Value, expect: &mut Value) -> bool {
    let is_asked = words(case).contains(&"startedAt");
    if is_asked {
        expect["stderr"] = "".into();
    }
    is_asked
}

fn unknown_changes(_: &Value, expect: &mut Value) -> bool {
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let Some((before, rest)) = stderr.split_once("%!(EXTRA string=") else {
        return false;
    };
    let Some((name, after)) = rest.split_once(')') else {
        return false;
    };
    expect["stderr"] = format!("{before}{name} updated to route to your tunnel{after}").into();
    true
}

fn subsets_are_asked_for(case: &Value, expect: &mut Value) -> bool {
    let words = words(case);
    let has = |names: [&str; 2]| {
        let named = |word: &&&str| names.contains(&word.trim_start_matches('-'));
        words.iter().any(|word| named(&word))
    };
    let subset = has(["nsub", "filter-network-is-subset-of"]);
    let superset = has(["nsup", "filter-network-is-superset-of"]);
    if !subset || superset {
        return false;
    }
    for request in expect["requests"].as_array_mut().into_iter().flatten() {
        let query = request["query"].as_str().unwrap_or_default();
        request["query"] = query.replace("network_superset=", "network_subset=").into();
    }
    true
}

fn quick_refusals(case: &Value, expect: &mut Value) -> bool {
    const UPSTREAM: &str = "failed to parse quick Tunnel ID: invalid UUID length: 0";
    let answer = last_answer(case);
    let (Some(told), Some(stderr)) = (told(answer), expect["stderr"].as_str()) else {
        return false;
    };
    if !stderr.contains(UPSTREAM) {
        return false;
    }
    let (before, _) = stderr.split_once(UPSTREAM).unwrap_or_default();
    *expect = json!({
        "exit": 1,
        "stdout": "",
        "stderr_must_contain": [before, "failed to request quick Tunnel: ", answer["status"].to_string(), told],
        "requests": expect["requests"],
    });
    true
}

fn secrets_are_not_logged(case: &Value, expect: &mut Value) -> bool {
    let body = last_answer(case)["body"].as_str().unwrap_or_default().to_owned();
    if !body.contains("secret") || !expect["stderr"].as_str().unwrap_or_default().contains(&body) {
        return false;
    }
    for part in expect["stderr_must_contain"].as_array_mut().into_iter().flatten() {
        *part = part.as_str().unwrap_or_default().replace(&body, "*****").into();
    }
    let stderr = expect["stderr"]
        .as_str()
        .unwrap_or_default()
        .replace(&body, "*****");
    expect["stderr"] = stderr.into();
    true
}

fn lines_are_lines(_: &Value, expect: &mut Value) -> bool {
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let shown = stderr.replace("tunnels.\\nDelete", "tunnels.\nDelete");
    if shown == stderr {
        return false;
    }
    expect["stderr"] = shown.into();
    true
}

fn the_time_is_asked_for(case: &Value, expect: &mut Value) -> bool {
    let words = words(case);
    let named = |word: &&str| ["-w", "--w", "-when", "--when"].contains(word);
    let Some(time) = words.iter().position(named).and_then(|at| words.get(at + 1)) else {
        return false;
    };
    let time = time.replace(':', "%3A").replace('+', "%2B");
    for request in expect["requests"].as_array_mut().into_iter().flatten() {
        let query = request["query"].as_str().unwrap_or_default();
        request["query"] = format!("existed_at={time}&{query}").into();
    }
    true
}

/// The file that a token is to be written to is none that says which tunnel is meant.
fn new_files_name_no_tunnel(case: &Value, expect: &mut Value) -> bool {
    let words = words(case);
    let (true, Some(name)) = (words.contains(&"token"), words.last()) else {
        return false;
    };
    let request = &expect["requests"][0];
    let path = request["path"].as_str().unwrap_or_default();
    let Some((account, "token")) = path.rsplit_once('/').map(|(tunnel, last)| {
        let account = tunnel.rsplit_once('/').map_or("", |(account, _)| account);
        (account, last)
    }) else {
        return false;
    };
    let mut request = request.clone();
    request["path"] = account.into();
    request["query"] = format!("is_deleted=false&name={name}&page=1").into();
    *expect = json!({ "exit": 1, "stdout": "", "requests": [request] });
    true
}

fn origins_are_checked_first(case: &Value, expect: &mut Value) -> bool {
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let is_late = expect["exit"] == 1 && stderr.contains("Your quick Tunnel has been created!");
    if is_late && words(case).contains(&"--url") {
        *expect = json!({
            "exit": 1,
            "stdout": "",
            "stderr_must_contain": ["Error validating origin URL: "],
            "requests": [],
        });
        return true;
    }
    false
}

/// Upstream gives up after ten answers, however fast they came.
fn logins_have_ten_minutes(case: &Value, expect: &mut Value) -> bool {
    const WAITING: &str = "<TS> INF Waiting for login...\n";
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let Some((before, _)) = stderr.split_once("<TS> ERR Failed to write the certificate.") else {
        return false;
    };
    if !words(case).contains(&"login") || before.matches(WAITING).count() != 10 {
        return false;
    }
    let mut requests = expect["requests"].as_array().cloned().unwrap_or_default();
    requests.extend(requests.first().cloned());
    *expect = json!({
        "exit": null,
        "stdout": "",
        "stderr": format!("{before}{WAITING}"),
        "requests": requests,
    });
    true
}

/// The proxies of the records are places where nobody listens.
fn proxies_are_for_all(case: &Value, expect: &mut Value) -> bool {
    let proxy = ["HTTPS_PROXY", "https_proxy"];
    let Some(proxy) = proxy.iter().find_map(|name| case["env"][name].as_str()) else {
        return false;
    };
    if case["server"] != "https-443" || proxy.is_empty() || case["env"]["NO_PROXY"].is_string() {
        return false;
    }
    let (_, address) = proxy.split_once("://").unwrap_or(("", proxy));
    *expect = json!({
        "exit": 1,
        "stdout": "",
        "stderr_must_contain": [format!("proxyconnect tcp: dial tcp {address}: connect: connection refused")],
        "requests": [],
    });
    true
}

/// Returns the command line.
fn words(case: &Value) -> Vec<&str> {
    let words = case["args"].as_array().into_iter().flatten();
    words.filter_map(Value::as_str).collect()
}

/// What users read has the beginning that scripts look for, and then our own words.
fn explanations(_: &Value, expect: &mut Value) -> bool {
    const BEGINNINGS: [&str; 4] = [
        "You did not specify any valid additional argument to the cloudflared tunnel command.",
        "The tunnel credentials file should be .json but you gave a .pem.",
        "contained invalid JSON.",
        "DNS Proxy is no longer supported",
    ];
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let Some(beginning) = BEGINNINGS.iter().find(|beginning| stderr.contains(*beginning)) else {
        return false;
    };
    expect["stderr_must_contain"] = json!([beginning]);
    true
}
