//! Lines as upstream was recorded to write them, from the same events.

use std::time::{Duration, SystemTime};

use adit_vectors::{File, Verdict, same};
use serde_json::Value;
use tracing::Level;

use super::record::{Fields, Record};
use super::render::{Format, line};
use crate::failure::Failure;

/// Any time: the records have a placeholder for it.
const TIME: &str = "2026-01-02T15:04:05Z";

#[test]
fn lines_are_as_recorded() {
    let Some(file) = File::open("cli-logs") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        report.give(&case["id"], judge(&filled(case)));
    }
    report.finish();
}

/// Returns the case with words in place of its placeholders, except for the time.
fn filled(case: &Value) -> Value {
    let mut text = case.to_string();
    for name in [
        "UUID",
        "VERSION",
        "GOVERSION",
        "SHA256",
        "PORT",
        "DIR",
        "HOME",
        "CWD",
    ] {
        text = text.replace(&format!("<{name}>"), name);
    }
    parsed(&text)
}

fn judge(case: &Value) -> Verdict {
    let console = case["console"].as_str();
    if let (None, Some(last_words)) = (case["level"].as_str(), console) {
        return same(Failure::new(last_words).text(), last_words);
    }
    let record = record(case);
    let written = |format| line(&record, format).replace(TIME, "<TIME>");
    if let Some(console) = console {
        let features = record.fields.0.iter().find(|(name, _)| *name == "features");
        let features = features.map_or(String::new(), |(_, value)| value.to_string());
        let console = console.replace("<FEATURES>", &features);
        let verdict = same(
            written(Format::Console { colour: false }).trim_end_matches('\n'),
            console.as_str(),
        );
        if verdict != Verdict::Same {
            return verdict;
        }
    }
    if let Some(json) = case["stderr_json"].as_str() {
        let verdict = same(written(Format::Sorted).trim_end_matches('\n'), json);
        if verdict != Verdict::Same {
            return verdict;
        }
    }
    match case["file_json"].as_str() {
        Some(json) => same(&parsed(&written(Format::Ordered)), &parsed(json)),
        None => Verdict::Same,
    }
}

fn record(case: &Value) -> Record {
    let mut fields = Fields::default();
    for (name, value) in case["fields"].as_object().into_iter().flatten() {
        fields.set(name.clone().leak(), meant(name, value));
    }
    Record {
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_366_245),
        level: match case["level"].as_str() {
            Some("debug") => Level::DEBUG,
            Some("warn") => Level::WARN,
            Some("error") => Level::ERROR,
            _ => Level::INFO,
        },
        message: case["message"].as_str().unwrap_or_default().to_owned(),
        fields,
    }
}

/// Returns the value of a field; headers are recorded as pairs.
fn meant(name: &str, value: &Value) -> Value {
    let Some(pairs) = value.as_array().filter(|_| name == "headers") else {
        return value.clone();
    };
    let pairs = pairs
        .iter()
        .filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].clone())));
    Value::Object(pairs.collect())
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("a line of JSON")
}
