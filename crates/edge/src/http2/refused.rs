//! Compares what the transport answers by itself with what was recorded from upstream.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adit_exchange::{Answer, Proxy, Request, Transport};
use adit_rpc::ConfigurationManager;
use adit_rpc::server::Answer as RpcAnswer;
use adit_vectors::{File, same};
use adit_wire::configuration::{Applied, Update};
use bytes::BytesMut;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::Http2Link;
use super::hpack::{Decoder, put};
use crate::connection::{Lane, Link, Whereabouts};
use crate::metrics::Metrics;
use crate::tunnel::NoSessions;

#[tokio::test]
async fn what_never_reaches_the_proxy_is_answered_as_recorded() {
    for name in ["proxy-request", "proxy-stream"] {
        let Some(file) = File::open(name) else { return };
        let mut report = file.report_as(&format!("{name} (refused by HTTP/2)"));
        for case in file.cases("cases").iter().filter(|case| is_ours(case)) {
            let answer = answered(case).await;
            report.give(&case["id"], same(&answer, &recorded(&case["responses"][0])));
        }
        report.finish();
    }
}

/// Not recorded: the rule is that of any request.
#[tokio::test]
async fn a_control_stream_may_not_say_what_requests_may_not() {
    let case = json!({ "requests": [{
        "headers": [
            [":method", "GET"],
            [":scheme", "https"],
            [":authority", "edge"],
            [":path", "/"],
            ["cf-cloudflared-proxy-connection-upgrade", "control-stream"],
            ["connection", "close"],
        ],
        "end_stream": true,
    }]});
    let answer = answered(&case).await;
    let fields = answer["fields"].to_string();
    assert!(fields.contains(r#"[\":status\",\"400\"]"#), "{fields}");
    let complaint = "request header \"Connection\" is not valid in HTTP/2\n";
    assert_eq!(
        (&answer["body"], &answer["end"]),
        (&json!(complaint), &json!("end_stream"))
    );
}

/// Returns whether the transport alone answers.
fn is_ours(case: &Value) -> bool {
    let response = &case["responses"][0];
    let is_bare = || {
        let fields = response["headers"].as_array();
        fields.is_some_and(|fields| !json!(fields).to_string().contains("cf-cloudflared"))
    };
    let pushes = || case["requests"].to_string().contains("update-configuration");
    let is_refused = response["end"] == "rst:PROTOCOL_ERROR";
    case["transport"] == "h2" && (is_refused || is_bare() || pushes())
}

/// Returns what the edge sees of the answer; the moment it was made does not matter.
fn recorded(response: &Value) -> Value {
    let fields = response["headers"].as_array().into_iter().flatten();
    let fields = fields.filter(|field| field[0] != "date").map(Value::to_string);
    json!({ "fields": sorted(fields.into_iter()), "body": response["body"], "end": response["end"] })
}

fn sorted(fields: impl Iterator<Item = String>) -> Vec<String> {
    let mut fields: Vec<String> = fields.collect();
    fields.sort();
    fields
}

/// Sends the request of a case, frame by frame, and reads what comes back.
async fn answered(case: &Value) -> Value {
    let (mut edge, near) = tokio::io::duplex(1 << 16);
    let lane = lane(case);
    let serving = async {
        let (mut link, _control) = Http2Link::greet(near, None, lane).await.expect("it is greeted");
        link.serve().await
    };
    let asking = async {
        let sent = frames(&case["requests"][0]);
        edge.write_all(&sent).await.expect("it is taken");
        read(&mut edge).await
    };
    tokio::select! {
        lost = serving => panic!("{lost:?}"),
        answer = asking => answer,
    }
}

/// Returns a request as it travels.
fn frames(request: &Value) -> Vec<u8> {
    let mut block = BytesMut::new();
    for field in request["headers"].as_array().into_iter().flatten() {
        let part = |at: usize| field[at].as_str().unwrap_or_default().as_bytes();
        put(&mut block, part(0), part(1));
    }
    let ends = u8::from(request["end_stream"] == true);
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    sent.extend(frame(HEADERS, END_HEADERS | ends, &block));
    for step in request["steps"].as_array().into_iter().flatten() {
        let data = step["write"].as_str().unwrap_or_default();
        let ends = u8::from(step["fin"] == true);
        sent.extend(frame(DATA, ends, data.as_bytes()));
    }
    sent
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// Reads frames up to the end of the only stream.
async fn read(edge: &mut DuplexStream) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut fields, mut body) = (Vec::new(), Vec::new());
    let end = loop {
        let mut head = [0; 9];
        edge.read_exact(&mut head).await.expect("it arrives");
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)];
        edge.read_exact(&mut payload).await.expect("it arrives");
        match kind {
            RST_STREAM if payload == PROTOCOL_ERROR => break "rst:PROTOCOL_ERROR",
            RST_STREAM | GOAWAY => break "something else",
            HEADERS => {
                let mut decoder = Decoder::default();
                let read = decoder.decode(&payload, usize::MAX).expect("it can be read");
                fields.extend(
                    read.iter()
                        .map(|(name, value)| json!([text(name), text(value)]).to_string()),
                );
            }
            DATA => body.extend_from_slice(&payload),
            _ => continue,
        }
        if flags & END_STREAM != 0 {
            break "end_stream";
        }
    };
    json!({ "fields": sorted(fields.into_iter()), "body": text(&body), "end": end })
}

/// An origin that never answers: whatever is said is said by the transport.
struct Silent;

impl Proxy for Silent {
    fn call(&self, _: Request) -> Answer<'_> {
        Box::pin(std::future::pending())
    }
}

/// Takes every configuration, or none.
struct Rules {
    takes: bool,
}

impl ConfigurationManager for Rules {
    fn update_configuration(&self, update: Update) -> RpcAnswer<'_, Applied> {
        let applied = if self.takes {
            Applied {
                version: update.version,
                error: String::new(),
            }
        } else {
            Applied {
                version: -1,
                error: "no".to_owned(),
            }
        };
        Box::pin(std::future::ready(applied))
    }
}

fn lane(case: &Value) -> Lane {
    let metrics = Metrics::new(&Registry::new()).expect("the registry is new");
    let takes = !case["logs"].to_string().contains("Failed to deserialize");
    Lane {
        whereabouts: Whereabouts {
            index: 0,
            address: SocketAddr::from(([127, 0, 0, 1], 7844)),
        },
        transport: Transport::Http2,
        proxy: Arc::new(Silent),
        configuration: Arc::new(Rules { takes }),
        sessions: Arc::new(NoSessions),
        calls: metrics.server,
        rpc_timeout: Duration::from_secs(5),
        write_timeout: None,
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
