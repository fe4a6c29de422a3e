//! Runs the program as a case asks for, and compares what it did with what is expected.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Seen, Service};
use crate::tokens::Tokens;

/// What a process did.
pub(crate) struct Observed {
    home: TempDir,
    tokens: Arc<Tokens>,
    exit: Value,
    stdout: String,
    stderr: String,
    requests: Vec<Seen>,
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
    for (path, content) in case["home"].as_object().into_iter().flatten() {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, fill(content["text"].as_str().unwrap_or_default())).unwrap();
        let mode = content["mode"].as_str().unwrap_or("0644");
        let mode = u32::from_str_radix(mode, 8).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if let Some(age) = content["age_s"].as_u64() {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
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
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        command.env(name, fill(value.as_str().unwrap_or_default()));
    }
    let mut child = command.spawn().expect("the program starts");
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
    Observed {
        exit,
        stdout: stdout.join().unwrap(),
        stderr: TIME.replace_all(&stderr.join().unwrap(), "<TS> $1").into_owned(),
        requests: service.seen(),
        carried,
        tokens: Arc::clone(&tokens),
        home,
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
        self.compare_texts(expect)
            .and_then(|()| self.compare_requests(expect))
            .and_then(|()| self.compare_files(&expect["home_after"]))
            .map_err(|what| {
                let Self {
                    exit, stdout, stderr, ..
                } = self;
                format!("{what}\n    exit {exit}\n    {stdout}\n    {stderr}")
            })
    }

    fn compare_texts(&self, expect: &Value) -> Result<(), String> {
        let wrong = |what: &str, wanted: String| Err(format!("{what}: wanted {wanted}"));
        if self.exit != expect["exit"] {
            return wrong("exit", expect["exit"].to_string());
        }
        if let Some(stdout) = expect["stdout"].as_str()
            && expect["stdout_match"] != "ignore"
            && !self.is_text(stdout, &self.stdout)
        {
            return wrong("stdout", self.fill(stdout));
        }
        if let Some(wanted) = expect["tcp_client_received"].as_str()
            && self.carried.as_deref() != Some(wanted)
        {
            return wrong("carried", format!("{wanted}, not {:?}", self.carried));
        }
        if let Some(parts) = expect["stderr_must_contain"].as_array() {
            let parts = parts.iter().filter_map(Value::as_str).map(|part| self.fill(part));
            let mut missing = parts.filter(|part| !self.stderr.contains(part.as_str()));
            return missing.next().map_or(Ok(()), |part| wrong("stderr with", part));
        }
        match expect["stderr"].as_str() {
            Some(stderr) if !self.is_text(stderr, &self.stderr) => wrong("stderr", self.fill(stderr)),
            _ => Ok(()),
        }
    }

    /// Compares a text in which numbers may stand for descriptors.
    fn is_text(&self, wanted: &str, found: &str) -> bool {
        let wanted = regex::escape(&self.fill(wanted)).replace("<FD>", r"\d+");
        Regex::new(&format!("(?s)^{wanted}$")).unwrap().is_match(found)
    }

    fn compare_requests(&self, expect: &Value) -> Result<(), String> {
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
        let mut headers = Vec::new();
        for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let values = values
                .iter()
                .map(|value| self.fill(value.as_str().unwrap_or_default()));
            headers.extend(values.map(|value| (name.to_ascii_lowercase(), value)));
        }
        let any_agent = headers
            .iter()
            .any(|(_, value)| value.starts_with("Go-http-client"));
        let matters = |(name, _): &&(String, String)| match name.as_str() {
            "host" | "accept-encoding" | "referer" | "content-length" | "sec-websocket-key" => false,
            "user-agent" => !any_agent,
            _ => true,
        };
        let kept = |fields: &[(String, String)]| {
            let mut fields: Vec<_> = fields.iter().filter(matters).cloned().collect();
            fields.sort_unstable();
            fields
        };
        let host = seen.headers.iter().find(|(name, _)| name == "host");
        let json = |text: &str| serde_json::from_str::<Value>(text).ok();
        let body = wanted["body"].as_str().map(|body| self.fill(body));
        wanted["method"] == seen.method.as_str()
            && self.fill(wanted["path"].as_str().unwrap_or_default()) == seen.path
            && wanted["host"].as_str() == host.map(|(_, value)| value.as_str())
            && self.fill(wanted["query"].as_str().unwrap_or_default()) == seen.query
            && kept(&headers) == kept(&seen.headers)
            && body.is_none_or(|body| json(&body) == json(&seen.body))
            && wanted["ws_frames"]
                .as_array()
                .is_none_or(|frames| self.are_frames(frames, seen))
    }

    /// Compares what was said in a WebSocket; how it was cut does not matter.
    fn are_frames(&self, wanted: &[Value], seen: &Seen) -> bool {
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
        let code = seen.frames.closes.get(..2).unwrap_or_default();
        data == seen.frames.data && pongs == seen.frames.pongs && closes == code
    }

    fn compare_files(&self, expect: &Value) -> Result<(), String> {
        for (name, wanted) in expect.as_object().into_iter().flatten() {
            let path = self.home.path().join(name.trim_end_matches('/'));
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
            let Some(text) = wanted["text"].as_str() else {
                continue;
            };
            let found = fs::read_to_string(&path).unwrap_or_default();
            let json = |text: &str| serde_json::from_str::<Value>(text).ok();
            let is_same = match text {
                "<EC_PRIVATE_KEY_PEM>" => found.starts_with("-----BEGIN EC PRIVATE KEY-----\n"),
                text if text.starts_with("<JWKS:") => json(&found) == json(&self.fill(text)),
                // The keys of the recording itself; those of this case are others.
                text if text.starts_with("{\"keys\"") => json(&found).is_some(),
                text => found == self.fill(text),
            };
            if !is_same {
                return Err(format!("{name}: wanted {text}, found {found}"));
            }
        }
        Ok(())
    }

    fn fill(&self, text: &str) -> String {
        let mut paths = self.requests.iter().map(|seen| seen.path.as_str());
        let key = paths
            .find_map(|path| path.strip_prefix("/transfer/"))
            .unwrap_or_default();
        let public = self.home.path().join(".cloudflared/app.example.test-cf_key.pub");
        let public = fs::read_to_string(public).unwrap_or_default();
        let text = fill(&self.tokens.fill(text), self.home.path());
        text.replace("${PUBKEY}", key)
            .replace("${PUBKEY_Q}", &key.replace('=', "%3D"))
            .replace("${PUBKEY_QQ}", &key.replace('=', "%253D"))
            .replace("<ECDSA_P256_PUBLIC_KEY>\\n", &public.replace('\n', "\\n"))
            .replace("<ECDSA_P256_PUBLIC_KEY>\n", &public)
    }
}
