//! Single-origin mode: what flags, environment and settings make together.

use std::collections::BTreeMap;

use adit_config::setting::Kind;
use adit_config::{ConfigurationFlags, File, Overrides, Reading, Setting, report};
use adit_vectors::{Verdict, same};
use serde_json::Value;

use crate::effective::{parsed, start};
use crate::flags::FLAGS;

#[test]
fn flags_make_an_origin() {
    let Some(vectors) = adit_vectors::File::open("ingress-single-origin") else {
        return;
    };
    let mut report = vectors.report();
    for case in vectors.cases("cases") {
        report.give(&case["id"], judge(case));
    }
    report.finish();
}

fn judge(case: &Value) -> Verdict {
    let text = case["yaml"].as_str().unwrap_or_default();
    let file = match File::read("c.yml", text.as_bytes()).expect("the file is right") {
        Reading::Empty => File::default(),
        Reading::File { file, .. } => *file,
    };
    let recorded = case["stderr_tail"].as_str().unwrap_or_default();
    let Some(mut said) = line(&case["tunnel_flags"]).zip(line(&case["run_flags"])) else {
        let refused = case["stdout_head"].as_str().unwrap_or_default();
        return same(&refused.contains("Incorrect Usage"), &true);
    };
    said.0.append(&mut said.1);
    let (overrides, flags) = match overrides(&said.0, &case["env"], &file) {
        Ok(overrides) => overrides,
        Err(problem) => return same(problem.as_str(), recorded.trim_end()),
    };
    let resolved = adit_config::resolve(&file, &overrides, &flags).map_err(|error| error.problem);
    let rules = resolved.and_then(|rules| start(&rules).map(|()| rules));
    match rules {
        Ok(rules) => same(&parsed(&report::in_force(-1, &rules)), &case["config"]),
        Err(problem) => same(&recorded.trim_end().ends_with(&problem), &true),
    }
}

type Said = BTreeMap<String, String>;

/// Reads the flags of one level; nothing if there is one that does not exist.
fn line(args: &Value) -> Option<Said> {
    let mut said = Said::new();
    let mut args = args.as_array().into_iter().flatten().filter_map(Value::as_str);
    while let Some(arg) = args.next() {
        let flag = arg.trim_start_matches('-');
        let (name, value) = flag
            .split_once('=')
            .map_or((flag, None), |(name, value)| (name, Some(value)));
        let kind = match name {
            "max-active-flows" => Kind::Text,
            _ => FLAGS.iter().find(|(known, _)| *known == name)?.1,
        };
        let value = match (value, kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true",
            (None, _) => args.next()?,
        };
        said.insert(name.to_owned(), value.to_owned());
    }
    Some(said)
}

/// Joins what was said, command line before environment before file.
fn overrides(line: &Said, env: &Value, file: &File) -> Result<(Overrides, ConfigurationFlags), String> {
    let mut said = BTreeMap::new();
    for (name, kind) in FLAGS {
        let variable = VARIABLES
            .iter()
            .find(|(flag, _)| flag == name)
            .map(|(_, variable)| *variable);
        let from_env = variable.and_then(|variable| env[variable].as_str());
        let setting = match (
            line.get(*name).map(String::as_str).or(from_env),
            file.setting(name),
        ) {
            (Some(text), _) => typed(*kind, text),
            (None, Some(value)) => {
                let setting = Setting::read(name, *kind, value).map_err(|error| error.problem)?;
                Some(setting).filter(|setting| !setting.is_nothing())
            }
            (None, None) => None,
        };
        said.extend(setting.map(|setting| (*name, setting)));
    }
    let mut flags = ConfigurationFlags::default();
    let limit = line.get("max-active-flows").map(String::as_str);
    flags.set(
        "max-active-flows",
        limit
            .or(env["TUNNEL_MAX_ACTIVE_FLOWS"].as_str())
            .unwrap_or_default(),
    );
    Ok((assembled(said), flags))
}

/// Reads the text of a flag or variable; an empty one says nothing unless a text is wanted.
fn typed(kind: Kind, text: &str) -> Option<Setting> {
    match kind {
        Kind::Text => Some(Setting::Text(text.to_owned())),
        _ if text.is_empty() => None,
        Kind::Switch => adit_dialect::number::boolean(text).ok().map(Setting::Switch),
        Kind::Integer => adit_dialect::number::any_base(text).ok().map(Setting::Integer),
        Kind::Duration => adit_config::Span::parse(text).ok().map(Setting::Duration),
        Kind::List => Some(Setting::List(vec![text.to_owned()])),
    }
}

fn assembled(mut said: BTreeMap<&str, Setting>) -> Overrides {
    /// Takes a setting of one type.
    macro_rules! take {
        ($name:literal, $kind:ident) => {
            match said.remove($name) {
                Some(Setting::$kind(value)) => Some(value),
                _ => None,
            }
        };
    }
    Overrides {
        hello_world: take!("hello-world", Switch),
        bastion: take!("bastion", Switch),
        url: take!("url", Text),
        unix_socket: take!("unix-socket", Text),
        socks5: take!("socks5", Switch),
        connect_timeout: take!("proxy-connect-timeout", Duration),
        tls_timeout: take!("proxy-tls-timeout", Duration),
        tcp_keep_alive: take!("proxy-tcp-keepalive", Duration),
        no_happy_eyeballs: take!("proxy-no-happy-eyeballs", Switch),
        keep_alive_connections: take!("proxy-keepalive-connections", Integer),
        keep_alive_timeout: take!("proxy-keepalive-timeout", Duration),
        http_host_header: take!("http-host-header", Text),
        origin_server_name: take!("origin-server-name", Text),
        ca_pool: take!("origin-ca-pool", Text),
        no_tls_verify: take!("no-tls-verify", Switch),
        disable_chunked_encoding: take!("no-chunked-encoding", Switch),
        http2_origin: take!("http2-origin", Switch),
        http2_prior_knowledge: None,
        proxy_address: take!("proxy-address", Text),
        proxy_port: take!("proxy-port", Integer),
    }
}

/// The variables of the flags of single-origin mode.
const VARIABLES: &[(&str, &str)] = &[
    ("hello-world", "TUNNEL_HELLO_WORLD"),
    ("bastion", "TUNNEL_BASTION"),
    ("url", "TUNNEL_URL"),
    ("unix-socket", "TUNNEL_UNIX_SOCKET"),
    ("socks5", "TUNNEL_SOCKS"),
    ("http-host-header", "TUNNEL_HTTP_HOST_HEADER"),
    ("origin-server-name", "TUNNEL_ORIGIN_SERVER_NAME"),
    ("origin-ca-pool", "TUNNEL_ORIGIN_CA_POOL"),
    ("no-tls-verify", "NO_TLS_VERIFY"),
    ("no-chunked-encoding", "TUNNEL_NO_CHUNKED_ENCODING"),
    ("http2-origin", "TUNNEL_ORIGIN_ENABLE_HTTP2"),
    ("proxy-address", "TUNNEL_PROXY_ADDRESS"),
    ("proxy-port", "TUNNEL_PROXY_PORT"),
];
