//! Compares what a process did with what a record expects, placeholders filled.

use regex::Regex;
use serde_json::Value;

use crate::world::{Observed, fill, texts};

/// Compares; returns what is wrong, if anything.
pub(crate) fn compare(expect: &Value, observed: &Observed) -> Result<(), String> {
    let told = |what: &str, want: String| {
        Err(format!(
            "{what}\n    wanted {want}\n    outcome {} code {:?} signal {:?}\n    stdout {:?}\n    stderr {:?}",
            observed.outcome, observed.exit_code, observed.exit_signal, observed.stdout, observed.stderr
        ))
    };
    if expect["outcome"] != observed.outcome {
        return told("outcome", expect["outcome"].to_string());
    }
    if let Some(code) = expect["exit_code"].as_i64()
        && observed.exit_code.map(i64::from) != Some(code)
    {
        return told("exit code", code.to_string());
    }
    if let Some(signal) = expect["exit_signal"].as_i64()
        && observed.exit_signal.map(i64::from) != Some(signal)
    {
        return told("exit signal", signal.to_string());
    }
    let recorded = texts(&expect["stdout"]);
    let said = match observed.stdout.get(..LONGEST_RECORD) {
        Some(beginning) if recorded.len() == LONGEST_RECORD => beginning,
        _ => &observed.stdout,
    };
    if let Some(stdout) = expect.get("stdout")
        && !whole(&recorded).is_match(&said.join("\n"))
    {
        return told("stdout", stdout.to_string());
    }
    let stderr = &observed.stderr;
    if let Some(lines) = expect.get("stderr")
        && !whole(&texts(lines)).is_match(&stderr.join("\n"))
    {
        return told("stderr", lines.to_string());
    }
    let mut rest = stderr.as_slice();
    for wanted in texts(&expect["stderr_prefix"]) {
        let Some(at) = rest.iter().position(|line| same(&wanted, line)) else {
            return told("stderr in order", wanted);
        };
        rest = &rest[at + 1..];
    }
    for wanted in texts(&expect["stderr_any_order"]) {
        if !stderr.iter().any(|line| same(&wanted, line)) {
            return told("stderr anywhere", wanted);
        }
    }
    if let Some(last) = expect["stderr_last"].as_str()
        && !stderr.last().is_some_and(|line| same(last, line))
    {
        return told("last of stderr", last.to_owned());
    }
    files(&expect["fs"], &observed.files).or_else(|what| told("files", what))
}

/// Compares the requests that reached the API.
pub(crate) fn compare_requests(exchanges: &Value, observed: &Observed) -> Result<(), String> {
    let exchanges = exchanges.as_array().map_or(&[][..], Vec::as_slice);
    let seen = &observed.requests;
    if seen.len() != exchanges.len() {
        return Err(format!(
            "{} requests instead of {}: {seen:?}",
            seen.len(),
            exchanges.len()
        ));
    }
    for (exchange, seen) in exchanges.iter().zip(seen) {
        let wanted = &exchange["request"];
        let text = |name: &str| wanted[name].as_str().unwrap_or_default();
        let start = format!("{} {}", text("method"), text("path"));
        let line = format!("{} {}", seen.method, seen.target());
        if !same(&start, &line) {
            return Err(format!("request {line:?} instead of {start:?}"));
        }
        for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let field = format!("{}: {value}", name.to_ascii_lowercase());
            let mut headers = seen.headers.iter();
            if !headers.any(|(name, value)| same(&field, &format!("{name}: {value}"))) {
                return Err(format!("no header {field:?} in {seen:?}"));
            }
        }
        if let Some(text) = wanted["body"].as_str() {
            let json =
                |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| text.trim().into());
            let (want, have) = (without_secret(json(text)), without_secret(json(&seen.body)));
            if !same(&want, &have) {
                return Err(format!("body {have} instead of {want}"));
            }
        }
    }
    Ok(())
}

/// Lines of a record that are kept; what follows them is not recorded.
const LONGEST_RECORD: usize = 30;

/// Returns a body without the secret of a new tunnel, which is another one each time.
fn without_secret(mut body: Value) -> String {
    if let Some(secret) = body.get_mut("tunnel_secret") {
        *secret = Value::from(secret.as_str().unwrap_or_default().len());
    }
    body.to_string()
}

fn files(expected: &Value, found: &Value) -> Result<(), String> {
    for (name, wanted) in expected.as_object().into_iter().flatten() {
        let have = &found[name];
        if !alike(wanted, have) {
            return Err(format!("{name}: {wanted} but it is {have}"));
        }
    }
    Ok(())
}

/// Returns whether a value is as recorded, texts by their pattern.
pub(crate) fn alike(wanted: &Value, have: &Value) -> bool {
    match (wanted, have) {
        (Value::String(wanted), Value::String(have)) => {
            // The names of diagnostic bundles hold the time.
            same(wanted, have)
                || (wanted.starts_with("cloudflared-diag-") && have.starts_with("cloudflared-diag-"))
        }
        (Value::Array(wanted), Value::Array(have)) => {
            wanted.len() == have.len() && wanted.iter().zip(have).all(|(wanted, have)| alike(wanted, have))
        }
        (Value::Object(wanted), Value::Object(have)) => wanted
            .iter()
            .all(|(key, wanted)| alike(wanted, have.get(key).unwrap_or(&Value::Null))),
        _ => wanted == have,
    }
}

/// Returns whether a line is as recorded. Lines of JSON are compared as such.
pub(crate) fn same(wanted: &str, line: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    if let (Some(Value::Object(wanted)), Some(Value::Object(have))) = (json(wanted), json(line)) {
        return wanted.len() == have.len() && alike(&wanted.into(), &have.into());
    }
    whole(&[wanted.to_owned()]).is_match(line)
}

/// Returns whether a text is as recorded.
pub(crate) fn same_text(wanted: &str, text: &str) -> bool {
    whole(&[wanted.to_owned()]).is_match(text)
}

/// Returns the pattern of whole texts, line by line.
fn whole(lines: &[String]) -> Regex {
    let lines: Vec<String> = lines.iter().map(|line| pattern(line)).collect();
    let text = lines.join("\n");
    // What follows a help text is not compared.
    let text = match text.split_once(HELP) {
        Some((before, _)) => format!("{before}.*"),
        None => text,
    };
    Regex::new(&format!(r"(?s)\A{text}\z")).expect("everything else is escaped")
}

const HELP: &str = "<HELP>";

fn pattern(line: &str) -> String {
    let line = fill(line);
    let mut pattern = String::new();
    let mut rest = line.as_str();
    while let Some(start) = rest.find('<') {
        pattern.push_str(&regex::escape(&rest[..start]));
        rest = &rest[start..];
        let placeholder = rest.find('>').map(|end| &rest[..=end]);
        let Some(placeholder) = placeholder.filter(|text| is_placeholder(text)) else {
            pattern.push('<');
            rest = &rest[1..];
            continue;
        };
        pattern.push_str(match placeholder {
            HELP => HELP,
            "<TIME>" => r"\d{4}-\d\d-\d\dT[\d:-]+Z",
            "<UUID>" => r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "<SHA256>" => r"[0-9a-f]{64}",
            "<PORT>" => r"\d+",
            "<VERSION>" => r"\d+\.\d+\.\d+",
            _ => ".*?",
        });
        rest = &rest[placeholder.len()..];
    }
    pattern.push_str(&regex::escape(rest));
    pattern
}

fn is_placeholder(text: &str) -> bool {
    let inner = text.trim_matches(['<', '>']);
    inner == "..."
        || inner.starts_with("SHELL:")
        || inner
            .chars()
            .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit())
}
