//! Streams on which UDP sessions are opened and closed.

use std::sync::Mutex;

use adit_vectors::{File, Verdict, same};
use adit_wire::rpc::{Call, Envelope, Outcome};
use adit_wire::session::{Close, Open, Opened, method};
use adit_wire::{Intake, Message, Payload};
use bytes::Bytes;
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::{hex, string};
use crate::conversation::Dispatch;
use crate::server::{Answer, ConfigurationManager, Exception, Exports, SessionManager};
use crate::vat::{Event, Vat};

#[test]
fn sessions() {
    let Some(file) = File::open("private-session-rpc") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        report.give(&case["name"], verdict(case));
    }
    report.finish();
}

fn verdict(case: &Value) -> Verdict {
    let is_edges = case["caller"] == "edge";
    let (edge, connector) = (
        hex(&case["edge_to_connector_hex"]),
        hex(&case["connector_to_edge_hex"]),
    );
    let (asking, answering) = if is_edges {
        (edge, connector)
    } else {
        (connector, edge)
    };
    let (asking, answering) = (frames(&asking[6..]), frames(&answering));
    let results = answering.iter().find_map(results);
    let told = match &results {
        Some(results) if case["method"] == "registerUdpSession" => {
            let opened = Opened::read(results).expect("results");
            json!([opened.error, opened.spans.is_some()])
        }
        _ => json!([null, null]),
    };
    match same(&told, &json!([case["result_err"], case["result_spans_present"]])) {
        Verdict::Same => answered(case, &asking, answering),
        verdict @ (Verdict::Differs(_) | Verdict::Wrong(_)) => verdict,
    }
}

/// Plays the answering side.
fn answered(case: &Value, asking: &[Bytes], mut recorded: Vec<Bytes>) -> Verdict {
    let server = Server(case, Mutex::default());
    let exports = Exports {
        sessions: &server,
        configuration: &server,
    };
    let mut vat = Vat::new(true);
    for frame in asking {
        if let Ok(Some(Event::Called(call))) = vat.receive(&message(frame)) {
            answer(&mut vat, &exports, call);
        }
    }
    let mut sent = frames(vat.outgoing());
    // Upstream answers when it gets to it.
    sent.sort();
    recorded.sort();
    match same(&sent, &recorded) {
        Verdict::Same => same(&*server.1.lock().expect("nobody panicked"), &vec![asked(case)]),
        verdict @ (Verdict::Differs(_) | Verdict::Wrong(_)) => verdict,
    }
}

fn answer(vat: &mut Vat, exports: &Exports<'_>, call: Call) {
    let question = call.question;
    let result = exports.dispatch(call).now_or_never().expect("it is at hand");
    let results = result.as_ref().map(|results| &**results).map_err(Clone::clone);
    vat.answer(question, results).expect("it is small");
}

/// Answers as was recorded, and notes what it is asked.
struct Server<'c>(&'c Value, Mutex<Vec<Value>>);

impl Server<'_> {
    fn note(&self, asked: Value) {
        self.1.lock().expect("nobody panicked").push(asked);
    }
}

impl SessionManager for Server<'_> {
    fn register_udp_session(&self, open: Open) -> Answer<'_, Opened> {
        self.note(json!([
            method::OPEN,
            open.session.to_string(),
            open.address.to_vec(),
            open.port,
            open.idle,
            open.trace
        ]));
        let opened = Opened {
            error: string(&self.0["result_err"]),
            spans: None,
        };
        Box::pin(async { opened })
    }

    fn unregister_udp_session(&self, close: Close) -> Answer<'_, Result<(), Exception>> {
        self.note(json!([method::CLOSE, close.session.to_string(), close.message]));
        let failed = self.0["rpc_exception"].as_str();
        let closed = failed.map_or(Ok(()), |reason| Err(Exception(reason.to_owned())));
        Box::pin(async { closed })
    }
}

impl ConfigurationManager for Server<'_> {
    fn update_configuration(
        &self,
        update: adit_wire::configuration::Update,
    ) -> Answer<'_, adit_wire::configuration::Applied> {
        unreachable!("nobody pushes {update:?}")
    }
}

fn asked(case: &Value) -> Value {
    if case["method"] == "registerUdpSession" {
        return json!([
            method::OPEN,
            case["session_id"],
            hex(&case["dst_ip_hex"]),
            case["dst_port"],
            case["close_after_idle_ns"],
            case["trace_context"]
        ]);
    }
    json!([method::CLOSE, case["session_id"], case["message"]])
}

/// Returns the results in a frame, unless they are those of a bootstrap.
fn results(frame: &Bytes) -> Option<Payload> {
    let Ok(Envelope::Return(returned)) = Envelope::read(&message(frame)) else {
        return None;
    };
    match returned.outcome {
        Outcome::Results(results) if results.capabilities() == 0 => Some(results),
        Outcome::Results(_) | Outcome::Exception(_) | Outcome::Canceled | Outcome::Elsewhere => None,
    }
}

fn message(frame: &Bytes) -> Message {
    let message = Message::take(&mut Intake::from(frame.clone()));
    message.expect("a message").expect("a whole one")
}

/// Splits a stream of messages of one segment.
fn frames(stream: &[u8]) -> Vec<Bytes> {
    let mut rest = Bytes::copy_from_slice(stream);
    let mut frames = Vec::new();
    while let Some(words) = rest.get(4..8).and_then(<[u8]>::first_chunk) {
        frames.push(rest.split_to(8 + 8 * u32::from_le_bytes(*words) as usize));
    }
    frames
}
