//! Preambles, requests and responses of data streams.

use adit_vectors::{File, Verdict, same};
use adit_wire::connect::{put_accepted, put_refusal, put_response};
use adit_wire::preamble::{self, Kind};
use adit_wire::{ConnectRequest, ConnectResponse, ConnectionType, DecodeError, Intake, Metadata, frame};
use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use crate::{hex, pairs, shown, text};

#[test]
fn preambles() {
    let Some(file) = File::open("edge-quic-stream-preamble") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let mut intake = Intake::from(Bytes::from(hex(&case["first_bytes_hex"])));
        let outcome = match kind(&mut intake) {
            Ok(Kind::Data) => json!(["data", null]),
            Ok(Kind::Rpc) => json!(["rpc", null]),
            Err(error) => json!(["error", error.to_string()]),
        };
        report.give(
            &case["name"],
            same(&outcome, &json!([case["outcome"], case["error"]])),
        );
    }
    report.finish();
}

#[test]
fn requests() {
    let Some(file) = File::open("edge-quic-connect-request") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], request(case));
    }
    report.finish();
}

#[test]
fn responses() {
    let Some(file) = File::open("edge-quic-connect-response") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        report.give(&case["name"], response(case));
    }
    report.finish();
}

fn request(case: &Value) -> Verdict {
    let stream = hex(&case["stream_hex"]);
    let at_once = received(&stream, stream.len(), read_request);
    let in_pieces = received(&stream, 1, read_request);
    if at_once != in_pieces {
        return Verdict::Wrong(format!("at once: {at_once:?}\n    in pieces: {in_pieces:?}"));
    }
    let (outcome, recorded) = match at_once {
        Err(ref error) => (json!(error.to_string()), &case["decoded"]["error"]),
        Ok((ref request, ref rest)) => (told(request, rest), &case["decoded"]),
    };
    let verdict = same(&outcome, recorded);
    match at_once {
        // What is wrong inside a message is told to nobody: only that something is wrong counts.
        Err(error) if is_inside(&error) && recorded.is_string() => Verdict::Same,
        Ok((request, rest)) if verdict == Verdict::Same && case["upstream_encoded"] == true => {
            let written = stream.len() - rest.len();
            let mut out = BytesMut::new();
            request.put(&mut out).expect("it was sent before");
            same(&shown(&out), &shown(&stream[..written]))
        }
        _ => verdict,
    }
}

fn is_inside(error: &DecodeError) -> bool {
    use DecodeError::{LandingPad, NoRoot, OutOfBounds, ReadLimit, TooManyEntries};
    matches!(
        error,
        LandingPad | NoRoot | OutOfBounds | ReadLimit | TooManyEntries(_)
    )
}

fn told(request: &ConnectRequest, rest: &[u8]) -> Value {
    let kind = match request.kind {
        ConnectionType::Http => 0,
        ConnectionType::WebSocket => 1,
        ConnectionType::Tcp => 2,
        ConnectionType::Unknown(number) => number,
    };
    json!({
        "dest": text(&request.destination),
        "type": kind,
        "metadata": told_metadata(&request.metadata),
        "rest_hex": shown(rest),
    })
}

fn told_metadata(metadata: &[Metadata]) -> Vec<(String, String)> {
    metadata
        .iter()
        .map(|pair| (text(&pair.key), text(&pair.value)))
        .collect()
}

fn response(case: &Value) -> Verdict {
    let stream = hex(&case["stream_hex"]);
    let (response, rest) = received(&stream, stream.len(), read_response).expect("a response");
    let decoded = json!({
        "error": text(&response.error),
        "metadata": told_metadata(&response.metadata),
        "rest_hex": shown(&rest),
    });
    match same(&decoded, &case["decoded"]) {
        Verdict::Same => same(&shown(&written(&case["input"])), &shown(&stream)),
        verdict @ (Verdict::Differs(_) | Verdict::Wrong(_)) => verdict,
    }
}

/// Writes a recorded answer with the function that the connector writes it with.
fn written(input: &Value) -> BytesMut {
    let mut out = BytesMut::new();
    let metadata = pairs(&input["metadata"]);
    let put = match (input["error"].as_str(), metadata.as_slice()) {
        (None, [(key, status), fields @ ..]) if key == "HttpStatus" => {
            let fields = fields.iter().map(|(key, value)| {
                let name = key.strip_prefix("HttpHeader:").expect("a field");
                (name.as_bytes(), value.as_bytes())
            });
            put_response(status.parse().expect("a status"), fields, &mut out)
        }
        (None, [(key, tracing)]) if key == "Cf-Int-Cloudflared-Tracing" => {
            put_accepted(Some(tracing.clone().into()), &mut out)
        }
        (None, []) => put_accepted(None, &mut out),
        (Some(error), []) => put_refusal(error.to_owned(), false, &mut out),
        (Some(error), [(key, _)]) if key == "FlowConnectRateLimited" => {
            put_refusal(error.to_owned(), true, &mut out)
        }
        (error, metadata) => any(error, metadata).put(&mut out),
    };
    put.expect("it is small");
    out
}

/// Returns an answer that the connector never gives.
fn any(error: Option<&str>, metadata: &[(String, String)]) -> ConnectResponse {
    let pairs = metadata.iter().cloned();
    ConnectResponse {
        error: error.unwrap_or_default().to_owned().into(),
        metadata: pairs.map(|(key, value)| Metadata::new(key, value)).collect(),
    }
}

type Read<T> = fn(&mut Intake) -> Result<Option<T>, DecodeError>;

fn read_request(intake: &mut Intake) -> Result<Option<ConnectRequest>, DecodeError> {
    ConnectRequest::take(intake)
}

fn read_response(intake: &mut Intake) -> Result<Option<ConnectResponse>, DecodeError> {
    ConnectResponse::take(intake)
}

/// Reads a stream that arrives in chunks of that many bytes, and what follows the value.
fn received<T>(stream: &[u8], chunk: usize, read: Read<T>) -> Result<(T, Bytes), DecodeError> {
    let mut chunks = stream.chunks(chunk.max(1)).map(Bytes::copy_from_slice);
    let mut intake = Intake::new();
    while preamble::take(&mut intake)?.is_none() {
        intake.push(chunks.next().ok_or_else(|| preamble::ended(&intake))?);
    }
    let value = loop {
        match read(&mut intake)? {
            Some(value) => break value,
            None => intake.push(chunks.next().ok_or_else(|| frame::ended(&intake))?),
        }
    };
    chunks.for_each(|chunk| intake.push(chunk));
    Ok((value, intake.into_rest()))
}

fn kind(intake: &mut Intake) -> Result<Kind, DecodeError> {
    preamble::take(intake)?.ok_or_else(|| preamble::ended(intake))
}
