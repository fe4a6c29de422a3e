//! Serialised header fields.

use adit_vectors::{File, Verdict, same};
use adit_wire::h2::{deserialize, serialize};
use serde_json::{Value, json};

use crate::{hex, shown};

#[test]
fn blobs() {
    let Some(file) = File::open("edge-h2-user-headers") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("vectors") {
        let verdict = if case["op"] == "serialize" {
            written(case)
        } else {
            read(case)
        };
        report.give(&case["name"], verdict);
    }
    report.finish();
}

fn written(case: &Value) -> Verdict {
    let pairs = case["pairs_hex"].as_array().expect("a list of pairs");
    let pairs: Vec<_> = pairs
        .iter()
        .map(|pair| (hex(&pair["name_hex"]), hex(&pair["value_hex"])))
        .collect();
    let blob = serialize(pairs.iter().map(|(name, value)| (&name[..], &value[..])));
    let blob = String::from_utf8(blob).expect("digits and what separates them");
    same(&json!(blob), &case["serialized"])
}

fn read(case: &Value) -> Verdict {
    let blob = case["serialized"].as_str().expect("a text");
    let outcome = match deserialize(blob.as_bytes()) {
        Ok(fields) => json!({"pairs_hex": fields
            .iter()
            .map(|field| json!({"name_hex": shown(&field.name), "value_hex": shown(&field.value)}))
            .collect::<Vec<_>>()}),
        Err(error) => json!({"error": error.to_string()}),
    };
    let key = if outcome["error"].is_null() {
        "pairs_hex"
    } else {
        "error"
    };
    same(&outcome[key], &case[key])
}
