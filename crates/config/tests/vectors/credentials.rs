//! Credentials files and tokens.

use adit_config::{Credentials, Token};
use adit_vectors::{File, Verdict, same};
use serde_json::{Value, json};

#[test]
fn credentials_files_are_read_and_written() {
    let Some(vectors) = File::open("edge-credentials") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("vectors") {
        report.give(&case["name"], credentials(case));
    }
    report.finish();
}

#[test]
fn tokens_are_read_and_written() {
    let Some(vectors) = File::open("edge-tokens") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("vectors") {
        report.give(&case["name"], token(case));
    }
    report.finish();
}

fn credentials(case: &Value) -> Verdict {
    let text = case["json"].as_str().expect("a case has a text").as_bytes();
    let outcome = match (Credentials::read(text), Credentials::read_from("c.json", text)) {
        (Ok(read), Ok(_)) => {
            let mut fields = fields(&read);
            fields["tunnel_id_in_file"] = fields["tunnel_id"].take();
            fields["written_as"] = read.write().expose().clone().into();
            fields
        }
        (Err(detail), Err(told)) => json!({"error": told.problem, "json_error": detail.to_string()}),
        outcome => return Verdict::Wrong(format!("{outcome:?}")),
    };
    compared(&outcome, case)
}

fn token(case: &Value) -> Verdict {
    let text = case["token"].as_str().expect("a case has a text");
    let outcome = match Token::read(text) {
        Ok(token) => {
            let mut fields = fields(&token.clone().into_credentials());
            fields["reencoded"] = token.write().expose().clone().into();
            fields
        }
        Err(error) => json!({
            "error": error.to_string(),
            "cli_message": adit_config::token::TokenError::TOLD,
        }),
    };
    compared(&outcome, case)
}

fn fields(credentials: &Credentials) -> Value {
    let hex = credentials
        .secret
        .expose()
        .iter()
        .map(|byte| format!("{byte:02x}"));
    json!({
        "account_tag": credentials.account_tag,
        "tunnel_secret_hex": hex.collect::<String>(),
        "tunnel_id": credentials.tunnel_id.to_string(),
        "endpoint": credentials.endpoint,
        "valid": true,
    })
}

/// Compares every field of the outcome with the recorded one; no secret is an empty one.
fn compared(outcome: &Value, case: &Value) -> Verdict {
    for (key, value) in outcome.as_object().expect("an outcome has fields") {
        let no_secret = key == "tunnel_secret_hex" && case[key].is_null() && value == "";
        if !value.is_null() && !no_secret && *value != case[key] {
            return Verdict::Wrong(format!("{key}: {value}\n    recorded: {}", case[key]));
        }
    }
    same(&outcome["error"].is_null(), &case["error"].is_null())
}
