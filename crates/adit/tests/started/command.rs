//! A recorded command line: what it is run with, and what it did compared with what is expected.
//! The tests in the folders beside this one share it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use adit_vectors::service::Seen;
use rcgen::generate_simple_self_signed;
use regex::Regex;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tempfile::TempDir;

/// What a process did.
pub(crate) struct Outcome {
    pub(crate) home: TempDir,
    /// The exit code, or the signal.
    pub(crate) exit: Value,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) requests: Vec<Seen>,
}

/// What records of one kind have of their own.
pub(crate) trait Record {
    /// Puts things in the place of what stands for them.
    fn fill(&self, text: &str) -> String;

    /// Returns whether a field of a request is compared.
    fn counts(&self, field: &(String, String), wanted: &[(String, String)]) -> bool;

    /// Returns whether a file has the content that is wanted.
    fn is_content(&self, wanted: &str, found: &str) -> bool {
        found == self.fill(wanted)
    }
}

/// The public names that records speak of.
const NAMES: [&str; 14] = [
    "localhost",
    "app.example.test",
    "ssh.example.test",
    "other.example.test",
    "team.cloudflareaccess.com",
    "login.cloudflareaccess.org",
    "login.fed.cloudflareaccess.org",
    "api.cloudflare.com",
    "api.fed.cloudflare.com",
    "api.trycloudflare.com",
    "management.argotunnel.com",
    "management.fed.argotunnel.com",
    "update.argotunnel.com",
    "APP.example.test",
];

/// Makes this machine the one behind every public name; the network is the case's own. Returns where
/// visitors come, how TLS is spoken with them, and the certificate that they are shown.
pub(crate) fn public() -> (TcpListener, Arc<ServerConfig>, String) {
    fs::write("/etc/hosts", format!("127.0.0.1 {}\n", NAMES.join(" "))).unwrap();
    let listener = TcpListener::bind("127.0.0.1:443").unwrap();
    let made = generate_simple_self_signed(NAMES.map(str::to_owned)).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (listener, Arc::new(config), made.cert.pem())
}

/// Returns the command of a case, which trusts `authority`, in its home. The folder that is returned is
/// where the program lies.
pub(crate) fn command(
    case: &Value,
    home: &Path,
    authority: &str,
    fill: &dyn Fn(&str) -> String,
) -> (Command, TempDir) {
    for (path, content) in case["home"].as_object().into_iter().flatten() {
        write(&home.join(path), content, fill);
    }
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    fs::write(&trusted, authority).unwrap();
    let program = folder.path().join("cloudflared");
    symlink(env!("CARGO_BIN_EXE_adit"), &program).unwrap();
    let mut command = Command::new(&program);
    let arguments = case["args"].as_array().into_iter().flatten();
    command
        .args(arguments.map(|word| fill(word.as_str().unwrap_or_default())))
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/nonexistent")
        .env("SSL_CERT_FILE", &trusted)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in case["env"].as_object().into_iter().flatten() {
        command.env(name, fill(value.as_str().unwrap_or_default()));
    }
    (command, folder)
}

fn write(path: &Path, content: &Value, fill: &dyn Fn(&str) -> String) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, fill(content["text"].as_str().unwrap_or_default())).unwrap();
    if let Some(mode) = content["mode"].as_str() {
        let mode = u32::from_str_radix(mode, 8).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    if let Some(age) = content["age_s"].as_u64() {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
    }
}

impl Outcome {
    /// Compares; returns what is wrong, if anything.
    pub(crate) fn compare(&self, expect: &Value, record: &dyn Record) -> Result<(), String> {
        self.compare_texts(expect, record)
            .and_then(|()| self.compare_requests(expect, record))
            .and_then(|()| self.compare_files(expect, record))
            .map_err(|what| self.shown(&what))
    }

    /// Returns what is wrong together with what the process said.
    pub(crate) fn shown(&self, what: &str) -> String {
        let Self {
            exit, stdout, stderr, ..
        } = self;
        format!("{what}\n    exit {exit}\n    {stdout}\n    {stderr}")
    }

    fn compare_texts(&self, expect: &Value, record: &dyn Record) -> Result<(), String> {
        let wrong = |what: &str, wanted: String| Err(format!("{what}: wanted {wanted}"));
        if self.exit != expect["exit"] {
            return wrong("exit", expect["exit"].to_string());
        }
        if let Some(stdout) = expect["stdout"].as_str().map(|text| record.fill(text))
            && expect["stdout_match"] != "ignore"
            && !is_text(&stdout, &self.stdout)
        {
            return wrong("stdout", stdout);
        }
        if let Some(parts) = expect["stderr_must_contain"].as_array() {
            let parts = parts
                .iter()
                .filter_map(Value::as_str)
                .map(|part| record.fill(part));
            let mut missing = parts.filter(|part| !self.stderr.contains(part.as_str()));
            return missing.next().map_or(Ok(()), |part| wrong("stderr with", part));
        }
        let Some(stderr) = expect["stderr"].as_str().map(|text| record.fill(text)) else {
            return Ok(());
        };
        let is_right = match expect["stderr_match"].as_str() {
            Some("prefix") => self.stderr.starts_with(&stderr),
            _ => is_text(&stderr, &self.stderr),
        };
        if is_right { Ok(()) } else { wrong("stderr", stderr) }
    }

    fn compare_requests(&self, expect: &Value, record: &dyn Record) -> Result<(), String> {
        let Some(wanted) = expect["requests"].as_array() else {
            return Ok(());
        };
        if wanted.len() != self.requests.len() {
            return Err(format!("requests: {:?}", self.requests));
        }
        let mut pairs = self.requests.iter().zip(wanted);
        let wrong = pairs.find(|(seen, wanted)| !is_like(seen, wanted, record));
        wrong.map_or(Ok(()), |(seen, wanted)| {
            Err(format!("request: {seen:?}\n    wanted {wanted}"))
        })
    }

    fn compare_files(&self, expect: &Value, record: &dyn Record) -> Result<(), String> {
        for (name, wanted) in expect["home_after"].as_object().into_iter().flatten() {
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
            let found = fs::read_to_string(&path).unwrap_or_default();
            if let Some(text) = wanted["text"].as_str()
                && !record.is_content(text, &found)
            {
                return Err(format!("{name}: wanted {text}, found {found}"));
            }
        }
        Ok(())
    }
}

/// Compares a text in which numbers may stand for descriptors.
fn is_text(wanted: &str, found: &str) -> bool {
    let wanted = regex::escape(wanted).replace("<FD>", r"\d+");
    Regex::new(&format!("(?s)^{wanted}$")).unwrap().is_match(found)
}

fn is_like(seen: &Seen, wanted: &Value, record: &dyn Record) -> bool {
    let mut headers = Vec::new();
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let values = values
            .iter()
            .map(|value| record.fill(value.as_str().unwrap_or_default()));
        headers.extend(values.map(|value| (name.to_ascii_lowercase(), value)));
    }
    let kept = |fields: &[(String, String)]| {
        let counting = fields.iter().filter(|field| record.counts(field, &headers));
        let mut fields: Vec<_> = counting.cloned().collect();
        fields.sort_unstable();
        fields
    };
    let text = |name: &str| record.fill(wanted[name].as_str().unwrap_or_default());
    let body = |text: &str| serde_json::from_str::<Value>(text).ok();
    wanted["method"] == seen.method.as_str()
        && text("path") == seen.path
        && wanted
            .get("host")
            .is_none_or(|host| host.as_str() == seen.header("host"))
        && text("query") == seen.query
        && kept(&headers) == kept(&seen.headers)
        && (wanted["body"].is_null() || body(&text("body")) == body(&seen.body))
}
