//! Runs the program as a case asks for, and compares what it did with what is expected.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Seen, Service};

/// What a process did.
pub(crate) struct Observed {
    home: TempDir,
    api: String,
    exit: Option<i32>,
    stdout: String,
    stderr: String,
    requests: Vec<Seen>,
    /// What the metrics server says of the name of the tunnel.
    quick: Option<String>,
}

/// The stand-in for the edge in the records, and those for the metrics server.
const EDGE: &str = "127.0.0.1:19999";
static METRICS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"127\.0\.0\.1:195\d\d").unwrap());
static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap());
static RANDOM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""tunnel_secret":"([^"]+)""#).unwrap());

/// A login that has asked so often, once more than those in the records, is not waited for.
const MOST_POLLS: usize = 11;

/// Characters of a public key.
const KEY: usize = 44;

/// Runs the program.
pub(crate) fn run(case: &Value) -> Observed {
    let home = tempfile::tempdir().unwrap();
    let script = case["script"].as_array().cloned().unwrap_or_default();
    let (service, authority) = if case["server"] == "https-443" {
        Service::public(script)
    } else {
        (Service::start(script), String::new())
    };
    let api = format!("http://{}", service.address);
    let edge = TcpListener::bind("127.0.0.1:0").unwrap();
    let edge_address = edge.local_addr().unwrap().to_string();
    let fill = |text: &str| {
        let text = fill(text, home.path(), &api).replace(EDGE, &edge_address);
        METRICS.replace_all(&text, "127.0.0.1:0").into_owned()
    };
    for (path, content) in case["home"].as_object().into_iter().flatten() {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, fill(content["text"].as_str().unwrap_or_default())).unwrap();
        if let Some(mode) = content["mode"].as_str() {
            let mode = u32::from_str_radix(mode, 8).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    let binaries = tempfile::tempdir().unwrap();
    let trusted = binaries.path().join("trusted.pem");
    fs::write(&trusted, authority).unwrap();
    let program = binaries.path().join("cloudflared");
    symlink(env!("CARGO_BIN_EXE_adit"), &program).unwrap();
    let mut command = Command::new(&program);
    let arguments = case["args"].as_array().into_iter().flatten();
    command
        .args(arguments.map(|word| fill(word.as_str().unwrap_or_default())))
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/nonexistent")
        .env("SSL_CERT_FILE", &trusted)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        command.env(name, fill(value.as_str().unwrap_or_default()));
    }
    let mut child = command.spawn().expect("the program starts");
    let (stderr, quick) = follow(&mut child, case);
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let exit = child.wait().unwrap().code();
    Observed {
        api,
        exit,
        stdout,
        stderr: TIME.replace_all(&stderr, "<TS>").into_owned(),
        requests: service.seen(),
        quick,
        home,
    }
}

/// Reads the log to its end; a program that serves is asked, and told to stop, once it does. A login
/// that goes on is told to stop, too.
fn follow(child: &mut Child, case: &Value) -> (String, Option<String>) {
    let mut text = String::new();
    let mut quick = None;
    let mut polls = 0;
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap() == 0 {
            return (text, quick);
        }
        text.push_str(&line);
        let metrics = line
            .split_once("Starting metrics server on ")
            .map(|(_, rest)| rest);
        let metrics = metrics.and_then(|rest| rest.split_once("/metrics"));
        if let Some((address, _)) = metrics
            && case.get("stop").is_some()
        {
            quick = Some(ask(address));
            interrupt(child);
        }
        if line.ends_with(" Waiting for login...\n") {
            polls += 1;
            if polls == MOST_POLLS {
                interrupt(child);
            }
        }
    }
}

fn interrupt(child: &Child) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

/// Asks the metrics server for the name of the tunnel.
fn ask(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /quicktunnel HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn fill(text: &str, home: &Path, api: &str) -> String {
    text.replace("${API}", api)
        .replace("${HOME}", &home.display().to_string())
        .replace("${UA}", "cloudflared/2026.8.2")
}

impl Observed {
    /// Returns what the process said, first where answers go and then where the log does.
    pub(crate) fn said(&self) -> [&str; 2] {
        [&self.stdout, &self.stderr]
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Option<i32> {
        self.exit
    }

    /// Compares; returns what is wrong, if anything.
    pub(crate) fn compare(&self, expect: &Value) -> Result<(), String> {
        self.compare_texts(expect)
            .and_then(|()| self.compare_requests(expect))
            .and_then(|()| self.compare_files(&expect["home_after"]))
            .map_err(|what| {
                format!(
                    "{what}\n    exit {:?}\n    {}\n    {}",
                    self.exit, self.stdout, self.stderr
                )
            })
    }

    fn compare_texts(&self, expect: &Value) -> Result<(), String> {
        let wrong = |what: &str, wanted: String| Err(format!("{what}: wanted {wanted}"));
        if self.exit.map(i64::from) != expect["exit"].as_i64() {
            return wrong("exit", expect["exit"].to_string());
        }
        if let Some(stdout) = expect["stdout"].as_str()
            && expect["stdout_match"] != "ignore"
            && self.stdout != self.fill(stdout)
        {
            return wrong("stdout", self.fill(stdout));
        }
        if let Some(parts) = expect["stderr_must_contain"].as_array() {
            let parts = parts.iter().filter_map(Value::as_str).map(|part| self.fill(part));
            let mut missing = parts.filter(|part| !self.stderr.contains(part.as_str()));
            return missing.next().map_or(Ok(()), |part| wrong("stderr with", part));
        }
        let Some(stderr) = expect["stderr"].as_str().map(|text| self.fill(text)) else {
            return Ok(());
        };
        let is_right = match expect["stderr_match"].as_str() {
            Some("prefix") => self.stderr.starts_with(&stderr),
            _ => self.stderr == stderr,
        };
        if is_right { Ok(()) } else { wrong("stderr", stderr) }
    }

    fn compare_requests(&self, expect: &Value) -> Result<(), String> {
        if let Some(wanted) = expect["probe"]["GET /quicktunnel"].as_str()
            && self.quick.as_deref() != Some(wanted)
        {
            return Err(format!("quicktunnel: {:?}, wanted {wanted}", self.quick));
        }
        let Some(wanted) = expect["requests"].as_array() else {
            return Ok(());
        };
        if wanted.len() != self.requests.len() {
            return Err(format!("requests: {:?}", self.requests));
        }
        let mut pairs = self.requests.iter().zip(wanted);
        let wrong = pairs.find(|(seen, wanted)| !self.is_like(seen, wanted));
        wrong.map_or(Ok(()), |(seen, wanted)| {
            Err(format!("request: {seen:?}\n    wanted {wanted}"))
        })
    }

    fn is_like(&self, seen: &Seen, wanted: &Value) -> bool {
        let mut headers: Vec<_> = wanted["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| {
                (
                    name.to_ascii_lowercase(),
                    self.fill(value.as_str().unwrap_or_default()),
                )
            })
            .collect();
        let matters = |(name, value): &&(String, String)| match name.as_str() {
            "host" | "accept-encoding" => false,
            "content-length" => value == "0",
            _ => true,
        };
        let mut sent: Vec<_> = seen.headers.iter().filter(matters).cloned().collect();
        headers.sort_unstable();
        sent.sort_unstable();
        let body = wanted["body"].as_str().map(|body| self.fill(body));
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let host = seen.headers.iter().find(|(name, _)| name == "host");
        let host = host.map(|(_, value)| value.as_str());
        wanted["method"] == seen.method.as_str()
            && self.fill(wanted["path"].as_str().unwrap_or_default()) == seen.path
            && wanted.get("host").is_none_or(|wanted| wanted.as_str() == host)
            && wanted["query"].as_str().unwrap_or_default() == seen.query
            && headers == sent
            && body.is_none_or(|body| json(&body) == json(&seen.body))
    }

    fn compare_files(&self, expect: &Value) -> Result<(), String> {
        for (name, wanted) in expect.as_object().into_iter().flatten() {
            let path = self.home.path().join(name);
            if wanted["absent"] == true {
                if path.exists() {
                    return Err(format!("{name} is there"));
                }
                continue;
            }
            let metadata = path.metadata().map_err(|error| format!("{name}: {error}"))?;
            let mode = format!("{:04o}", metadata.permissions().mode() & 0o777);
            if wanted["mode"].as_str().is_some_and(|wanted| wanted != mode) {
                return Err(format!("{name}: mode {mode}, wanted {}", wanted["mode"]));
            }
            if let Some(text) = wanted["text"].as_str()
                && fs::read_to_string(&path).unwrap_or_default() != self.fill(text)
            {
                return Err(format!("{name}: wanted {text}"));
            }
        }
        Ok(())
    }

    fn fill(&self, text: &str) -> String {
        let bodies = self.requests.iter().find_map(|seen| RANDOM.captures(&seen.body));
        let random = bodies.map(|found| found[1].to_owned()).unwrap_or_default();
        let key = self
            .requests
            .first()
            .map(|seen| seen.path.trim_start_matches('/'));
        let key = key.filter(|key| key.len() == KEY).unwrap_or_default();
        fill(text, self.home.path(), &self.api)
            .replace("<RANDOM32>", &random)
            .replace("${PUBKEY}", key)
            .replace("${PUBKEY_Q}", &key.replace('=', "%3D"))
    }
}
