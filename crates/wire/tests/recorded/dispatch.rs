//! What whole data streams ask for, and the answers to those that ask for nothing possible.

use adit_vectors::{File, Verdict, same};
use adit_wire::connect::put_refusal;
use adit_wire::headers::{HttpHead, TcpHead};
use adit_wire::preamble::{self, Kind};
use adit_wire::{ConnectRequest, ConnectResponse, ConnectionType, Intake};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::{hex, text};

#[test]
fn requests_mean_what_they_meant() {
    let Some(file) = File::open("edge-quic-dispatch") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], verdict(case));
    }
    report.finish();
}

fn verdict(case: &Value) -> Verdict {
    let mut intake = Intake::from(Bytes::from(hex(&case["stream_hex"])));
    if preamble::take(&mut intake) != Ok(Some(Kind::Data)) {
        return same(&json!("reset:0"), &case["stream_end"]);
    }
    let Ok(Some(request)) = ConnectRequest::take(&mut intake) else {
        return same(&json!("reset:0"), &case["stream_end"]);
    };
    let is_websocket = request.kind == ConnectionType::WebSocket;
    match request.kind {
        ConnectionType::Http | ConnectionType::WebSocket => match HttpHead::read(request) {
            Ok(head) => http(&head, is_websocket, &case["proxied"]),
            Err(error) => same(&refused(error.to_string()), &case["connect_response"]),
        },
        ConnectionType::Tcp => tcp(&request, &case["proxied"]),
        ConnectionType::Unknown(number) => Verdict::Wrong(format!("type {number}")),
    }
}

fn http(head: &HttpHead, is_websocket: bool, recorded: &Value) -> Verdict {
    let mut headers: Vec<_> = head
        .fields
        .iter()
        .map(|field| (text(&field.name), text(&field.value)))
        .collect();
    headers.sort();
    let outcome = json!({
        "method": text(&head.method),
        "host": text(&head.host),
        "headers_sorted": headers,
        "content_length": head.content_length.unwrap_or(0),
        "is_websocket": is_websocket,
    });
    same(&outcome, &part(recorded, &outcome))
}

fn tcp(request: &ConnectRequest, recorded: &Value) -> Verdict {
    let head = TcpHead::read(&request.metadata);
    let outcome = json!({
        "dest": text(&request.destination),
        "flow_id": text(&head.flow),
        "trace_id": text(&head.trace),
    });
    same(&outcome, &part(recorded, &outcome))
}

/// Returns what was recorded of the things that `outcome` speaks of.
fn part(recorded: &Value, outcome: &Value) -> Value {
    let keys = outcome.as_object().expect("an object").keys();
    keys.map(|key| (key.clone(), recorded[key].clone())).collect()
}

/// Returns what the edge reads of a refusal.
fn refused(error: String) -> Value {
    let mut out = BytesMut::new();
    put_refusal(error, false, &mut out).expect("it is small");
    let mut intake = Intake::from(out.freeze());
    preamble::take(&mut intake).expect("a preamble");
    let response = ConnectResponse::take(&mut intake)
        .expect("a response")
        .expect("a whole one");
    json!({"error": text(&response.error), "metadata": []})
}
