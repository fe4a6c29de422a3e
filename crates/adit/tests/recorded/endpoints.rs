//! What the metrics server answers, in each of the states that upstream was recorded in.

#![expect(clippy::disallowed_methods, reason = "the test owns the whole runtime")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use adit_loopback::edge::{self, Edge};
use adit_loopback::request::Request;
use adit_vectors::{File, Verdict};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::{judge, world};

/// A file like the one that upstream ran with.
const RULES: &str = "\
ingress:
- hostname: a.example.com
  service: hello_world
- hostname: b.example.com
  path: /x
  service: http://127.0.0.1:9
  originRequest:
    connectTimeout: 3s
    noTLSVerify: true
    access: {required: true, teamName: t, audTag: [aud1]}
- hostname: '*.c.example.com'
  service: unix:/tmp/s.sock
- service: http_status:404
originRequest: {connectTimeout: 7s}
warp-routing: {connectTimeout: 2s, maxActiveFlows: 9}
";

/// The configuration that the edge pushed.
const PUSHED: &str = r#"{"ingress":[{"hostname":"h.example.com","service":"hello_world"},{"service":"http_status:410"}],"warp-routing":{"maxActiveFlows":7}}"#;

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn endpoints_answer_as_recorded() {
    let Some(file) = File::open("cli-endpoints") else {
        return;
    };
    let cases = file.cases("cases");
    let mut report = file.report();
    let mut states: Vec<&str> = cases.iter().filter_map(|case| case["state"].as_str()).collect();
    states.sort_unstable();
    states.dedup();
    for state in states {
        let Some(world) = World::new(state).await else {
            panic!("cli-endpoints: the state `{state}` is unknown");
        };
        for case in cases.iter().filter(|case| case["state"] == state) {
            report.give(&case["id"], world.judge(case).await);
        }
        world.end().await;
    }
    report.finish();
}

/// A connector in some state, and what it needs to be there.
pub(crate) struct World {
    child: Child,
    metrics: SocketAddr,
    folder: tempfile::TempDir,
    edge: Option<Edge>,
    /// An edge that says nothing.
    silent: Option<std::net::UdpSocket>,
    /// Keeps a request in flight.
    visitor: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    async fn new(state: &str) -> Option<Self> {
        Some(match state {
            "no edge connection (dead edge, token run, no ingress)" => Self::unanswered().await,
            "1 http2 connection, local config with 4 ingress rules" => {
                let flags = [
                    "--ha-connections",
                    "1",
                    "--loglevel",
                    "debug",
                    "--protocol",
                    "http2",
                ];
                Self::joined(edge::new(), &flags, Some(RULES)).await
            }
            "1 quic connection, token run" => {
                Self::joined(
                    edge::new(),
                    &["--ha-connections", "1", "--protocol", "quic"],
                    None,
                )
                .await
            }
            "quick tunnel, 1 quic connection" => Self::quick().await,
            "remotely managed, before any push" => {
                Self::joined(edge::new().remotely_managed(), &["--ha-connections", "1"], None).await
            }
            "remotely managed, after stale push v2 and invalid push v4" => {
                let world =
                    Self::joined(edge::new().remotely_managed(), &["--ha-connections", "1"], None).await;
                let edge = world.edge.as_ref().unwrap();
                for (version, text) in [
                    (3, PUSHED),
                    (2, "{}"),
                    (4, r#"{"ingress":[{"hostname":"x","service":"http://x"}]}"#),
                ] {
                    edge.push(version, text).await.unwrap();
                }
                world
            }
            "edge connection just dropped" => {
                let world = Self::joined(edge::new(), &["--ha-connections", "1"], None).await;
                let edge = world.edge.as_ref().unwrap();
                edge.everywhere().close_udp();
                edge.everywhere().close_tcp();
                edge.connection(0).close();
                world.until(false).await;
                world
            }
            "graceful shutdown in progress, 1 in-flight request" => Self::leaving().await,
            _ => return None,
        })
    }

    /// Starts a connector at `edge` and waits until it serves.
    async fn joined(builder: edge::Builder, flags: &[&str], rules: Option<&str>) -> Self {
        let edge = builder.run().await.unwrap();
        let world = Self::start(Some(edge), flags, rules).await;
        world.until(true).await;
        world
    }

    /// Starts a connector whose log is worth following.
    pub(crate) async fn following(flags: &[&str]) -> Self {
        let flags = [&["--ha-connections", "1", "--protocol", "http2"], flags].concat();
        Self::joined(edge::new(), &flags, Some(RULES)).await
    }

    /// Returns what stands in the log file once it holds this text.
    pub(crate) async fn log_with(&self, text: &str) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let log = fs::read_to_string(self.folder.path().join("lf")).unwrap();
            if log.contains(text) {
                return log;
            }
            assert!(tokio::time::Instant::now() < deadline, "`{text}` is never logged");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts a connector with these rules.
    pub(crate) async fn with_rules(rules: &str) -> Self {
        Self::joined(edge::new(), &["--ha-connections", "1"], Some(rules)).await
    }

    /// Starts a connector that logs everything to this file.
    pub(crate) async fn logging_to(path: &str) -> Self {
        let flags = ["--ha-connections", "1", "--loglevel", "debug", "--logfile", path];
        Self::joined(edge::new(), &flags, Some(RULES)).await
    }

    /// Starts a quick tunnel, from a service that gives one.
    async fn quick() -> Self {
        let edge = edge::new().run().await.unwrap();
        let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", service.local_addr().unwrap());
        let credentials: Value = serde_json::from_str(&edge.credentials().json()).unwrap();
        let given = json!({
            "success": true,
            "result": {
                "id": credentials["TunnelID"],
                "hostname": "quick-words.trycloudflare.com",
                "account_tag": credentials["AccountTag"],
                "secret": credentials["TunnelSecret"],
            },
        });
        let serving = tokio::spawn(async move {
            let (mut asking, _) = service.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(asking.read_buf(&mut asked).await.unwrap(), 0);
            }
            let given = given.to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", given.len());
            asking.write_all((head + &given).as_bytes()).await.unwrap();
        });
        let flags = [
            "--url",
            "http://127.0.0.1:1",
            "--quick-service",
            &address,
            "--protocol",
            "quic",
        ];
        let world = Self::start(Some(edge), &flags, None).await;
        serving.await.unwrap();
        world.until(true).await;
        world
    }

    /// Starts a connector whose edge is silent, and waits until it is being dialled.
    async fn unanswered() -> Self {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let mut world = Self::start(None, &["--edge", &address, "--protocol", "quic"], None).await;
        world.silent = Some(silent);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let dialling = b"\ncloudflared_tunnel_ha_connections 1\n";
        while !world
            .ask("GET", "/metrics")
            .await
            .windows(dialling.len())
            .any(|line| line == dialling)
        {
            assert!(tokio::time::Instant::now() < deadline, "it never dials");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        world
    }

    /// Puts these rules into the configuration file and has it reloaded.
    pub(crate) fn configure(&self, rules: &str) {
        fs::write(self.folder.path().join("c.yml"), rules).unwrap();
        rustix::process::kill_process(self.pid(), rustix::process::Signal::HUP).unwrap();
    }

    /// Returns the memory that the connector has, in units of 1024 bytes.
    pub(crate) fn memory(&self) -> u64 {
        crate::running::memory_of(self.child.id().unwrap())
    }

    fn pid(&self) -> rustix::process::Pid {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        id.and_then(rustix::process::Pid::from_raw).unwrap()
    }

    /// Returns the edge that the connector has joined.
    pub(crate) fn edge(&self) -> &Edge {
        self.edge.as_ref().unwrap()
    }

    /// Makes the connector log something: a request through the tunnel, and one from beside it.
    pub(crate) async fn traffic(&self) {
        let answer = self.edge().visit(Request::get("https://a.example.com/foo")).await;
        answer.unwrap().bytes().await.unwrap();
        self.ask("GET", "/diag/tunnel").await;
    }

    /// Starts a connector that has a request in flight when it is asked to end.
    async fn leaving() -> Self {
        let origin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rules = format!(
            "ingress: [{{service: 'http://{}'}}]\n",
            origin.local_addr().unwrap()
        );
        let mut world = Self::joined(
            edge::new().keeps_drained(),
            &["--ha-connections", "1"],
            Some(&rules),
        )
        .await;
        let visitor = world.edge.as_ref().unwrap().visitor();
        world.visitor = Some(tokio::spawn(async move {
            // The origin never answers; the request ends with the test.
            drop(visitor.visit(Request::get("https://a.example.com/")).await);
        }));
        let (_request, _) = tokio::time::timeout(PATIENCE, origin.accept())
            .await
            .unwrap()
            .unwrap();
        rustix::process::kill_process(world.pid(), rustix::process::Signal::TERM).unwrap();
        world.until(false).await;
        std::mem::forget(_request);
        world
    }

    async fn start(edge: Option<Edge>, flags: &[&str], rules: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let mut arguments: Vec<String> = vec!["tunnel".into()];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        if let Some(rules) = rules {
            fs::write(place("c.yml"), rules).unwrap();
            arguments.extend(["--config".into(), text(place("c.yml"))]);
            if !flags.contains(&"--logfile") {
                arguments.extend(["--logfile".into(), text(place("lf"))]);
            }
            arguments.extend(["--no-autoupdate".into(), "--no-prechecks".into()]);
        }
        let mut token = String::from(TOKEN);
        if let Some(edge) = &edge {
            edge.authority().write_pem(&place("ca.pem")).unwrap();
            arguments.extend(["--cacert".into(), text(place("ca.pem"))]);
            arguments.extend(["--edge".into(), edge.addresses()[0].to_string()]);
            token = edge.credentials().token();
        }
        if !flags.contains(&"--quick-service") {
            arguments.extend(["run".into(), "--token".into(), token]);
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_adit"))
            .args(arguments)
            .env_clear()
            .env("HOME", folder.path())
            .env("TUNNEL_METRICS", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let metrics = metrics_address(&mut child).await;
        Self {
            child,
            metrics,
            folder,
            edge,
            silent: None,
            visitor: None,
        }
    }

    async fn until(&self, ready: bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.ask("GET", "/ready").await.starts_with(b"HTTP/1.1 200") != ready {
            assert!(tokio::time::Instant::now() < deadline, "it never gets there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a request and returns the whole response.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.metrics).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        response
    }

    async fn judge(&self, case: &Value) -> Verdict {
        let request = &case["request"];
        let (method, path) = (
            request["method"].as_str().unwrap(),
            request["path"].as_str().unwrap(),
        );
        let response = Response::read(&self.ask(method, path).await);
        let recorded = &case["response"];
        match self.compare(recorded, &response) {
            Ok(()) if has_others(&recorded["families"]) => Verdict::Differs("metrics-of-another-runtime"),
            Ok(()) => Verdict::Same,
            Err(reason) => differs(path, recorded, &response)
                .unwrap_or_else(|| Verdict::Wrong(format!("{path}: {reason}"))),
        }
    }

    fn compare(&self, recorded: &Value, response: &Response) -> Result<(), String> {
        if recorded["status"] != response.status {
            return Err(format!(
                "status {} instead of {}",
                response.status, recorded["status"]
            ));
        }
        for (name, value) in recorded["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if !response
                .headers
                .iter()
                .any(|(known, have)| known == name && have == value)
            {
                return Err(format!("no {name}: {value} in {:?}", response.headers));
            }
        }
        let body = self.neutral(&String::from_utf8_lossy(&response.body));
        if let Some(text) = recorded["body_text"].as_str()
            && !judge::same_text(text, &body)
        {
            return Err(format!("body {body:?} instead of {text:?}"));
        }
        if let Some(wanted) = recorded.get("body_json") {
            let have: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
            if !judge::alike(wanted, &have) && !same_kinds(wanted, &have) {
                return Err(format!("body {have} instead of {wanted}"));
            }
        }
        if recorded["body_kind"] == "gzip/pprof" && !response.body.starts_with(&[0x1f, 0x8b]) {
            return Err("no compressed profile".into());
        }
        families(&recorded["families"], &body)?;
        samples(&recorded["samples"], &body)
    }

    /// Puts the names of the recording in place of what is this test's own.
    fn neutral(&self, body: &str) -> String {
        let mut body = body.replace(&self.folder.path().display().to_string(), &world::fill("<DIR>"));
        if let Some(edge) = &self.edge {
            let address = edge.addresses()[0];
            let tunnel = edge.credentials().tunnel_id.to_string();
            body = body.replace(&address.to_string(), "127.0.0.1:17844");
            body = body.replace(&address.ip().to_string(), "127.0.0.1");
            body = body.replace(&tunnel, "11111111-2222-4333-8444-555555555555");
        }
        body
    }

    pub(crate) async fn end(mut self) {
        if let Some(visitor) = &self.visitor {
            visitor.abort();
        }
        self.child.kill().await.unwrap();
    }
}

/// What the server said.
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap()[9..12].parse().unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let headers: Vec<_> = fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let chunked = headers.iter().any(|(name, _)| name == "Transfer-Encoding");
        let body = &bytes[end + 4..];
        Self {
            status,
            body: if chunked { unchunk(body) } else { body.to_vec() },
            headers,
        }
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
    body
}

/// A token of a tunnel that exists nowhere.
const TOKEN: &str = "eyJhIjoiYWNjIiwidCI6IjExMTExMTExLTIyMjItNDMzMy04NDQ0LTU1NTU1NTU1NTU1NSIsInMiOiJBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZWEdCa2FHeHdkSGg4PSJ9";

async fn metrics_address(child: &mut Child) -> SocketAddr {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let found = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, rest)) = line.split_once("Starting metrics server on ") {
                return rest.trim_end_matches("/metrics").parse().unwrap();
            }
        }
        panic!("it ended")
    };
    let address = tokio::time::timeout(PATIENCE, found).await.expect("it starts");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    address
}

/// Returns the verdict where the program answers something else on purpose.
fn differs(path: &str, recorded: &Value, response: &Response) -> Option<Verdict> {
    let rule = match path {
        "/debug/vars" => "no-debug-vars",
        "/diag/tunnel" if recorded.to_string().contains("icmp_sources") => "no-icmp-sources-yet",
        _ => return None,
    };
    let as_asked = match rule {
        "no-debug-vars" => response.status == 404,
        _ => response.status == 200 && !String::from_utf8_lossy(&response.body).contains("icmp_sources"),
    };
    as_asked.then_some(Verdict::Differs(rule))
}

/// Returns whether every member has the recorded type; system information is recorded so.
fn same_kinds(wanted: &Value, have: &Value) -> bool {
    match (wanted, have) {
        (Value::String(kind), have) => match kind.as_str() {
            "int" => have.is_u64(),
            "str" | "string" => have.is_string(),
            _ => false,
        },
        (Value::Array(wanted), Value::Array(have)) => wanted
            .first()
            .is_some_and(|wanted| have.iter().all(|have| same_kinds(wanted, have))),
        (Value::Object(wanted), Value::Object(have)) => {
            wanted.len() == have.len()
                && wanted
                    .iter()
                    .all(|(key, wanted)| have.get(key).is_some_and(|have| same_kinds(wanted, have)))
        }
        _ => wanted == have,
    }
}

/// Families that this program does not have: of another runtime, and of what comes later.
const OTHERS: &[&str] = &["go_", "cloudflared_icmp_", "cloudflared_udp_"];

fn has_others(recorded: &Value) -> bool {
    let names = recorded
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|family| family["name"].as_str());
    names
        .into_iter()
        .any(|name| OTHERS.iter().any(|prefix| name.starts_with(prefix)))
}

fn families(recorded: &Value, page: &str) -> Result<(), String> {
    for family in recorded.as_array().into_iter().flatten() {
        let (name, kind) = (family["name"].as_str().unwrap(), family["type"].as_str().unwrap());
        let sampled = name.starts_with("quic_client_") && !page.contains("quic_client_smoothed_rtt");
        if sampled || OTHERS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        if !page.lines().any(|line| line == format!("# TYPE {name} {kind}")) {
            return Err(format!("no family {name} of type {kind}"));
        }
        for label in family["labels"].as_array().into_iter().flatten() {
            let label = format!("{}=\"", label.as_str().unwrap());
            let shown = page
                .lines()
                .any(|line| line.starts_with(name) && line.contains(&label));
            if !shown {
                return Err(format!("no label {label} in {name}"));
            }
        }
    }
    Ok(())
}

fn samples(recorded: &Value, page: &str) -> Result<(), String> {
    for sample in recorded.as_array().into_iter().flatten() {
        let sample = sample
            .as_str()
            .unwrap()
            .replace("edge_location=\"lis01\"", "edge_location=\"<...>\"");
        if !page.lines().any(|line| judge::same(&sample, line)) {
            return Err(format!("no sample {sample}"));
        }
    }
    Ok(())
}

fn text(path: PathBuf) -> String {
    path.display().to_string()
}
