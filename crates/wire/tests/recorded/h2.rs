//! What the header fields of the HTTP/2 transport mean.

use adit_vectors::{File, Verdict, same};
use adit_wire::h2::{Purpose, ResponseFields, deserialize, flushes, meta, status};
use serde_json::{Value, json};

use crate::{pairs, text};

#[test]
fn requests_have_their_purpose() {
    let Some(file) = File::open("edge-h2-requests") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], purpose(case));
    }
    report.finish();
}

#[test]
fn response_fields_find_their_place() {
    let Some(file) = File::open("edge-h2-responses") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], placed(case));
    }
    report.finish();
}

fn purpose(case: &Value) -> Verdict {
    let headers = pairs(&case["request"]["headers"]);
    let value = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_bytes())
    };
    let purpose = Purpose::of(
        value("cf-cloudflared-proxy-connection-upgrade"),
        value("cf-cloudflared-proxy-src"),
    );
    let handler = match purpose {
        Purpose::Configuration => "configuration",
        Purpose::Tcp => "tcp",
        Purpose::Control => "control-stream",
        Purpose::Http | Purpose::WebSocket => "http",
    };
    // A configuration that does not parse reaches no handler.
    if case["dispatch"]["handler"].is_null() {
        return same(&purpose, &Purpose::Configuration);
    }
    let is_websocket = case["dispatch"]["is_websocket"].as_bool().unwrap_or(false);
    let outcome = (json!(handler), purpose == Purpose::WebSocket);
    same(&outcome, &(case["dispatch"]["handler"].clone(), is_websocket))
}

fn placed(case: &Value) -> Verdict {
    let origin = &case["origin"];
    let headers = pairs(&origin["headers"]);
    let fields = || {
        headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    };
    let sorted = ResponseFields::sort(fields());
    let purpose = match case["conn_type"].as_str() {
        Some("websocket") => Purpose::WebSocket,
        Some("tcp") => Purpose::Tcp,
        _ => Purpose::Http,
    };
    let mut user: Vec<_> = deserialize(&sorted.serialized)
        .expect("what was just written")
        .iter()
        .map(|field| (text(&field.name), text(&field.value)))
        .collect();
    user.sort();
    let mut placed = vec![
        json!({"name": "cf-cloudflared-response-headers", "user_pairs": user}),
        json!({"name": "cf-cloudflared-response-meta", "value": meta::ORIGIN}),
    ];
    let plain = [
        ("cf-int-cloudflared-tracing", sorted.tracing),
        ("content-length", sorted.content_length),
    ];
    for (name, value) in plain {
        placed.extend(value.map(|value| json!({"name": name, "value": text(value)})));
    }
    let code = origin["status"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok());
    let outcome = json!({
        "status": status(code.expect("a status")),
        "headers": placed,
        "flushes_after_headers": u8::from(flushes(purpose, fields())),
    });
    same(&outcome, &recorded(case))
}

fn recorded(case: &Value) -> Value {
    let headers = case["response"]["headers"].as_array().expect("a list of fields");
    let is_field = |field: &&Value| {
        !field["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("trailer:"))
    };
    json!({
        "status": case["response"]["status"],
        "headers": headers.iter().filter(is_field).collect::<Vec<_>>(),
        "flushes_after_headers": case["response"]["flushes_after_headers"],
    })
}
