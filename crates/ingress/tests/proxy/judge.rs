//! Compares what happened with the recording, and knows where it differs on purpose.

use std::collections::BTreeMap;

use adit_vectors::Verdict;
use serde_json::Value;

use crate::case::Happened;
use crate::record;

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

/// Returns whether a case is about a transport alone: nothing of it reaches the proxy.
pub(crate) fn belongs_to_transport(case: &Value) -> bool {
    let refused = |response: &Value| {
        let end = response["end"].as_str().unwrap_or_default();
        let status = response["headers"][0][1].as_str().unwrap_or_default();
        let bare = response["headers"].as_array().is_some_and(|headers| {
            !headers.iter().any(|pair| pair[0] == "cf-cloudflared-response-meta")
        });
        end == "rst:PROTOCOL_ERROR" || end.starts_with("goaway") || (status == "400" && bare)
    };
    let upgrade = |request: &Value| {
        let headers = request["headers"].as_array().into_iter().flatten();
        headers.into_iter().any(|pair| {
            pair[0] == "cf-cloudflared-proxy-connection-upgrade" && pair[1] == "update-configuration"
        })
    };
    let responses = case["responses"].as_array().into_iter().flatten();
    let requests = case["requests"].as_array().into_iter().flatten();
    responses.into_iter().any(refused) || requests.into_iter().any(upgrade)
}

/// Returns whether what happened is one of the recorded outcomes.
pub(crate) fn is_recorded(case: &Value, happened: &Happened) -> bool {
    differences(case, happened).is_empty()
}

/// Judges a case.
pub(crate) fn judge(case: &Value, happened: &Happened) -> Verdict {
    let differences = differences(case, happened);
    if differences.is_empty() {
        return Verdict::Same;
    }
    Verdict::Wrong(differences.join("\n    "))
}

/// Returns in what the outcome differs from the recorded one that is closest.
fn differences(case: &Value, happened: &Happened) -> Vec<String> {
    let others = case["other_observed"].as_array().into_iter().flatten();
    let outcomes = std::iter::once(case).chain(others);
    let differences = outcomes.map(|outcome| against(case, outcome, happened));
    differences.min_by_key(Vec::len).unwrap_or_default()
}

fn against(case: &Value, outcome: &Value, happened: &Happened) -> Vec<String> {
    let mut differences = Vec::new();
    let mut check = |what: &str, outcome: String, recorded: String| {
        if outcome != recorded {
            differences.push(format!("{what}:\n      outcome:  {outcome}\n      recorded: {recorded}"));
        }
    };
    let (seen, recorded) = (record::seen(happened), record::recorded_seen(outcome));
    check("origin", format!("{seen:?}"), format!("{recorded:?}"));
    let quic = case["transport"] == "quic";
    let responses = outcome["responses"].as_array().map_or(&[][..], Vec::as_slice);
    for (index, response) in responses.iter().enumerate() {
        let recorded = record::recorded(response, quic);
        let got = &happened.got[index];
        let got = if quic { record::quic(got, &happened.addresses) } else { record::http2(got, &happened.addresses) };
        check("response", dated(&got, &recorded).to_string(), recorded.to_string());
    }
    let logged = record::lines(&happened.lines, &happened.addresses);
    let recorded = record::lines(outcome["logs"].as_array().map_or(&[][..], Vec::as_slice), &[]);
    check("logs", format!("{logged:?}"), format!("{recorded:?}"));
    let counted: BTreeMap<&String, u64> = happened.counters.iter().map(|(name, value)| (name, *value)).collect();
    let recorded = outcome["metrics_delta"].as_object().cloned().unwrap_or_default();
    let recorded = recorded.iter().map(|(name, value)| (name, value.as_u64().unwrap_or_default())).collect();
    check("metrics", format!("{:?}", kept(counted)), format!("{:?}", kept(recorded)));
    differences
}

fn kept(counters: BTreeMap<&String, u64>) -> BTreeMap<&String, u64> {
    let is_ours = |name: &&String| COUNTERS.contains(&name.split('{').next().unwrap_or_default());
    counters.into_iter().filter(|(name, _)| is_ours(name)).collect()
}

/// Takes the moment from the recording where any would do.
fn dated(got: &Value, recorded: &Value) -> Value {
    if !recorded.to_string().contains("{{DATE}}") {
        return got.clone();
    }
    let mut got = got.clone();
    for list in ["metadata", "user"] {
        for pair in got.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if pair[0].as_str().is_some_and(|name| name.ends_with("Date")) {
                pair[1] = Value::from("{{DATE}}");
            }
        }
    }
    got
}
