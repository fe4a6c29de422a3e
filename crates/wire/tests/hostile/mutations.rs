//! Recorded bytes, cut and flipped.

use adit_vectors::File;
use serde_json::Value;

use super::targets;

/// Mutations of each recorded text.
const MUTATIONS: usize = 400;

#[test]
fn of_preambles() {
    mutate("edge-quic-stream-preamble", targets::preamble);
}

#[test]
fn of_requests() {
    mutate("edge-quic-connect-request", without_preamble);
}

#[test]
fn of_responses() {
    mutate("edge-quic-connect-response", without_preamble);
}

#[test]
fn of_data_streams() {
    mutate("edge-quic-dispatch", without_preamble);
}

#[test]
fn of_blobs() {
    mutate("edge-h2-user-headers", targets::blob);
}

#[test]
fn of_control_streams() {
    mutate("edge-rpc-registration", targets::rpc);
}

#[test]
fn of_calls() {
    mutate("edge-rpc-calls", targets::rpc);
}

fn without_preamble(bytes: &[u8]) {
    targets::connect(bytes.get(8..).unwrap_or_default());
}

fn mutate(name: &str, target: fn(&[u8])) {
    let Some(file) = File::open(name) else { return };
    let mut random = fastrand::Rng::with_seed(7);
    for recorded in recorded(file.content()) {
        target(&recorded);
        for _ in 0..MUTATIONS {
            target(&mutation(&recorded, &mut random));
        }
    }
}

fn mutation(recorded: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = recorded.to_vec();
    if random.u8(..4) == 0 {
        bytes.truncate(random.usize(..=bytes.len()));
    }
    for _ in 0..random.usize(1..6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.usize(..bytes.len());
        match random.u8(..4) {
            0 => bytes[at] = 0xff,
            1 => bytes[at] = 0,
            2 => bytes[at] = random.u8(..),
            _ => bytes[at] ^= 1 << random.u8(..8),
        }
    }
    bytes
}

/// Returns every recorded text of bytes, wherever it stands.
fn recorded(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::Array(values) => values.iter().flat_map(recorded).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| named(name, value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn named(name: &str, value: &Value) -> Vec<Vec<u8>> {
    match value.as_str() {
        Some(text) if name == "hex" || name == "stream_hex" || name == "first_bytes_hex" => {
            vec![bytes(text)]
        }
        Some(text) if name == "serialized" => vec![text.as_bytes().to_vec()],
        _ => recorded(value),
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
    (0..text.len()).step_by(2).map(digit).collect()
}
