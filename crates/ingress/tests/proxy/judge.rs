//! Compares what happened with the recording.

use std::collections::BTreeMap;

use adit_vectors::Verdict;
use serde_json::{Value, json};

use crate::case::Happened;
use crate::record;
use crate::rules;

/// Counters that the proxy keeps; others belong to other parts.
const COUNTERS: [&str; 7] = [
    "cloudflared_tunnel_total_requests",
    "cloudflared_tunnel_response_by_code",
    "cloudflared_tunnel_request_errors",
    "cloudflared_tcp_total_sessions",
    "cloudflared_proxy_connect_latency_count",
    "cloudflared_proxy_connect_streams_errors",
    "flow_client_registrations_rate_limited_total",
];

/// One thing in which the outcome differs from the recording.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) what: What,
    pub(crate) outcome: Value,
    pub(crate) recorded: Value,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// What origins saw.
    Origins,
    /// The answer to the request with this number.
    Response(usize),
    Logs,
    Metrics,
}

/// Returns whether a case is about a transport alone: nothing of it reaches the proxy.
pub(crate) fn belongs_to_transport(case: &Value) -> bool {
    let refused = |response: &Value| {
        let end = response["end"].as_str().unwrap_or_default();
        let status = response["headers"][0][1].as_str().unwrap_or_default();
        let bare = response["headers"].as_array().is_some_and(|headers| {
            !headers
                .iter()
                .any(|pair| pair[0] == "cf-cloudflared-response-meta")
        });
        end == "rst:PROTOCOL_ERROR" || end.starts_with("goaway") || (status == "400" && bare)
    };
    let upgrade = |request: &Value| {
        let mut headers = request["headers"].as_array().into_iter().flatten();
        headers.any(|pair| {
            pair[0] == "cf-cloudflared-proxy-connection-upgrade" && pair[1] == "update-configuration"
        })
    };
    let mut responses = case["responses"].as_array().into_iter().flatten();
    let mut requests = case["requests"].as_array().into_iter().flatten();
    responses.any(refused) || requests.any(upgrade)
}

/// Returns whether what happened is one of the recorded outcomes.
pub(crate) fn is_recorded(case: &Value, happened: &Happened) -> bool {
    differences(case, happened).is_empty()
}

/// Judges a case.
pub(crate) fn judge(case: &Value, happened: &Happened) -> Verdict {
    let differences = differences(case, happened);
    let mut verdict = Verdict::Same;
    for difference in &differences {
        let Some(rule) = rules::explaining(case, &differences, difference) else {
            let Difference {
                what,
                outcome,
                recorded,
            } = difference;
            return Verdict::Wrong(format!(
                "{what:?}\n    outcome:  {outcome}\n    recorded: {recorded}"
            ));
        };
        verdict = Verdict::Differs(rule);
    }
    verdict
}

/// Returns in what the outcome differs from the recorded one that is closest.
fn differences(case: &Value, happened: &Happened) -> Vec<Difference> {
    let others = case["other_observed"].as_array().into_iter().flatten();
    let outcomes = std::iter::once(case).chain(others);
    let differences = outcomes.map(|outcome| against(case, outcome, happened));
    differences.min_by_key(Vec::len).unwrap_or_default()
}

fn against(case: &Value, outcome: &Value, happened: &Happened) -> Vec<Difference> {
    let mut differences = Vec::new();
    let mut check = |what: What, outcome: Value, recorded: Value| {
        if outcome != recorded {
            differences.push(Difference {
                what,
                outcome,
                recorded,
            });
        }
    };
    check(
        What::Origins,
        json!(record::seen(happened)),
        json!(record::recorded_seen(outcome)),
    );
    let quic = case["transport"] == "quic";
    let responses = outcome["responses"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, response) in responses.iter().enumerate() {
        let recorded = record::recorded(response, quic);
        let got = &happened.got[index];
        let got = if quic {
            record::quic(got, &happened.addresses)
        } else {
            record::http2(got, &happened.addresses)
        };
        check(What::Response(index), dated(got, &recorded), recorded);
    }
    let logs = outcome["logs"].as_array().map_or(&[][..], Vec::as_slice);
    let logged = record::lines(&happened.lines, &happened.addresses);
    check(What::Logs, logged.into(), record::lines(logs, &[]).into());
    let counted = happened
        .counters
        .iter()
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    let recorded = outcome["metrics_delta"].as_object().cloned().unwrap_or_default();
    let recorded = recorded
        .into_iter()
        .map(|(name, value)| (name, value.as_u64().unwrap_or_default()));
    check(
        What::Metrics,
        json!(kept(counted)),
        json!(kept(recorded.collect())),
    );
    differences
}

fn kept(counters: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let is_ours = |name: &str| COUNTERS.contains(&name.split('{').next().unwrap_or_default());
    counters.into_iter().filter(|(name, _)| is_ours(name)).collect()
}

/// Takes the moment from the recording where any would do.
fn dated(mut got: Value, recorded: &Value) -> Value {
    if !recorded.to_string().contains("{{DATE}}") {
        return got;
    }
    for list in ["metadata", "user"] {
        for pair in got
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if pair[0].as_str().is_some_and(|name| name.ends_with("Date")) {
                pair[1] = Value::from("{{DATE}}");
            }
        }
    }
    got
}
