//! Plants the secrets of an account wherever commands get them, and looks for them in all that the
//! commands say.

use adit_account::OriginCertificate;
use serde_json::{Value, json};

use crate::case;

/// What opens the API.
const API_TOKEN: &str = "canary-api-5f1d7a";

/// What a new tunnel is made with, and what the API gives of one.
const TUNNEL_SECRET: &str = "Y2FuYXJ5LXR1bm5lbC1zZWNyZXQtNWYxZDdhLTMyLWJ5dGVz";

const ID: &str = "11111111-1111-4111-8111-111111111111";

/// A command: its words, the result that the API gives, and whether the token is its answer.
type Row = (&'static [&'static str], fn() -> Value, bool);

const COMMANDS: [Row; 13] = [
    (&["create", "--secret", TUNNEL_SECRET, "alpha"], made, false),
    (
        &["create", "--secret", TUNNEL_SECRET, "--output", "json", "alpha"],
        made,
        true,
    ),
    (&["create", "alpha"], made, false),
    (&["list"], several, false),
    (&["list", "--output", "yaml"], several, false),
    (&["info", ID], several, false),
    (&["delete", ID], made, false),
    (&["cleanup", ID], made, false),
    (&["token", ID], token, true),
    (&["token", "--cred-file", "kept.json", ID], token, false),
    (&["route", "dns", ID, "a.example.com"], made, false),
    (&["route", "ip", "show"], several, false),
    (&["vnet", "list"], several, false),
];

#[test]
fn secrets_are_said_only_where_they_are_the_answer() {
    for (words, result, is_answer) in COMMANDS {
        let answer = json!({ "success": true, "errors": [], "result": result() });
        let [stdout, stderr] = said(words, 200, &answer.to_string());
        look(words, &stderr, &[API_TOKEN, TUNNEL_SECRET, &whole_token()]);
        look(words, &stdout, &[API_TOKEN, TUNNEL_SECRET]);
        let has_token = stdout.contains(&whole_token());
        assert_eq!(has_token, is_answer, "{words:?}\n{stdout}{stderr}");
    }
}

#[test]
fn reasons_that_repeat_a_secret_are_told_without_it() {
    let reason = format!("{API_TOKEN} and {TUNNEL_SECRET}: no such luck");
    let refusal = json!({ "success": false, "errors": [{ "code": 1, "message": reason }] });
    let bodies = [refusal.to_string(), reason.clone(), format!("\"{reason}\"")];
    for body in &bodies {
        for status in [200, 400, 403, 500] {
            for words in [COMMANDS[0].0, &["list"], &["token", ID]] {
                let [stdout, stderr] = said(words, status, body);
                assert!(!stderr.is_empty(), "{words:?} fails");
                look(words, &stdout, &[API_TOKEN]);
                look(words, &stderr, &[API_TOKEN]);
                if words.contains(&TUNNEL_SECRET) {
                    look(words, &stderr, &[TUNNEL_SECRET]);
                }
            }
        }
    }
}

#[test]
fn quick_tunnels_keep_their_secret() {
    let result = json!({ "id": ID, "hostname": 7, "account_tag": "a", "secret": TUNNEL_SECRET });
    let body = json!({ "success": true, "result": result }).to_string();
    let case = json!({
        "args": ["tunnel", "--loglevel", "debug", "--quick-service", "${API}", "--url", "http://localhost:1"],
        "script": [{ "status": 200, "body": body }],
    });
    let observed = case::run(&case);
    assert_eq!(observed.exit(), Some(1));
    for text in observed.said() {
        look(&["tunnel"], text, &[TUNNEL_SECRET]);
    }
}

/// Runs a command whose every request gets this answer; returns what it said.
fn said(words: &[&str], status: u16, body: &str) -> [String; 2] {
    let certificate = OriginCertificate {
        zone: "zone".into(),
        account: "account".into(),
        token: adit_config::Secret::new(API_TOKEN.into()),
        endpoint: String::new(),
    };
    let head = ["tunnel", "--api-url", "${API}", "--loglevel", "debug"];
    let answer = json!({
        "status": status,
        "headers": { "Content-Type": "application/json" },
        "body": body,
    });
    let case = json!({
        "args": ([&head[..], words].concat()),
        "home": { ".cloudflared/cert.pem": { "text": certificate.write().expose() } },
        "script": [answer, answer, answer],
    });
    case::run(&case).said().map(str::to_owned)
}

fn look(words: &[&str], text: &str, secrets: &[&str]) {
    for secret in secrets {
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{words:?}");
    }
}

fn made() -> Value {
    json!({ "id": ID, "name": "alpha", "token": whole_token() })
}

fn several() -> Value {
    json!([made()])
}

fn token() -> Value {
    whole_token().into()
}

/// Returns the token that runs the tunnel.
fn whole_token() -> String {
    let content = format!(r#"{{"a":"account","s":"{TUNNEL_SECRET}","t":"{ID}"}}"#);
    adit_dialect::base64::encode(content)
}
