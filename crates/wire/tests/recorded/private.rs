//! Heads of TCP streams into private networks.

use adit_vectors::{File, Verdict, same};
use adit_wire::preamble::{self, Kind};
use adit_wire::{ConnectRequest, ConnectResponse, ConnectionType, DecodeError, Intake, Metadata};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::{hex, text};

#[test]
fn connect_messages() {
    let Some(file) = File::open("private-connect-messages") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        let is_request = case["message"] == "connect_request";
        let (told, again) = if is_request { request(case) } else { response(case) };
        let recorded = told.as_object().expect("an object").keys();
        let recorded: Value = recorded.map(|key| (key.clone(), case[key].clone())).collect();
        let verdict = match same(&told, &recorded) {
            Verdict::Same => same(&again, &told),
            verdict @ (Verdict::Differs(_) | Verdict::Wrong(_)) => verdict,
        };
        report.give(&case["name"], verdict);
    }
    report.finish();
}

/// Returns what a request says, and what it says when it is written again.
fn request(case: &Value) -> (Value, Value) {
    let request = taken(hex(&case["bytes_hex"]).into(), ConnectRequest::take);
    let mut out = BytesMut::new();
    request.put(&mut out).expect("it is small");
    (
        told_request(&request),
        told_request(&taken(out.freeze(), ConnectRequest::take)),
    )
}

fn response(case: &Value) -> (Value, Value) {
    let response = taken(hex(&case["bytes_hex"]).into(), ConnectResponse::take);
    let mut out = BytesMut::new();
    response.put(&mut out).expect("it is small");
    (
        told_response(&response),
        told_response(&taken(out.freeze(), ConnectResponse::take)),
    )
}

fn taken<T>(stream: Bytes, take: fn(&mut Intake) -> Result<Option<T>, DecodeError>) -> T {
    let mut intake = Intake::from(stream);
    assert_eq!(preamble::take(&mut intake), Ok(Some(Kind::Data)));
    take(&mut intake).expect("a message").expect("a whole one")
}

fn told_request(request: &ConnectRequest) -> Value {
    let kinds = [
        ConnectionType::Http,
        ConnectionType::WebSocket,
        ConnectionType::Tcp,
    ];
    json!({
        "dest": text(&request.destination),
        "type": kinds.iter().position(|kind| *kind == request.kind),
        "metadata": told(&request.metadata),
    })
}

fn told_response(response: &ConnectResponse) -> Value {
    json!({"error": text(&response.error), "metadata": told(&response.metadata)})
}

fn told(metadata: &[Metadata]) -> Vec<(String, String)> {
    metadata
        .iter()
        .map(|pair| (text(&pair.key), text(&pair.value)))
        .collect()
}
