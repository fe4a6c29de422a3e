//! What origins were asked for, and what was refused before, against recorded cases.

use adit_dialect::UrlError;
use adit_dialect::url::Url;
use adit_vectors::File;
use serde_json::Value;

#[test]
fn request_targets() {
    let Some(file) = File::open("proxy-request") else {
        return;
    };
    let cases = file
        .cases("cases")
        .iter()
        .filter(|case| case["requests"].as_array().is_some_and(|list| list.len() == 1));
    let mut checked = 0;
    for case in cases {
        let Some(url) = url(&case["requests"][0]) else {
            continue;
        };
        if let Some(target) = recorded_target(case) {
            let asked = url.as_ref().map(|url| url.request_target());
            assert_eq!(asked.as_deref(), Ok(target.as_bytes()), "{}", case["id"]);
            checked += 1;
        }
        if let Some(refusal) = recorded_refusal(case) {
            assert_eq!(
                url.map_err(|error| error.to_string()).err().as_deref(),
                Some(refusal),
                "{}",
                case["id"]
            );
            checked += 1;
        }
    }
    assert!(checked > 0, "no case says what an origin was asked for");
}

/// Reads the destination of a request over either transport.
fn url(request: &Value) -> Option<Result<Url<'_>, UrlError>> {
    if let Some(destination) = request["dest"].as_str() {
        return Some(Url::parse(destination));
    }
    let headers = request["headers"].as_array()?;
    let path = headers.iter().find(|header| header[0] == ":path")?;
    path[1].as_str().map(Url::parse_target)
}

/// Returns what the first origin was asked for first.
fn recorded_target(case: &Value) -> Option<&str> {
    let received = case["origin_connections"][0][0]["received"].as_str()?;
    let line = received.lines().next()?.strip_suffix(" HTTP/1.1")?;
    line.split_once(' ').map(|(_, target)| target)
}

fn recorded_refusal(case: &Value) -> Option<&str> {
    let error = case["responses"][0]["connect_response"]["error"].as_str()?;
    error.starts_with("parse ").then_some(error)
}
