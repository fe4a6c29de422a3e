//! Recorded tokens.

use std::sync::atomic::{AtomicUsize, Ordering};

use adit_vectors::{File, Verdict, same};
use serde_json::Value;

use super::*;

#[derive(Debug, Default)]
struct Endpoint {
    answer: Mutex<Option<Published>>,
    asked: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Fetch for Endpoint {
    fn keys<'a>(&'a self, issuer: &'a str) -> Fetched<'a> {
        Box::pin(async move {
            self.count.fetch_add(1, Ordering::Relaxed);
            let asked = format!("GET {issuer}/cdn-cgi/access/certs");
            self.asked.lock().expect("no test panicked").push(asked);
            let answer = self.answer.lock().expect("no test panicked");
            answer.clone().ok_or_else(|| "nothing is published".to_owned())
        })
    }
}

#[tokio::test]
async fn tokens_are_judged_as_recorded() {
    let Some(file) = File::open("proxy-access-jwt") else {
        return;
    };
    let mut report = file.report();
    for case in file.cases("cases") {
        report.give(&case["name"], judged(case).await);
    }
    report.finish();
}

async fn judged(case: &Value) -> Verdict {
    let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
    let endpoint = Arc::new(Endpoint::default());
    *endpoint.answer.lock().expect("no test panicked") = Some(Published {
        status: u16::try_from(case["jwks_status"].as_u64().expect("a status")).expect("a status"),
        kind: "application/json".into(),
        body: text("jwks_body").into_bytes(),
    });
    let audiences = case["aud_tags"].as_array().into_iter().flatten();
    let access = Access {
        team_name: text("team"),
        audiences: audiences.filter_map(Value::as_str).map(str::to_owned).collect(),
        environment: text("environment"),
    };
    let fields = case["headers"].as_array().into_iter().flatten();
    let fields = fields.filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())));
    let validator = Validator::new(&access, Arc::clone(&endpoint) as Arc<dyn Fetch>);
    let outcome = validator.check(&fields.collect()).await;
    let recorded = match (case["error"].as_str(), case["filtered"].as_bool()) {
        (Some(error), _) => Err(Denial::Unverified(error.to_owned())),
        (None, Some(true)) => Err(Denial::Forbidden(text("reason"))),
        _ => Ok(()),
    };
    let asked = endpoint.asked.lock().expect("no test panicked").clone();
    let fetches = case["cert_fetches"].as_array().into_iter().flatten();
    let fetches: Vec<String> = fetches.filter_map(Value::as_str).map(str::to_owned).collect();
    let verdict = same(&timeless(outcome), &recorded);
    if verdict == Verdict::Same {
        same(&asked, &fetches)
    } else {
        verdict
    }
}

/// Takes the present moment out of a text.
fn timeless(outcome: Result<(), Denial>) -> Result<(), Denial> {
    const BEFORE: &str = "oidc: current time ";
    match outcome {
        Err(Denial::Unverified(text)) if text.starts_with(BEFORE) => {
            let rest = text.split_once(" before ").map_or("", |(_, rest)| rest);
            Err(Denial::Unverified(format!("{BEFORE}{{{{NOW}}}} before {rest}")))
        }
        other => other,
    }
}

/// Keys are asked for when a token needs them, kept while they serve, and not lost when the
/// endpoint is down.
#[tokio::test]
async fn keys_are_kept_and_renewed_as_recorded() {
    let Some(file) = File::open("proxy-access-jwt") else {
        return;
    };
    let case = |name: &str| {
        let found = file.cases("cases").iter().find(|case| case["name"] == name);
        found.cloned()
    };
    let named = (case("valid"), case("valid_second_key"), case("unknown_kid"));
    let (Some(first), Some(second), Some(third)) = named else {
        return;
    };
    let headers = |case: &Value| -> Headers {
        [(
            TOKEN.to_owned(),
            case["headers"][0][1].as_str().expect("a token").to_owned(),
        )]
        .into_iter()
        .collect()
    };
    let all: Value = serde_json::from_str(first["jwks_body"].as_str().expect("keys")).expect("JSON");
    let only_first = serde_json::json!({"keys": [all["keys"][0]]}).to_string();
    let endpoint = Arc::new(Endpoint::default());
    let publish = |status: u16, body: &str| {
        *endpoint.answer.lock().expect("no test panicked") = Some(Published {
            status,
            kind: "application/json".into(),
            body: body.as_bytes().to_vec(),
        });
    };
    let access = Access {
        team_name: "team".into(),
        audiences: vec!["aud1".into()],
        environment: String::new(),
    };
    let validator = Validator::new(&access, Arc::clone(&endpoint) as Arc<dyn Fetch>);
    let (first, second, third) = (headers(&first), headers(&second), headers(&third));
    let fetches = || endpoint.count.load(Ordering::Relaxed);
    publish(200, &only_first);
    assert!(validator.check(&first).await.is_ok() && fetches() == 1);
    assert!(validator.check(&first).await.is_ok() && fetches() == 1);
    assert!(validator.check(&second).await.is_err() && fetches() == 2);
    assert!(validator.check(&second).await.is_err() && fetches() == 3);
    publish(200, &all.to_string());
    assert!(validator.check(&second).await.is_ok() && fetches() == 4);
    assert!(validator.check(&second).await.is_ok() && fetches() == 4);
    publish(500, "down");
    assert!(validator.check(&first).await.is_ok() && fetches() == 4);
    let down =
        "failed to verify signature: fetching keys oidc: get keys failed: 500 Internal Server Error down";
    let refused = validator.check(&third).await;
    assert_eq!(refused, Err(Denial::Unverified(down.to_owned())));
    assert_eq!(fetches(), 5);
    assert!(validator.check(&first).await.is_ok() && fetches() == 5);
}
