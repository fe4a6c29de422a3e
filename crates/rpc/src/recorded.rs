//! Replays recorded conversations, each side against the other's frames, byte by byte.

mod params;
mod private;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use adit_vectors::{File, Verdict, same};
use adit_wire::configuration::{Applied, Update};
use adit_wire::registration::{Details, LocalConfiguration, Nothing, Refused, Register, Registered};
use adit_wire::session::{Close, Open, Opened};
use adit_wire::{Intake, Message, Payload};
use bytes::Bytes;
use futures_util::FutureExt;
use params::{alike, content, debug, frames, is_sayable};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::{UNREGISTER, UPDATE_LOCAL_CONFIGURATION, nothing, registered};
use crate::conversation::Dispatch;
use crate::error::{CallError, Ended, Retry};
use crate::far::{Registrar, RegistrationServer};
use crate::server::{Answer, ConfigurationManager, Exception, Exports, SessionManager};
use crate::vat::{Event, Failure, Vat};

#[test]
fn control_streams() {
    let Some(file) = File::open("edge-rpc-registration") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let conversation = Conversation::of(case, "c2s");
        let server = Recorded::of(&conversation);
        let asked = conversation.asked(|results| control_stream(case, results));
        let verdict = all([asked, conversation.answered(&Registrar(&server))]);
        report.give(&case["name"], verdict);
    }
    report.finish();
}

#[test]
fn calls_of_the_edge() {
    let Some(file) = File::open("edge-rpc-calls") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let conversation = Conversation::of(case, "e2c");
        let server = Recorded::of(&conversation);
        let exports = Exports {
            sessions: &server,
            configuration: &server,
        };
        let asked = conversation.asked(|results| edge_calls(case, results));
        let verdict = all([asked, conversation.answered(&exports)]);
        report.give(&case["name"], verdict);
    }
    report.finish();
}

/// A recorded conversation without the signature before it.
struct Conversation<'v> {
    events: Vec<&'v Value>,
    /// The direction of the asking side's frames.
    asking: &'static str,
}

/// What a call is, and what came of it.
type Asked = (String, Result<Payload, Failure>);

impl<'v> Conversation<'v> {
    fn of(case: &'v Value, asking: &'static str) -> Self {
        let events = case["events"].as_array().expect("a list of events");
        Self {
            events: events
                .iter()
                .filter(|event| event["decoded"].is_object())
                .collect(),
            asking,
        }
    }

    /// Plays the asking side, and lets `judge` see what became of its calls.
    fn asked(&self, judge: impl FnOnce(Vec<Asked>) -> Verdict) -> Verdict {
        let mut asker = Asker::new();
        for event in &self.events {
            if event["dir"] != self.asking {
                asker.unread.push_back(frame(event));
                continue;
            }
            let sent = asker.does(&event["decoded"]);
            if !alike(&sent, &frame(event)) && is_sayable(&event["decoded"]) {
                return Verdict::Wrong(format!("asked {}\n    recorded {event}", shown(&sent)));
            }
        }
        // Nothing is left to say, but there may be something left to hear.
        asker.read();
        judge(asker.results)
    }

    /// Plays the answering side.
    fn answered(&self, dispatch: &dyn Dispatch) -> Verdict {
        let is_offered = !self
            .events
            .iter()
            .any(|event| event["decoded"]["exception"]["reason"] == NO_MAIN);
        let mut vat = Vat::new(is_offered);
        let mut recorded = Vec::new();
        for event in &self.events {
            if event["dir"] != self.asking {
                recorded.push(shown(&frame(event)));
                continue;
            }
            match vat.receive(&message(&frame(event))) {
                Ok(Some(Event::Called(call))) => {
                    let question = call.question;
                    let result = dispatch.dispatch(call).now_or_never().expect("it is at hand");
                    let results = result.as_ref().map(|results| &**results).map_err(Clone::clone);
                    vat.answer(question, results).expect("it is small");
                }
                Ok(_) | Err(Ended::Aborted(_)) => (),
                Err(error) => return Verdict::Wrong(error.to_string()),
            }
        }
        // Upstream answers when it gets to it.
        let mut sent = frames(vat.outgoing());
        sent.sort();
        recorded.sort();
        same(&sent, &recorded)
    }
}

struct Asker {
    vat: Vat,
    /// Frames of the other side that have not been read: upstream answers when it gets to it.
    unread: VecDeque<Vec<u8>>,
    asked: Vec<(u32, String)>,
    results: Vec<Asked>,
}

impl Asker {
    fn new() -> Self {
        Self {
            vat: Vat::new(false),
            unread: VecDeque::new(),
            asked: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Does what the recorded side did, and returns the frame that comes of it.
    fn does(&mut self, decoded: &Value) -> Vec<u8> {
        match decoded["message"].as_str() {
            Some("bootstrap") => self.vat.bootstrap().expect("it is small"),
            Some("call") => self.call(decoded),
            Some("finish") => self.read(),
            _ if self.vat.outgoing().is_empty() => self.vat.close().expect("it is small"),
            _ => (),
        }
        let out = self.vat.outgoing();
        let words = out.get(4..8).and_then(<[u8]>::first_chunk).copied();
        let length = words.map_or(0, |words| 8 + 8 * u32::from_le_bytes(words) as usize);
        out.split_to(length).to_vec()
    }

    fn call(&mut self, decoded: &Value) {
        let interface = decoded["interface_id"].as_str().expect("an interface");
        let interface = u64::from_str_radix(&interface[2..], 16).expect("a number");
        let method = decoded["method_id"].as_u64().expect("a number") as u16;
        let params = &decoded["params"];
        let params_or_none = content(params).unwrap_or_else(|| Box::new(Nothing));
        let question = self.vat.call(interface, method, &*params_or_none);
        let name = match params["method"].as_str() {
            Some("unknown") => format!(
                "{}/{method}",
                decoded["interface_id"].as_str().expect("an interface")
            ),
            name => name.expect("a method").to_owned(),
        };
        self.asked
            .push((question.expect("there is a main interface"), name));
    }

    /// Reads until there is something to say.
    fn read(&mut self) {
        while self.vat.outgoing().is_empty() {
            let Some(frame) = self.unread.pop_front() else {
                return;
            };
            match self.vat.receive(&message(&frame)) {
                Ok(Some(Event::Answered(question, result))) => self.answered(question, result),
                Ok(_) => (),
                Err(Ended::Aborted(reason)) => self.left(&CallError::Aborted(reason)),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn answered(&mut self, question: u32, result: Result<Payload, Failure>) {
        let index = self.asked.iter().position(|(asked, _)| *asked == question);
        let (_, name) = self.asked.remove(index.expect("it was asked"));
        self.results.push((name, result));
    }

    /// Notes that the other side left before it answered.
    fn left(&mut self, error: &CallError) {
        for (_, name) in self.asked.drain(..) {
            self.results.push((name, Err(Failure::Unanswered(error.clone()))));
        }
    }
}

/// Judges what a connector makes of the answers on its control stream.
fn control_stream(case: &Value, results: Vec<Asked>) -> Verdict {
    let mut told = json!({});
    for (name, result) in results {
        match name.as_str() {
            "registerConnection" => match registered(result) {
                Ok(details) => told["register_result"] = told_details(&details),
                Err(error) => told["register_error"] = told_error(&error),
            },
            "updateLocalConfiguration" => {
                if let Err(error) = nothing(result, UPDATE_LOCAL_CONFIGURATION) {
                    told["local_config_error"] = told_error(&error);
                }
            }
            _ => {
                if let Err(error) = nothing(result, UNREGISTER) {
                    told["unregister_error"] = told_error(&error);
                }
            }
        }
    }
    let keys = [
        "register_result",
        "register_error",
        "local_config_error",
        "unregister_error",
    ];
    all(keys.map(|key| {
        let (told, mut recorded) = (told[key].clone(), case[key].clone());
        if let Some(recorded) = recorded.as_object_mut() {
            recorded.remove("retryable");
        }
        same(&told, &recorded)
    }))
}

fn told_details(details: &Details) -> Value {
    json!({
        "uuid": details.id.to_string(),
        "location": details.location,
        "tunnel_is_remotely_managed": details.remotely_managed,
    })
}

fn told_error(error: &CallError) -> Value {
    let CallError::Refused { cause, retry } = error else {
        let is_duplicate = *error == CallError::Duplicate;
        return match is_duplicate {
            true => json!({"kind": "permanent", "text": "EDUPCONN"}),
            false => json!({"kind": "rpc_error", "text": error.to_string()}),
        };
    };
    match retry {
        Retry::Never => json!({"kind": "permanent", "text": cause}),
        Retry::After(delay) => {
            json!({"kind": "retryable", "text": cause, "retry_after_ns": delay.as_nanos() as u64})
        }
    }
}

/// Judges what an edge makes of the answers to its calls.
fn edge_calls(case: &Value, results: Vec<Asked>) -> Verdict {
    let told: Vec<_> = results
        .into_iter()
        .map(|(name, result)| edge_call(&name, result))
        .collect();
    same(&json!(told), &case["results_seen_by_edge"])
}

fn edge_call(name: &str, result: Result<Payload, Failure>) -> Value {
    let spelled = match name {
        "updateConfiguration" => {
            "tunnelrpc/proto/tunnelrpc.capnp:ConfigurationManager.updateConfiguration".into()
        }
        "registerUdpSession" | "unregisterUdpSession" => {
            format!("tunnelrpc/proto/tunnelrpc.capnp:SessionManager.{name}")
        }
        _ => format!("@{}", name.replace('/', ".@")),
    };
    let results = match result {
        Ok(results) => results,
        Err(Failure::Exception(reason)) => {
            let text = format!("{spelled}: rpc exception: {reason}");
            return json!({"call": name, "call_error": {"kind": "permanent", "text": text}});
        }
        Err(Failure::Unanswered(error)) => return json!(error.to_string()),
    };
    let none_if_empty = |error: String| Some(error).filter(|error| !error.is_empty());
    match name {
        "updateConfiguration" => {
            let applied = Applied::read(&results).expect("results");
            json!({
                "call": name,
                "call_error": null,
                "err": none_if_empty(applied.error),
                "last_applied_version": applied.version,
            })
        }
        "registerUdpSession" => {
            let opened = Opened::read(&results).expect("results");
            let spans = opened.spans.map(|spans| shown(&spans));
            json!({
                "call": name,
                "call_error": null,
                "err": none_if_empty(opened.error),
                "spans_hex": spans,
            })
        }
        _ => json!({"call": name, "call_error": null}),
    }
}

/// Answers as was recorded, and holds what it is asked against the record.
struct Recorded(Mutex<VecDeque<(Value, Value)>>);

impl Recorded {
    fn of(conversation: &Conversation<'_>) -> Self {
        let decoded = || conversation.events.iter().map(|event| &event["decoded"]);
        let calls = decoded().filter(|decoded| decoded["message"] == "call");
        // The first return answers the bootstrap.
        let returns = decoded().filter(|decoded| decoded["message"] == "return").skip(1);
        let pairs = calls
            .zip(returns)
            .map(|(call, answer)| (call["params"].clone(), answer.clone()));
        Self(Mutex::new(pairs.collect()))
    }

    /// Returns the recorded answer to a call, which must be a recorded one.
    fn next(&self, asked: &dyn std::fmt::Debug) -> Result<Value, Exception> {
        let answer = self.take(&format!("{asked:?}"));
        match answer["exception"]["reason"].as_str() {
            Some(reason) => Err(Exception(reason.to_owned())),
            None => Ok(answer["content"].clone()),
        }
    }

    fn take(&self, asked: &str) -> Value {
        let mut calls = self.0.lock().expect("nobody panicked");
        let index = calls
            .iter()
            .position(|(params, _)| debug(params).as_deref() == Some(asked));
        let index = index.unwrap_or_else(|| panic!("nobody was recorded to ask {asked}"));
        calls.remove(index).expect("it was just found").1
    }
}

impl RegistrationServer for Recorded {
    fn register(&self, request: Register) -> Answer<'_, Result<Registered, Exception>> {
        let answer = self.next(&request).map(|content| registered_as(&content));
        Box::pin(async { answer })
    }

    fn update_local_configuration(&self, json: Bytes) -> Answer<'_, Result<(), Exception>> {
        let answer = self.next(&LocalConfiguration(json)).map(drop);
        Box::pin(async { answer })
    }

    fn unregister(&self) -> Answer<'_, Result<(), Exception>> {
        let answer = self.next(&Nothing).map(drop);
        Box::pin(async { answer })
    }
}

impl SessionManager for Recorded {
    fn register_udp_session(&self, open: Open) -> Answer<'_, Opened> {
        let content = self.next(&open).expect("it has results");
        let opened = Opened {
            error: string(&content["err"]),
            // Whether nothing or no bytes were sent is a difference that upstream makes.
            spans: hex_or_none(&content["spans_hex"]).map(Bytes::from),
        };
        Box::pin(async { opened })
    }

    fn unregister_udp_session(&self, close: Close) -> Answer<'_, Result<(), Exception>> {
        let answer = self.next(&close).map(drop);
        Box::pin(async { answer })
    }
}

impl ConfigurationManager for Recorded {
    fn update_configuration(&self, update: Update) -> Answer<'_, Applied> {
        let content = self.next(&update).expect("it has results");
        let applied = Applied {
            version: content["latest_applied_version"].as_i64().expect("a number") as i32,
            error: string(&content["err"]),
        };
        Box::pin(async { applied })
    }
}

fn registered_as(content: &Value) -> Registered {
    if content["result"] == "error" {
        return Registered::Refused(Refused {
            cause: string(&content["cause"]),
            retry: content["should_retry"] == true,
            after: Duration::from_nanos(content["retry_after_ns"].as_u64().expect("a number")),
        });
    }
    Registered::Accepted(Details {
        id: id(&content["uuid_hex"]),
        location: string(&content["location_name"]),
        remotely_managed: content["tunnel_is_remotely_managed"] == true,
    })
}

fn frame(event: &Value) -> Vec<u8> {
    hex(&event["hex"])
}

fn message(frame: &[u8]) -> Message {
    let mut intake = Intake::from(Bytes::copy_from_slice(frame));
    Message::take(&mut intake)
        .expect("a message")
        .expect("a whole one")
}

fn id(value: &Value) -> Uuid {
    id_or_none(value).expect("16 bytes")
}

fn id_or_none(value: &Value) -> Option<Uuid> {
    Uuid::from_slice(&hex_or_none(value)?).ok()
}

fn string(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn hex_or_none(value: &Value) -> Option<Vec<u8>> {
    value.is_string().then(|| hex(value))
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("a text of hexadecimal digits");
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn shown(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the first verdict that is not [`Verdict::Same`].
fn all(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    let mut verdicts = verdicts.into_iter();
    verdicts
        .find(|verdict| *verdict != Verdict::Same)
        .unwrap_or(Verdict::Same)
}

const NO_MAIN: &str = "rpc: no bootstrap interface";
