//! Runs the program as a case asks for, and compares what it did with what is expected.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use crate::command::{self, Outcome, Record};
use crate::service::Service;
use crate::tokens::Tokens;
use crate::websocket::Frames;

/// What a process did.
pub(crate) struct Observed {
    outcome: Outcome,
    tokens: Arc<Tokens>,
    /// What was said in WebSockets, by the number of the request.
    frames: Vec<(usize, Frames)>,
    /// What a client of the listener got.
    carried: Option<String>,
}

static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (ERR|INF|WRN)").unwrap());

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// After so many polls a login has been watched for long enough.
const MOST_POLLS: usize = 11;

/// Runs the program.
pub(crate) fn run(case: &Value) -> Observed {
    let home = tempfile::tempdir().unwrap();
    let tokens = Arc::new(Tokens::of(case));
    let (service, authority) = Service::start(case, &tokens);
    let fill = |text: &str| fill(&tokens.fill(text), home.path());
    let (mut command, _folder) = command::command(case, home.path(), &authority, &fill);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut stdin = child.stdin.take();
    if let (Some(text), Some(stdin)) = (case["stdin"]["text"].as_str(), &mut stdin) {
        stdin.write_all(text.as_bytes()).unwrap();
    }
    if case["stdin"]["hold_open"] != true {
        stdin = None;
    }
    let stdout = reader(child.stdout.take().unwrap());
    let stderr = follower(&mut child);
    let carried = case.get("tcp_client").map(carry);
    if case.get("stop").is_some() {
        interrupt(rustix::process::Pid::from_child(&child));
    }
    let exit = end(&mut child);
    drop(stdin);
    let outcome = Outcome {
        home,
        exit,
        stdout: stdout.join().unwrap(),
        stderr: TIME.replace_all(&stderr.join().unwrap(), "<TS> $1").into_owned(),
        requests: service.seen(),
    };
    Observed {
        outcome,
        tokens,
        frames: service.frames(),
        carried,
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Reads the log to its end; a login that goes on is told to stop.
fn follower(child: &mut Child) -> std::thread::JoinHandle<String> {
    let pid = rustix::process::Pid::from_child(child);
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let mut polls = 0;
        while lines.read_until(b'\n', &mut text).unwrap() > 0 {
            polls += usize::from(text.ends_with(b" Waiting for login...\n"));
            if polls == MOST_POLLS {
                interrupt(pid);
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn interrupt(pid: rustix::process::Pid) {
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

/// Waits for the end; returns how it came.
fn end(child: &mut Child) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let signal = status.signal().map(|signal| format!("signal:{signal}").into());
            return signal.unwrap_or_else(|| status.code().into());
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Speaks to the listener of the program, once it listens.
fn carry(client: &Value) -> String {
    let port = u16::try_from(client["port"].as_u64().unwrap()).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = String::new();
    for step in client["steps"].as_array().into_iter().flatten() {
        if let Some(text) = step["send"].as_str() {
            stream.write_all(text.as_bytes()).unwrap();
        } else if let Some(text) = step["recv"].as_str() {
            let mut bytes = vec![0; text.len()];
            stream.read_exact(&mut bytes).unwrap();
            got.push_str(&String::from_utf8_lossy(&bytes));
        } else {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            got.push_str(&rest);
            got.push_str("<EOF>");
        }
    }
    got
}

fn fill(text: &str, home: &Path) -> String {
    text.replace("${HOME}", &home.display().to_string())
        .replace("${UA}", "cloudflared/2026.8.2")
        .replace("${BIN}", env!("CARGO_BIN_EXE_adit"))
}

impl Observed {
    /// Compares; returns what is wrong, if anything.
    pub(crate) fn compare(&self, expect: &Value) -> Result<(), String> {
        self.outcome.compare(expect, self)?;
        if let Some(wanted) = expect["tcp_client_received"].as_str()
            && self.carried.as_deref() != Some(wanted)
        {
            let what = format!("carried {:?}, wanted {wanted}", self.carried);
            return Err(self.outcome.shown(&what));
        }
        for (index, request) in expect["requests"].as_array().into_iter().flatten().enumerate() {
            if let Some(frames) = request["ws_frames"].as_array()
                && !self.are_frames(frames, index)
            {
                let what = format!("frames of request {index}: wanted {frames:?}");
                return Err(self.outcome.shown(&what));
            }
        }
        Ok(())
    }

    /// Compares what was said in a WebSocket; how it was cut does not matter.
    fn are_frames(&self, wanted: &[Value], index: usize) -> bool {
        let (mut data, mut pongs, mut closes) = (Vec::new(), Vec::new(), Vec::new());
        for frame in wanted {
            let text = self.fill(frame["data"].as_str().unwrap_or_default());
            let bytes = text.chars().filter_map(|one| u8::try_from(u32::from(one)).ok());
            match frame["op"].as_str() {
                Some("close") => closes.extend(bytes.take(2)),
                Some("pong") => pongs.extend(bytes),
                _ => data.extend(bytes),
            }
        }
        let said = self.frames.iter().find(|(of, _)| *of == index);
        let said = said.map(|(_, frames)| frames.clone()).unwrap_or_default();
        data == said.data && pongs == said.pongs && closes == said.closes.get(..2).unwrap_or_default()
    }
}

impl Record for Observed {
    fn counts(&self, (name, _): &(String, String), wanted: &[(String, String)]) -> bool {
        match name.as_str() {
            "host" | "accept-encoding" | "referer" | "content-length" | "sec-websocket-key" => false,
            // Compression is an offer that need not be made.
            "sec-websocket-extensions" => false,
            "user-agent" => !wanted
                .iter()
                .any(|(_, value)| value.starts_with("Go-http-client")),
            _ => true,
        }
    }

    fn is_content(&self, wanted: &str, found: &str) -> bool {
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        match wanted {
            "<EC_PRIVATE_KEY_PEM>" => found.starts_with("-----BEGIN EC PRIVATE KEY-----\n"),
            text if text.starts_with("<JWKS:") => json(found) == json(&self.fill(text)),
            // The keys of the recording itself; those of this case are others.
            text if text.starts_with("{\"keys\"") => json(found).is_some(),
            text => found == self.fill(text),
        }
    }

    fn fill(&self, text: &str) -> String {
        let home = self.outcome.home.path();
        let mut paths = self.outcome.requests.iter().map(|seen| seen.path.as_str());
        let key = paths
            .find_map(|path| path.strip_prefix("/transfer/"))
            .unwrap_or_default();
        let public = home.join(".cloudflared/app.example.test-cf_key.pub");
        let public = fs::read_to_string(public).unwrap_or_default();
        let text = fill(&self.tokens.fill(text), home);
        text.replace("${PUBKEY}", key)
            .replace("${PUBKEY_Q}", &key.replace('=', "%3D"))
            .replace("${PUBKEY_QQ}", &key.replace('=', "%253D"))
            .replace("<ECDSA_P256_PUBLIC_KEY>\\n", &public.replace('\n', "\\n"))
            .replace("<ECDSA_P256_PUBLIC_KEY>\n", &public)
    }
}
