//! Turns what happened into the form of the recordings.

use std::collections::BTreeMap;

use adit_exchange::{Class, Kind};
use serde_json::{Value, json};

use crate::case::Happened;
use crate::script::Seen;
use crate::visit::{End, Got};

/// Returns `text` with the addresses of this run replaced by their names.
pub(crate) fn named(text: &str, addresses: &[String]) -> String {
    let mut named = text.to_owned();
    for (index, address) in addresses.iter().enumerate() {
        named = named.replace(address.as_str(), &format!("{{{{O{index}}}}}"));
        if let Some(port) = address.strip_prefix("127.0.0.1:") {
            named = named.replace(&format!(":{port}"), &format!(":{{{{P{index}}}}}"));
        }
    }
    if let Some(start) = named.find("/tmp/.tmp") {
        let length = named[start + 5..]
            .find('/')
            .map_or(named.len() - start, |length| length + 5);
        let folder = named[start..start + length].to_owned();
        named = named.replace(&folder, "{{TMP}}");
    }
    while let Some(start) = named.find("tcp 127.0.0.1:") {
        let Some(length) = named[start..].find("->") else {
            break;
        };
        named.replace_range(start + 4..start + length, "{{LOCAL}}");
    }
    named
}

/// Returns the response as the edge sees it over QUIC.
pub(crate) fn quic(got: &Result<Got, String>, addresses: &[String]) -> Value {
    let got = match got {
        Ok(got) => got,
        Err(error) => return json!({"error": error, "metadata": [], "body": "", "end": "fin"}),
    };
    let error = got
        .refusal
        .as_ref()
        .map_or(String::new(), |refusal| named(&refusal.message, addresses));
    let mut metadata: Vec<(String, String)> = got
        .headers
        .iter()
        .map(|field| {
            let prefix = if got.kind == Some(Kind::Tcp) {
                ""
            } else {
                "HttpHeader:"
            };
            (
                format!("{prefix}{}", lossy(&field.name)),
                shown(&field.value, addresses),
            )
        })
        .collect();
    let limited = got
        .refusal
        .as_ref()
        .is_some_and(|refusal| refusal.class == Class::Limit);
    if limited {
        metadata.push(("FlowConnectRateLimited".into(), "true".into()));
    }
    if let Some(status) = got.status.filter(|_| got.kind != Some(Kind::Tcp)) {
        metadata.push(("HttpStatus".into(), status.to_string()));
    }
    metadata.sort_by(|one, other| one.0.cmp(&other.0));
    let end = match got.end {
        End::Open => "open",
        End::Finished => "fin",
        End::Reset => "reset:0",
    };
    json!({"error": error, "metadata": metadata, "body": named(&lossy(&got.body), addresses), "end": end})
}

/// Returns the value of a field; a report on a trace is another one each time.
fn shown(value: &[u8], addresses: &[String]) -> String {
    let report = adit_dialect::base64::decode(value).unwrap_or_default();
    if lossy(&report).contains("https://opentelemetry.io/schemas/") {
        "{{TRACE}}".into()
    } else {
        named(&lossy(value), addresses)
    }
}

/// Returns the response as the edge sees it over HTTP/2.
pub(crate) fn http2(got: &Result<Got, String>, addresses: &[String]) -> Value {
    let Ok(got) = got else { return Value::Null };
    let end = match got.end {
        End::Open => "open",
        End::Finished => "end_stream",
        End::Reset => "rst:INTERNAL_ERROR",
    };
    if let Some(refusal) = &got.refusal {
        let meta = if refusal.class == Class::Limit {
            r#"{"src":"cloudflared","flow_rate_limited":true}"#
        } else {
            r#"{"src":"cloudflared"}"#
        };
        return json!({"status": "502", "meta": meta, "body": "", "trailers": [], "end": end});
    }
    let is_user = |name: &str| {
        let name = name.to_lowercase();
        ![":", "cf-int-", "cf-cloudflared-", "cf-proxy-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let mut user: Vec<(String, String)> = got
        .headers
        .iter()
        .map(|field| (lossy(&field.name), named(&lossy(&field.value), addresses)))
        .filter(|(name, _)| is_user(name))
        .collect();
    user.sort_by(|one, other| one.0.cmp(&other.0));
    let status = got
        .status
        .map(|status| if status == 101 { 200 } else { status }.to_string());
    let meta = status.as_ref().map(|_| r#"{"src":"origin"}"#);
    let tracing = got.headers.get("cf-int-cloudflared-tracing");
    let tracing = tracing.map(|report| shown(report, addresses));
    let mut trailers = got.trailers.clone();
    trailers.sort();
    json!({
        "status": status, "meta": meta, "tracing": tracing, "user": user, "trailers": trailers,
        "body": named(&lossy(&got.body), addresses), "end": end,
    })
}

/// Returns a recorded response in the same form.
pub(crate) fn recorded(response: &Value, quic: bool) -> Value {
    let body = match response["body_b64"].as_str() {
        Some(body) => lossy(&adit_dialect::base64::decode(body).expect("base64")),
        None => response["body"].as_str().unwrap_or_default().to_owned(),
    };
    let end = response["end"].clone();
    if quic {
        let head = &response["connect_response"];
        let metadata = sorted(&head["metadata"]);
        let error = head["error"].as_str().unwrap_or_default();
        return json!({"error": error, "metadata": metadata, "body": body, "end": end});
    }
    let headers = response["headers"].as_array().map_or(&[][..], Vec::as_slice);
    // What comes before the last block is informational, and the transport's.
    let last = headers
        .iter()
        .rposition(|pair| pair[0] == "--next-header-block--");
    let headers = &headers[last.map_or(0, |last| last + 1)..];
    let field = |name: &str| {
        headers
            .iter()
            .find(|pair| pair[0] == name)
            .map(|pair| pair[1].clone())
    };
    let (status, meta) = (field(":status"), field("cf-cloudflared-response-meta"));
    if meta
        .as_ref()
        .and_then(Value::as_str)
        .is_some_and(|meta| meta.contains("cloudflared"))
    {
        return json!({"status": status, "meta": meta, "body": body, "trailers": [], "end": end});
    }
    json!({
        "status": status, "meta": meta, "tracing": field("cf-int-cloudflared-tracing"),
        "user": sorted(&response["user_headers"]),
        "trailers": sorted(&response["trailers"]), "body": body, "end": end,
    })
}

/// Returns what an origin saw in the form of the recordings.
pub(crate) fn seen(happened: &Happened) -> Vec<Vec<BTreeMap<&'static str, String>>> {
    let one = |seen: &Seen| {
        let received = if seen.received.starts_with(b"\x16\x03\x01") {
            "{{TLS-CLIENT-HELLO}}".to_owned()
        } else {
            named(&lossy(&seen.received), &happened.addresses)
        };
        let mut all = BTreeMap::from([("received", received)]);
        if let Some(sni) = &seen.sni {
            all.insert("sni", sni.clone());
        }
        all
    };
    happened
        .seen
        .iter()
        .map(|origin| origin.iter().map(one).collect())
        .collect()
}

/// Returns what an origin saw according to a recording.
pub(crate) fn recorded_seen(outcome: &Value) -> Vec<Vec<BTreeMap<&'static str, String>>> {
    let one = |seen: &Value| {
        let received = match seen["received_b64"].as_str() {
            Some(received) => lossy(&adit_dialect::base64::decode(received).expect("base64")),
            None => seen["received"].as_str().unwrap_or_default().to_owned(),
        };
        let mut all = BTreeMap::from([("received", received)]);
        if let Some(sni) = seen["sni"].as_str() {
            all.insert("sni", sni.to_owned());
        }
        all
    };
    let origins = outcome["origin_connections"].as_array().into_iter().flatten();
    origins
        .map(|origin| origin.as_array().into_iter().flatten().map(one).collect())
        .collect()
}

/// Returns the lines that are the proxy's, without what only this program says.
pub(crate) fn lines(lines: &[Value], addresses: &[String]) -> Vec<Value> {
    let mut lines: Vec<Value> = lines
        .iter()
        .filter(|line| !is_transports(line))
        .map(|line| {
            let mut line = line.clone();
            if let Some(fields) = line.as_object_mut() {
                fields.remove("cfRay");
                fields.remove("class");
                for value in fields.values_mut() {
                    if let Some(text) = value.as_str() {
                        *value = json!(named(text, addresses));
                    }
                }
            }
            line
        })
        .collect();
    lines.sort_by_key(Value::to_string);
    lines
}

/// Returns whether a line is said by a transport, not by the proxy.
fn is_transports(line: &Value) -> bool {
    let message = line["message"].as_str().unwrap_or_default();
    matches!(
        message,
        "Request failed" | "failed to serve incoming request" | "Failed to deserialize new configuration"
    )
}

fn sorted(pairs: &Value) -> Vec<Value> {
    let mut pairs = pairs.as_array().cloned().unwrap_or_default();
    pairs.sort_by_key(|pair| pair[0].to_string());
    pairs
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
