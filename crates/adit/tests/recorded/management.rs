//! What the management service answers through the tunnel, over HTTP and over a WebSocket.

use std::time::Duration;

use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use adit_loopback::stream::Incoming;
use adit_vectors::{File, Verdict};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Buf, BytesMut};
use serde_json::{Value, json};

use crate::endpoints::World;
use crate::judge;

/// The host under which the dashboard asks.
const HOST: &str = "management.argotunnel.com";

/// The recordings waited longer; what must come, comes at once.
const LONGEST_SLEEP: u64 = 300;

#[tokio::test]
async fn the_management_service_answers_as_recorded() {
    let Some(file) = File::open("cli-management") else {
        return;
    };
    let mut report = file.report();
    for open in [true, false] {
        let flags: &[&str] = if open {
            &[]
        } else {
            &["--management-diagnostics=false"]
        };
        let world = World::following(flags).await;
        for case in file.cases("cases") {
            let is_closed = case["note"]
                .as_str()
                .is_some_and(|note| note.contains("diagnostics=false"));
            if is_closed == open {
                continue;
            }
            let verdict = match case["kind"].as_str() {
                Some("websocket") => follow(&world, case).await,
                _ => ask(world.edge(), case).await,
            };
            report.give(&case["id"], verdict);
        }
        world.end().await;
    }
    report.finish();
}

async fn ask(edge: &Edge, case: &Value) -> Verdict {
    let recorded = &case["response"];
    let url = url(&case["request"]);
    let mut request = Request::new(case["request"]["method"].as_str().unwrap(), &url);
    for (name, value) in case["request"]["headers"].as_object().into_iter().flatten() {
        request = request.header(name.clone(), value.as_str().unwrap().to_owned());
    }
    let mut answer = edge.visit(request).await.unwrap();
    let mut headers: Vec<(String, String)> = answer.head.headers.iter().map(text).collect();
    headers.sort();
    // What upstream's library writes past the serialised fields arrives among them here.
    let plain = recorded["plain_headers"]
        .as_object()
        .is_some_and(|headers| !headers.is_empty());
    let mut wanted: Vec<(String, String)> = pairs(&recorded["user_headers"]);
    wanted.sort();
    let body = answer.bytes().await.unwrap();
    let is = |what: &str| {
        format!(
            "{url}: {what}: {} {headers:?} {}",
            answer.status(),
            String::from_utf8_lossy(&body)
        )
    };
    if recorded["status"] != answer.status() {
        return Verdict::Wrong(is("status"));
    }
    if !plain && wanted.iter().any(|field| !headers.contains(field)) {
        return Verdict::Wrong(is("headers"));
    }
    if let Some(text) = recorded["body_text"].as_str()
        && text.as_bytes() != body
    {
        return Verdict::Wrong(is("body"));
    }
    if recorded["body_kind"] == "gzip" && !body.starts_with(&[0x1f, 0x8b]) {
        return Verdict::Wrong(is("no compressed body"));
    }
    if plain {
        Verdict::Differs("profiles-say-what-they-are")
    } else {
        Verdict::Same
    }
}

/// Plays a recorded conversation.
async fn follow(world: &World, case: &Value) -> Verdict {
    let mut recorded: Vec<&str> = case["received"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let first = open(world.edge(), case).await;
    let status = first.as_ref().map_or_else(|status| *status, |_| 200);
    let wanted = recorded.remove(0);
    if !wanted.starts_with(&format!("STATUS {status} ")) {
        return Verdict::Wrong(format!("status {status} instead of {wanted}"));
    }
    let Ok(mut socket) = first else {
        return Verdict::Same;
    };
    let name = case["name"].as_str().unwrap_or_default();
    let mut other = None;
    if name.contains("while another actor streams") {
        let mut follower = open_as(world.edge(), "u1").await.ok().unwrap();
        follower.say(0x1, br#"{"type":"start_streaming"}"#).await;
        follower.quiet().await;
        other = Some(follower);
    }
    for step in case["client_script"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
    {
        socket.play(step, world).await;
    }
    if name.contains("it is replaced") {
        let mut successor = open_as(world.edge(), "u1").await.ok().unwrap();
        successor.say(0x1, br#"{"type":"start_streaming"}"#).await;
        socket.listen(Duration::from_secs(5)).await;
        successor.say(0x8, &1000_u16.to_be_bytes()).await;
    }
    socket.listen(Duration::from_secs(5)).await;
    if let Some(mut other) = other {
        other.say(0x8, &1000_u16.to_be_bytes()).await;
        other.listen(Duration::from_secs(5)).await;
    }
    compare(&recorded, &socket.heard)
}

fn compare(recorded: &[&str], heard: &[String]) -> Verdict {
    for wanted in recorded {
        let found = match wanted.split_once("\"logs\":[") {
            Some((_, entry)) => heard.iter().any(|line| same_entry(entry, line)),
            None => heard.iter().any(|line| judge::same(wanted, line)),
        };
        if !found {
            return Verdict::Wrong(format!("wanted {wanted}\n    heard {heard:#?}"));
        }
    }
    let streams = recorded.iter().any(|line| line.starts_with("FRAME"));
    let heard_more = heard.iter().any(|line| line.starts_with("FRAME op=1"));
    if heard_more && !streams {
        return Verdict::Wrong(format!("heard {heard:#?}"));
    }
    Verdict::Same
}

/// Returns whether a line streams an entry like the recorded one: of the same level, about the same
/// thing, with fields of the same names.
fn same_entry(recorded: &str, line: &str) -> bool {
    let entry = |text: &str| {
        let text = text.strip_suffix("]}").unwrap_or(text);
        serde_json::from_str::<Value>(text).unwrap_or_default()
    };
    let Some((_, have)) = line.split_once("\"logs\":[") else {
        return false;
    };
    let (recorded, have) = (entry(recorded), entry(have));
    let message = |entry: &Value| {
        let text = entry["message"].as_str().unwrap_or_default().to_owned();
        // A request's line differs in what the recording's edge and this one call its URL.
        if text.starts_with("GET ") {
            text.contains("/foo").to_string()
        } else {
            text
        }
    };
    let names = |entry: &Value| {
        let fields = entry["fields"].as_object().into_iter().flatten();
        fields.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let have_names = names(&have);
    recorded["level"] == have["level"]
        && recorded["event"] == have["event"]
        && message(&recorded) == message(&have)
        && names(&recorded).iter().all(|name| have_names.contains(name))
}

/// A WebSocket from the side of the dashboard.
struct Socket {
    outgoing: adit_loopback::stream::Outgoing,
    incoming: Incoming,
    bytes: BytesMut,
    heard: Vec<String>,
    ended: bool,
}

impl Socket {
    async fn play(&mut self, step: &str, world: &World) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            "send" if rest.starts_with("start_streaming") => {
                let order = json!({ "type": "start_streaming", "filters": { "events": ["tcp"] } });
                self.say(0x1, order.to_string().as_bytes()).await;
                self.quiet().await;
            }
            "send" => {
                self.say(0x1, rest.as_bytes()).await;
                self.quiet().await;
                if rest.contains("start_streaming") {
                    world.traffic().await;
                }
            }
            "bin" => self.say(0x2, rest.as_bytes()).await,
            "ping" => self.say(0x9, rest.as_bytes()).await,
            "close" => self.say(0x8, &rest.parse::<u16>().unwrap().to_be_bytes()).await,
            "sleep" => {
                let time = rest.parse().unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
                self.listen(Duration::from_millis(time)).await;
            }
            other => panic!("no step {other}"),
        }
    }

    /// Sends a frame, masked with nothing.
    async fn say(&mut self, opcode: u8, payload: &[u8]) {
        assert!(payload.len() < 126, "the recordings are short");
        let mut frame = vec![
            0x80 | opcode,
            0x80 | u8::try_from(payload.len()).unwrap(),
            0,
            0,
            0,
            0,
        ];
        frame.extend_from_slice(payload);
        // The other side may have left.
        drop(self.outgoing.send(frame).await);
    }

    /// Gives the connector the time to do what it was told.
    async fn quiet(&mut self) {
        self.listen(Duration::from_millis(100)).await;
    }

    /// Notes what comes for some time, or until the end.
    async fn listen(&mut self, time: Duration) {
        let deadline = tokio::time::Instant::now() + time;
        while !self.ended {
            let Ok(chunk) = tokio::time::timeout_at(deadline, self.incoming.chunk()).await else {
                return;
            };
            match chunk {
                Ok(Some(bytes)) => self.bytes.extend_from_slice(&bytes),
                Ok(None) | Err(_) => {
                    self.ended = true;
                    self.heard.push("EOF EOF".into());
                }
            }
            while let Some(line) = frame(&mut self.bytes) {
                self.ended |= line.starts_with("CLOSE");
                self.heard.push(line);
            }
        }
    }
}

/// Takes a frame off the bytes, in the words of the recordings.
fn frame(bytes: &mut BytesMut) -> Option<String> {
    let first = *bytes.first()?;
    let (start, length) = match *bytes.get(1)? {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
        ),
        127 => (
            10,
            usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())).unwrap(),
        ),
        length => (2, usize::from(length)),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    bytes.advance(start + length);
    let text = String::from_utf8_lossy(&payload).into_owned();
    if first & 0x0f == 0x8 {
        let code = u16::from_be_bytes(payload[..2].try_into().unwrap());
        return Some(format!(
            "CLOSE {code} {:?}",
            String::from_utf8_lossy(&payload[2..])
        ));
    }
    Some(format!(
        "FRAME op={} fin={} {text}",
        first & 0x0f,
        first & 0x80 != 0
    ))
}

async fn open(edge: &Edge, case: &Value) -> Result<Socket, u16> {
    let mut request = Request::websocket(&url(&case["request"]));
    for (name, value) in case["request"]["headers"].as_object().into_iter().flatten() {
        request = request.header(name.clone(), value.as_str().unwrap().to_owned());
    }
    connect(edge, request).await
}

async fn open_as(edge: &Edge, actor: &str) -> Result<Socket, u16> {
    let url = format!("https://{HOST}/logs?access_token={}", token(actor, "t", "ES256"));
    connect(edge, Request::websocket(&url)).await
}

async fn connect(edge: &Edge, request: Request) -> Result<Socket, u16> {
    let opened = edge.visitor().connect(request).await.unwrap();
    if !matches!(opened.head.status, 101 | 200) {
        return Err(opened.head.status);
    }
    Ok(Socket {
        outgoing: opened.outgoing,
        incoming: opened.incoming,
        bytes: BytesMut::new(),
        heard: Vec::new(),
        ended: false,
    })
}

fn url(request: &Value) -> String {
    let path = request["path"].as_str().unwrap();
    let path = path
        .replace("<JWT1>", &token("u1", "t", "ES256"))
        .replace("<JWT2>", &token("u2", "t", "ES256"))
        .replace("<JWT3>", &token("u1", "", "ES256"))
        .replace("<JWT4>", &token("u1", "t", "HS256"));
    format!("https://{HOST}{path}")
}

/// Returns a token as the edge passes it on; nobody here looks at the signature.
fn token(actor: &str, tunnel: &str, algorithm: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({ "alg": algorithm }));
    let claims = part(json!({ "tun": { "id": tunnel, "account_tag": "a" }, "actor": { "id": actor } }));
    format!("{head}.{claims}.c2lnbmF0dXJl")
}

fn pairs(list: &Value) -> Vec<(String, String)> {
    let items = list.as_array().into_iter().flatten();
    items
        .map(|pair| {
            (
                pair[0].as_str().unwrap().to_owned(),
                pair[1].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn text(field: &(bytes::Bytes, bytes::Bytes)) -> (String, String) {
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&field.0), text(&field.1))
}
