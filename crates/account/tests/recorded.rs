//! The decisions about texts against what upstream was recorded to decide.

use adit_account::login::with_query;
use adit_account::{OriginCertificate, boxed, names};
use adit_config::Token;
use adit_vectors::{File, Verdict, same};
use serde_json::{Value, json};

#[test]
fn certificates_are_read_and_written() {
    check("origin_cert", |case| {
        let read = OriginCertificate::read(text(&case["in"]).as_bytes());
        let outcome = match read {
            Ok(read) => json!({
                "cert": {
                    "zoneID": read.zone,
                    "accountID": read.account,
                    "apiToken": read.token.expose(),
                    "endpoint": read.endpoint,
                },
                "re_encoded": read.write().expose(),
            }),
            Err(error) => json!({ "err": error.to_string() }),
        };
        same(&outcome, &without(case, &["in", "note"]))
    });
}

#[test]
fn names_of_routes_are_judged() {
    check("route_names", |case| {
        let name = text(&case["in"]);
        let outcome = json!({
            "valid_dns_hostname": names::is_hostname(name),
            "valid_pool_name": names::is_pool(name),
        });
        same(&outcome, &without(case, &["in", "note"]))
    });
}

#[test]
fn lines_are_framed() {
    check("ascii_box", |case| {
        let lines: Vec<&str> = case["lines"].as_array().into_iter().flatten().map(text).collect();
        let framed = boxed::frame(&lines, case["title"].as_str());
        same(&json!(framed), &case["out"])
    });
}

#[test]
fn the_page_for_the_browser_is_named() {
    check("request_url", |case| {
        let asked = &case["in"];
        if asked["cli"] == true {
            // The pages of applications are another crate's.
            return Verdict::Same;
        }
        let values = [
            (text(&asked["key"]), text(&asked["value"])),
            ("aud", text(&asked["aud"])),
        ];
        same(
            with_query(text(&asked["base"]), &values).as_str(),
            text(&case["out"]),
        )
    });
}

#[test]
fn tokens_are_printed_again() {
    check("tunnel_tokens", |case| {
        let read = Token::read(text(&case["in"])).ok();
        let outcome = read.map(|token| token.write().expose().clone());
        same(&outcome.as_deref(), &case["re_encoded"].as_str())
    });
}

/// Judges every case of a list.
fn check(list: &str, verdict: impl Fn(&Value) -> Verdict) {
    let Some(file) = File::open("account-unit") else {
        return;
    };
    let mut report = file.report_as(&format!("account-unit {list}"));
    for case in file.cases(list) {
        report.give(&case["in"], verdict(case));
    }
    report.finish();
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn without(case: &Value, keys: &[&str]) -> Value {
    let mut case = case.clone();
    if let Some(entries) = case.as_object_mut() {
        entries.retain(|key, _| !keys.contains(&key.as_str()));
    }
    case
}
