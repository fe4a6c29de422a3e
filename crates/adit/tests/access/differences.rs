//! Where this program does something else on purpose: each rule recognises the situation and says
//! what is asked for instead. The rows stand in `proto/vectors/DIFFERENCES.md`.

use adit_vectors::{Rule, Verdict};
use serde_json::{Value, json};

use crate::case;

const RULES: [Rule; 10] = [
    Rule {
        name: "logins-have-ten-minutes",
        apply: logins_have_ten_minutes,
    },
    Rule {
        name: "logins-let-go-of-their-locks",
        apply: locks_are_let_go,
    },
    Rule {
        name: "tokens-of-teams-are-kept",
        apply: team_tokens_are_kept,
    },
    Rule {
        name: "curl-reads-tokens-from-a-pipe",
        apply: tokens_come_through_a_pipe,
    },
    Rule {
        name: "expired-tokens-fail",
        apply: expired_tokens_fail,
    },
    Rule {
        name: "tokens-are-printed-as-stored",
        apply: tokens_are_as_stored,
    },
    Rule {
        name: "late-answers-are-waited-for",
        apply: late_answers,
    },
    Rule {
        name: "logs-hold-no-service-tokens",
        apply: no_service_tokens,
    },
    Rule {
        name: "keys-have-both-halves",
        apply: both_halves,
    },
    Rule {
        name: "broken-caches-are-quiet",
        apply: quiet_caches,
    },
];

/// Runs a case and judges what the program did.
pub(crate) fn judge(case: &Value) -> Verdict {
    let observed = case::run(case);
    adit_vectors::judge(&RULES, case, |expect| observed.compare(expect))
}

/// Upstream gives up after ten answers, however fast they came.
fn logins_have_ten_minutes(_: &Value, expect: &mut Value) -> bool {
    const WAITING: &str = "<TS> INF Waiting for login...\n";
    let stderr = expect["stderr"].as_str().unwrap_or_default();
    let Some((before, _)) = stderr.split_once("<TS> ERR Could not verify token") else {
        return false;
    };
    if before.matches(WAITING).count() != 10 {
        return false;
    }
    let mut requests = expect["requests"].as_array().cloned().unwrap_or_default();
    requests.extend(requests.last().cloned());
    *expect = json!({
        "exit": "signal:2",
        "stdout": "",
        "stderr": format!("{before}{WAITING}"),
        "requests": requests,
    });
    true
}

fn locks_are_let_go(_: &Value, expect: &mut Value) -> bool {
    let mut changed = false;
    for (name, file) in expect["home_after"].as_object_mut().into_iter().flatten() {
        if name.ends_with(".lock") || name.ends_with(".url") {
            *file = json!({ "absent": true });
            changed = true;
        }
    }
    changed
}

fn team_tokens_are_kept(case: &Value, expect: &mut Value) -> bool {
    let logs_in = case["script"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|step| step["transfer"].is_object());
    let mut changed = false;
    for (name, file) in expect["home_after"].as_object_mut().into_iter().flatten() {
        if logs_in && name.ends_with("-org-token") && file["absent"] == true {
            *file = json!({ "mode": "0600", "text": "${JWT:org}" });
            changed = true;
        }
    }
    changed
}

fn tokens_come_through_a_pipe(case: &Value, expect: &mut Value) -> bool {
    let Some((before, after)) = expect["stdout"]
        .as_str()
        .and_then(|text| text.split_once("[Cf-Access-Token: "))
    else {
        return false;
    };
    let rest = after.split_once(']').map_or("", |(_, rest)| rest);
    let stdout = format!("{before}[@/dev/fd/<FD>]{rest}");
    expect["stdout"] = stdout.into();
    case["args"][1] == "curl"
}

fn expired_tokens_fail(case: &Value, expect: &mut Value) -> bool {
    let missing = expect["stderr"]
        .as_str()
        .is_some_and(|text| text.contains("Unable to find token"));
    let applies = case["args"][1] == "token" && missing && expect["exit"] == 0;
    if applies {
        expect["exit"] = 1.into();
    }
    applies
}

fn tokens_are_as_stored(_: &Value, expect: &mut Value) -> bool {
    let text = expect.to_string();
    let changed = text.replace("${JWT_SORTED_HEADER:", "${JWT:");
    *expect = serde_json::from_str(&changed).unwrap();
    changed != text
}

fn late_answers(case: &Value, expect: &mut Value) -> bool {
    let steps = case["script"][0]["ws"].as_array();
    let says_nothing = case["stdin"]["text"] == "" && case["stdin"]["hold_open"] == false;
    let (Some(steps), true) = (steps, says_nothing) else {
        return false;
    };
    let answer: String = steps.iter().filter_map(|step| step["send"].as_str()).collect();
    expect["stdout"] = answer.into();
    if let Some(request) = expect["requests"][0].as_object_mut() {
        request.remove("ws_frames");
    }
    true
}

fn no_service_tokens(_: &Value, expect: &mut Value) -> bool {
    let files = expect["home_after"].as_object_mut();
    let Some(files) = files else { return false };
    let before = files.len();
    files.retain(|_, file| {
        !file["text"]
            .as_str()
            .is_some_and(|text| text.contains("Cf-Access-Client-Secret"))
    });
    files.len() != before
}

fn both_halves(case: &Value, expect: &mut Value) -> bool {
    let home = case["home"].as_object().into_iter().flatten();
    let halves = home
        .filter(|(name, _)| name.ends_with("cf_key") || name.ends_with("cf_key.pub"))
        .count();
    if halves != 1 {
        return false;
    }
    for request in expect["requests"].as_array_mut().into_iter().flatten() {
        if let Some(request) = request.as_object_mut() {
            request.remove("body");
        }
    }
    true
}

fn quiet_caches(_: &Value, expect: &mut Value) -> bool {
    let applies = expect["stderr"]
        .as_str()
        .is_some_and(|text| text.contains("failed to read JWKS cache"));
    if applies {
        expect["stderr"] = "".into();
        expect["stderr_must_contain"] = Value::Null;
    }
    applies
}
