//! What a running connector tells Prometheus: the text parses by the rules of its format, and holds
//! every name that dashboards written for upstream ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use adit_loopback::Transport;
use adit_loopback::request::Request;

use crate::peers;
use crate::ready::ask;
use crate::world::{self, over_both_transports, soon, visit};

/// What upstream's page holds as soon as a tunnel has answered a request, and the types of it.
const ALWAYS: &[(&str, &str)] = &[
    ("build_info", "gauge"),
    ("cloudflared_config_local_config_pushes", "counter"),
    ("cloudflared_config_local_config_pushes_errors", "counter"),
    ("cloudflared_orchestration_config_version", "gauge"),
    ("cloudflared_proxy_connect_latency", "histogram"),
    ("cloudflared_proxy_connect_streams_errors", "counter"),
    ("cloudflared_rpc_client_latency_secs", "histogram"),
    ("cloudflared_rpc_client_operations", "counter"),
    ("cloudflared_tcp_active_sessions", "gauge"),
    ("cloudflared_tcp_total_sessions", "counter"),
    ("cloudflared_tunnel_concurrent_requests_per_tunnel", "gauge"),
    ("cloudflared_tunnel_ha_connections", "gauge"),
    ("cloudflared_tunnel_request_errors", "counter"),
    ("cloudflared_tunnel_response_by_code", "counter"),
    ("cloudflared_tunnel_server_locations", "gauge"),
    ("cloudflared_tunnel_total_requests", "counter"),
    ("cloudflared_tunnel_tunnel_register_success", "counter"),
    ("process_cpu_seconds_total", "counter"),
    ("process_max_fds", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("promhttp_metric_handler_requests_in_flight", "gauge"),
    ("promhttp_metric_handler_requests_total", "counter"),
];

/// What it holds beside that once a tunnel runs over QUIC. The library tells nobody about single
/// packets that it could not read; their metrics are missing.
const OVER_QUIC: &[(&str, &str)] = &[
    ("quic_client_closed_connections", "counter"),
    ("quic_client_congestion_state", "gauge"),
    ("quic_client_congestion_window", "gauge"),
    ("quic_client_latest_rtt", "gauge"),
    ("quic_client_max_udp_payload", "gauge"),
    ("quic_client_min_rtt", "gauge"),
    ("quic_client_mtu", "gauge"),
    ("quic_client_packet_too_big_dropped", "counter"),
    ("quic_client_receive_bytes", "counter"),
    ("quic_client_received_frames", "counter"),
    ("quic_client_sent_bytes", "counter"),
    ("quic_client_sent_frames", "counter"),
    ("quic_client_smoothed_rtt", "gauge"),
    ("quic_client_total_connections", "counter"),
];

async fn a_scrape_parses_and_holds_every_name(transport: Transport) {
    let edge = world::edge().await;
    let rules = "ingress:\n- service: http_status:204\n";
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    assert_eq!(
        visit(&edge, Request::get("https://app.example.com/"))
            .await
            .status(),
        204
    );

    ask(&connector, "/metrics").await;
    let (head, page) = ask(&connector, "/metrics").await;
    let kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";
    assert!(head.contains(kind), "{head}");
    let families = parse(&page).unwrap_or_else(|reason| panic!("{reason}\n{page}"));
    let expected = match transport {
        Transport::Quic => [ALWAYS, OVER_QUIC].concat(),
        Transport::Http2 => ALWAYS.to_vec(),
    };
    let missing: Vec<_> = expected
        .iter()
        .filter(|(name, kind)| families.get(*name).is_none_or(|found| found != kind))
        .collect();
    assert!(
        missing.is_empty(),
        "missing or of another type: {missing:?}\n{page}"
    );
    check_with_reference(&page);
}

over_both_transports!(
    a_scrape_parses_and_holds_every_name,
    what_the_dashboard_asks_is_counted,
);

/// Prints how many samples there are on the page that it reads.
const REFERENCE: &str = "\
import sys
from prometheus_client.parser import text_string_to_metric_families
print(sum(len(family.samples) for family in text_string_to_metric_families(sys.stdin.read())))
";

async fn what_the_dashboard_asks_is_counted(transport: Transport) {
    let edge = world::edge().await;
    let rules = "ingress:\n- service: http_status:204\n";
    let connector = world::connector(&edge, rules).over(transport).start();
    world::registered(&edge, &connector).await;
    for (host, status) in [("management.argotunnel.com", 400), ("app.example.com", 204)] {
        let mut answer = visit(&edge, Request::get(&format!("https://{host}/ping"))).await;
        assert_eq!(answer.status(), status, "{host}");
        soon("the end", answer.bytes()).await.expect("a whole answer");
    }
    let (_, page) = ask(&connector, "/metrics").await;
    for sample in [
        "cloudflared_tunnel_total_requests 2",
        "cloudflared_tunnel_response_by_code{status_code=\"400\"} 1",
        "cloudflared_tunnel_concurrent_requests_per_tunnel 0",
    ] {
        assert!(page.lines().any(|line| line == sample), "{sample}:\n{page}");
    }
}

/// Lets the parser that Prometheus publishes read the page: it finds every sample.
fn check_with_reference(page: &str) {
    peers::need(Path::new("/usr/lib/python3/dist-packages/prometheus_client"));
    let mut parser = Command::new("/usr/bin/python3")
        .args(["-c", REFERENCE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = parser.stdin.take().expect("it is piped");
    input.write_all(page.as_bytes()).expect("it reads");
    drop(input);
    let output = parser.wait_with_output().expect("it ends");
    let samples = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(found.trim(), samples.count().to_string(), "{page}");
}

/// Reads a page by the rules of the text format, and returns the families with their types.
fn parse(page: &str) -> Result<BTreeMap<String, String>, String> {
    let mut reader = Reader::default();
    if !page.ends_with('\n') {
        return Err("the last line has no end".into());
    }
    for (number, line) in page.lines().enumerate() {
        reader
            .line(line)
            .map_err(|reason| format!("line {}: {reason}: {line}", number + 1))?;
    }
    reader.finish()?;
    Ok(reader.types)
}

#[derive(Default)]
struct Reader {
    /// The family whose lines come now.
    family: String,
    types: BTreeMap<String, String>,
    helped: BTreeSet<String>,
    sampled: BTreeSet<String>,
    series: BTreeSet<String>,
    /// What a histogram has counted so far, by its labels without `le`.
    buckets: BTreeMap<String, f64>,
    counts: BTreeMap<String, f64>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() {
            return Ok(());
        }
        let Some(comment) = line.strip_prefix('#') else {
            return self.sample(line);
        };
        let mut words = comment.trim_start().splitn(3, ' ');
        let (keyword, name, rest) = (words.next(), words.next(), words.next());
        match (keyword, name, rest) {
            (Some("HELP"), Some(name), _) => self.help(name),
            (Some("TYPE"), Some(name), Some(kind)) => self.kind(name, kind),
            (Some("TYPE"), ..) => Err("a type without a name or a value".into()),
            _ => Ok(()),
        }
    }

    fn help(&mut self, name: &str) -> Result<(), String> {
        name_is_valid(name)?;
        if !self.helped.insert(name.to_owned()) {
            return Err("a second help".into());
        }
        self.begin(name)
    }

    fn kind(&mut self, name: &str, kind: &str) -> Result<(), String> {
        name_is_valid(name)?;
        if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
            return Err("no such type".into());
        }
        if self.types.insert(name.to_owned(), kind.to_owned()).is_some() {
            return Err("a second type".into());
        }
        self.begin(name)
    }

    fn begin(&mut self, name: &str) -> Result<(), String> {
        if self.sampled.contains(name) {
            return Err("the family has begun before".into());
        }
        name.clone_into(&mut self.family);
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let end = line.find(['{', ' ']).ok_or("no value")?;
        let (name, rest) = line.split_at(end);
        name_is_valid(name)?;
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        let mut words = rest.split_ascii_whitespace();
        let value = number(words.next().ok_or("no value")?)?;
        if let Some(time) = words.next() {
            time.parse::<i64>().map_err(|error| error.to_string())?;
        }
        if words.next().is_some() {
            return Err("more than a value and a time".into());
        }
        if !self.series.insert(format!("{name}{labels:?}")) {
            return Err("the series is there twice".into());
        }
        self.belongs(name)?;
        self.sampled.insert(self.family.clone());
        self.judge(name, labels, value)
    }

    /// Checks that a sample stands below its own type.
    fn belongs(&self, name: &str) -> Result<(), String> {
        let kind = self.types.get(&self.family).map(String::as_str);
        let suffix = name.strip_prefix(self.family.as_str());
        match (kind, suffix) {
            (Some("histogram"), Some("_bucket" | "_sum" | "_count"))
            | (Some("summary"), Some("" | "_sum" | "_count"))
            | (Some("counter" | "gauge" | "untyped"), Some("")) => Ok(()),
            _ => Err(format!("it does not belong to {} of type {kind:?}", self.family)),
        }
    }

    fn judge(&mut self, name: &str, mut labels: Vec<(String, String)>, value: f64) -> Result<(), String> {
        let kind = self.types.get(&self.family).map(String::as_str);
        if matches!(kind, Some("counter")) && (value < 0.0 || value.is_nan()) {
            return Err("a counter below zero".into());
        }
        if !matches!(kind, Some("histogram")) {
            return Ok(());
        }
        let bound = labels.iter().position(|(name, _)| name == "le");
        let bound = bound.map(|index| labels.remove(index).1);
        let key = format!("{}{labels:?}", self.family);
        if name.ends_with("_count") {
            self.counts.insert(key, value);
        } else if name.ends_with("_bucket") {
            number(&bound.ok_or("a bucket without a bound")?)?;
            let before = self.buckets.insert(key, value);
            if before.is_some_and(|before| before > value) {
                return Err("a bucket that holds less than the one before".into());
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), String> {
        if self.buckets != self.counts {
            return Err("a histogram whose last bucket is not its count".into());
        }
        Ok(())
    }
}

fn name_is_valid(name: &str) -> Result<(), String> {
    let first = |letter: char| letter.is_ascii_alphabetic() || "_:".contains(letter);
    let valid = name.starts_with(first)
        && name
            .chars()
            .all(|letter| first(letter) || letter.is_ascii_digit());
    if valid {
        Ok(())
    } else {
        Err(format!("{name:?} is no name"))
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        "NaN" => Ok(f64::NAN),
        _ => text.parse().map_err(|_| format!("{text:?} is no number")),
    }
}

/// The labels of a sample, and what follows them.
type Labels<'a> = (Vec<(String, String)>, &'a str);

/// Reads labels up to the closing brace; returns them and what follows.
fn labels(text: &str) -> Result<Labels<'_>, String> {
    let mut labels: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, value) = rest.split_once("=\"").ok_or("a label without a value")?;
        name_is_valid(name)?;
        if name.contains(':') || labels.iter().any(|(known, _)| known == name) {
            return Err(format!("the label {name}"));
        }
        let (value, after) = quoted(value)?;
        labels.push((name.to_owned(), value));
        rest = after.strip_prefix(',').unwrap_or(after);
        if !after.starts_with([',', '}']) {
            return Err("no comma between labels".into());
        }
    }
}

/// Reads up to the closing quote; returns the text and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, letter @ ('"' | '\\'))) => value.push(letter),
                _ => return Err("an escape that is none".into()),
            },
            _ => value.push(letter),
        }
    }
    Err("a label without its closing quote".into())
}

#[test]
fn pages_that_are_none_are_refused() {
    let cases = [
        ("a 1", "the last line has no end"),
        ("a 1\n", "it does not belong to  of type None"),
        ("# TYPE a counter\na -1\n", "a counter below zero"),
        ("# TYPE a gauge\na 1\na 1\n", "the series is there twice"),
        ("# TYPE a gauge\n# TYPE a gauge\n", "a second type"),
        (
            "# TYPE a gauge\na{b=\"c} 1\n",
            "a label without its closing quote",
        ),
        (
            "# TYPE a gauge\na{b=\"c\" d=\"e\"} 1\n",
            "no comma between labels",
        ),
        (
            "# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
            "a bucket that holds less than the one before",
        ),
        (
            "# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
            "a histogram whose last bucket is not its count",
        ),
    ];
    for (page, expected) in cases {
        let reason = parse(page).expect_err(page);
        assert!(reason.contains(expected), "{page}: {reason}");
    }
}
