//! What files decode to, and what is said about those that do not.

use std::collections::BTreeMap;

use adit_config::file::{AccessWritten, IpRuleWritten, OriginRequestWritten, RuleWritten, Uint};
use adit_config::{File, Reading, Span, Value as Written};
use adit_vectors::{Verdict, same};
use serde_json::{Value, json};

use crate::command::{Disk, Line, recorded};

#[test]
fn files_decode_as_upstream_decodes_them() {
    let Some(vectors) = adit_vectors::File::open("ingress-yaml") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("cases") {
        report.give(&case["id"], judge(case));
    }
    report.finish();
}

fn judge(case: &Value) -> Verdict {
    let text = match case["yaml_b64"].as_str() {
        Some(text) => adit_dialect::base64::decode(text).expect("a case is base64"),
        None => case["yaml"]
            .as_str()
            .expect("a case has a text")
            .as_bytes()
            .to_vec(),
    };
    let decoded = decoded(&text);
    let expected = &case["decoded"];
    for key in [
        "error",
        "warnings",
        "tunnel",
        "ingress",
        "warp-routing",
        "originRequest",
        "settings",
    ] {
        let failed = !expected["error"].is_null() && key != "error";
        if decoded[key] != expected[key] && !failed {
            return Verdict::Wrong(format!(
                "{key}: {}\n    recorded: {}",
                decoded[key], expected[key]
            ));
        }
    }
    let args = ["tunnel", "--config", "c.yml", "ingress", "validate"].map(str::to_owned);
    let disk = Disk::from([(String::from("c.yml"), text)]);
    same(&Line::new(&args).run(&BTreeMap::new(), &disk), &recorded(case))
}

fn decoded(text: &[u8]) -> Value {
    let (file, warnings) = match File::read("c.yml", text) {
        Err(error) => return json!({"error": error.problem}),
        Ok(Reading::Empty) => (File::default(), None),
        Ok(Reading::File {
            file, unknown_keys, ..
        }) => (*file, unknown_keys),
    };
    let rules: Vec<_> = file.ingress.iter().map(rule).collect();
    let warp = &file.warp_routing;
    let settings = file
        .settings
        .iter()
        .map(|(key, value)| (key.clone(), setting(value)));
    json!({
        "warnings": warnings,
        "tunnel": file.tunnel,
        "ingress": (!rules.is_empty()).then_some(rules),
        "warp-routing": said([
            ("connectTimeout", warp.connect_timeout.map(span)),
            ("maxActiveFlows", warp.max_active_flows.map(Value::from)),
            ("tcpKeepAlive", warp.tcp_keep_alive.map(span)),
        ]),
        "originRequest": origin(&file.origin_request),
        "settings": settings.collect::<serde_json::Map<_, _>>(),
    })
}

fn rule(rule: &RuleWritten) -> Value {
    let text = |text: &String| {
        Some(text.clone())
            .filter(|text| !text.is_empty())
            .map(Value::from)
    };
    said([
        ("hostname", text(&rule.hostname)),
        ("path", text(&rule.path)),
        ("service", text(&rule.service)),
        ("originRequest", Some(origin(&rule.origin_request))),
    ])
}

fn origin(origin: &OriginRequestWritten) -> Value {
    let rules: Vec<_> = origin.ip_rules.iter().map(ip_rule).collect();
    let text = |text: &Option<String>| text.clone().map(Value::from);
    said([
        ("connectTimeout", origin.connect_timeout.map(span)),
        ("tlsTimeout", origin.tls_timeout.map(span)),
        ("tcpKeepAlive", origin.tcp_keep_alive.map(span)),
        ("noHappyEyeballs", origin.no_happy_eyeballs.map(Value::from)),
        (
            "keepAliveConnections",
            origin.keep_alive_connections.map(Value::from),
        ),
        ("keepAliveTimeout", origin.keep_alive_timeout.map(span)),
        ("httpHostHeader", text(&origin.http_host_header)),
        ("originServerName", text(&origin.origin_server_name)),
        ("matchSNItoHost", origin.match_sni_to_host.map(Value::from)),
        ("caPool", text(&origin.ca_pool)),
        ("noTLSVerify", origin.no_tls_verify.map(Value::from)),
        (
            "disableChunkedEncoding",
            origin.disable_chunked_encoding.map(Value::from),
        ),
        ("bastionMode", origin.bastion_mode.map(Value::from)),
        ("proxyAddress", text(&origin.proxy_address)),
        ("proxyPort", origin.proxy_port.map(|Uint(port)| port.into())),
        ("proxyType", text(&origin.proxy_type)),
        ("ipRules", (!rules.is_empty()).then_some(rules.into())),
        ("http2Origin", origin.http2_origin.map(Value::from)),
        ("access", origin.access.as_ref().map(access)),
    ])
}

fn ip_rule(rule: &IpRuleWritten) -> Value {
    let ports = (!rule.ports.is_empty()).then_some(rule.ports.clone());
    json!({"prefix": rule.prefix, "ports": ports, "allow": rule.allow})
}

fn access(access: &AccessWritten) -> Value {
    let mut value = json!({"teamName": access.team_name, "audTag": access.aud_tag});
    if access.required {
        value["required"] = true.into();
    }
    if !access.environment.is_empty() {
        value["environment"] = access.environment.clone().into();
    }
    value
}

/// Makes an object of the entries that are there.
fn said<const N: usize>(entries: [(&str, Option<Value>); N]) -> Value {
    let entries = entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(entries.collect())
}

fn span(span: Span) -> Value {
    serde_json::from_str(&adit_dialect::number::print_float(span.seconds())).expect("a float is JSON")
}

fn setting(value: &Written) -> Value {
    let of_type = |value: Value, shown: &Written| json!({"type": shown.type_name(), "value": value});
    match value {
        Written::Null => json!({"type": "nil"}),
        Written::List(items) => of_type(items.iter().map(setting).collect(), value),
        Written::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (key.clone(), setting(value)));
            of_type(Value::Object(pairs.collect()), value)
        }
        Written::Mixed(pairs) => {
            let key = |key: &Written| format!("{}:{}", key.type_name(), key.print());
            let pairs: BTreeMap<_, _> = pairs
                .iter()
                .map(|(name, value)| (key(name), setting(value)))
                .collect();
            of_type(
                pairs
                    .into_iter()
                    .map(|(key, value)| json!([key, value]))
                    .collect(),
                value,
            )
        }
        Written::Bool(_)
        | Written::Int(_)
        | Written::Uint(_)
        | Written::Float(_)
        | Written::Time(_)
        | Written::Text(_) => of_type(value.print().into(), value),
    }
}
