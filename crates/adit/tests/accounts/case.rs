//! Runs the program as a case asks for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, LazyLock};

use adit_vectors::service::{Service, answer};
use flate2::Compression;
use flate2::write::GzEncoder;
use regex::Regex;
use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;

use crate::command::{self, Outcome, Record};

/// What a process did.
pub(crate) struct Observed {
    outcome: Outcome,
    api: String,
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
    let (service, api, authority) = serve(case);
    let edge = TcpListener::bind("127.0.0.1:0").unwrap();
    let edge_address = edge.local_addr().unwrap().to_string();
    let fill = |text: &str| {
        let text = fill(text, home.path(), &api).replace(EDGE, &edge_address);
        METRICS.replace_all(&text, "127.0.0.1:0").into_owned()
    };
    let (mut command, _folder) = command::command(case, home.path(), &authority, &fill);
    let mut child = command.spawn().expect("the program starts");
    let (stderr, quick) = follow(&mut child, case);
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    let exit = child.wait().unwrap().code().into();
    let outcome = Outcome {
        home,
        exit,
        stdout,
        stderr: TIME.replace_all(&stderr, "<TS>").into_owned(),
        requests: service.seen(),
    };
    Observed { outcome, api, quick }
}

/// Starts an API that says what it was recorded to say; returns it with its address and the
/// certificate that it shows.
fn serve(case: &Value) -> (Service, String, String) {
    let script = case["script"].as_array().cloned().unwrap_or_default();
    if case["server"] == "https-443" {
        let (listener, config, authority) = command::public();
        let accept = move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
            Ok(StreamOwned::new(connection, stream))
        };
        let service = Service::start(listener, accept, move |stream, index, _| {
            say(stream, &script, index)
        });
        return (service, String::new(), authority);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let service = Service::start(listener, Ok, move |stream, index, _| say(stream, &script, index));
    (service, api, String::new())
}

fn say(stream: &mut impl Write, script: &[Value], index: usize) -> std::io::Result<bool> {
    match answer(script, index) {
        Some(answer) => stream.write_all(&response(&answer)).map(|()| true),
        None => Ok(false),
    }
}

fn response(answer: &Value) -> Vec<u8> {
    let status = answer["status"].as_u64().unwrap_or(200);
    let mut body = answer["body"].as_str().unwrap_or_default().as_bytes().to_vec();
    let mut head = format!("HTTP/1.1 {status} X\r\n");
    if answer["gzip"] == true {
        let mut packer = GzEncoder::new(Vec::new(), Compression::default());
        packer.write_all(&body).unwrap();
        body = packer.finish().unwrap();
        head.push_str("Content-Encoding: gzip\r\n");
    }
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        head.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap_or_default()));
    }
    if status != 204 {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [head.as_bytes(), b"\r\n", &body].concat()
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
        [&self.outcome.stdout, &self.outcome.stderr]
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Option<i64> {
        self.outcome.exit.as_i64()
    }

    /// Compares; returns what is wrong, if anything.
    pub(crate) fn compare(&self, expect: &Value) -> Result<(), String> {
        self.outcome.compare(expect, self)?;
        match expect["probe"]["GET /quicktunnel"].as_str() {
            Some(wanted) if self.quick.as_deref() != Some(wanted) => {
                let what = format!("quicktunnel: {:?}, wanted {wanted}", self.quick);
                Err(self.outcome.shown(&what))
            }
            _ => Ok(()),
        }
    }
}

impl Record for Observed {
    fn counts(&self, (name, value): &(String, String), _: &[(String, String)]) -> bool {
        match name.as_str() {
            "host" | "accept-encoding" => false,
            "content-length" => value == "0",
            _ => true,
        }
    }

    fn fill(&self, text: &str) -> String {
        let requests = &self.outcome.requests;
        let bodies = requests.iter().find_map(|seen| RANDOM.captures(&seen.body));
        let random = bodies.map(|found| found[1].to_owned()).unwrap_or_default();
        let key = requests.first().map(|seen| seen.path.trim_start_matches('/'));
        let key = key.filter(|key| key.len() == KEY).unwrap_or_default();
        fill(text, self.outcome.home.path(), &self.api)
            .replace("<RANDOM32>", &random)
            .replace("${PUBKEY}", key)
            .replace("${PUBKEY_Q}", &key.replace('=', "%3D"))
    }
}
