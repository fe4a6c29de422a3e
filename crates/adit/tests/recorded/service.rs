//! Where `service` does something else on purpose.

use serde_json::{Value, json};

use crate::world::{fill, texts};

const UNIT: &str = "/etc/systemd/system/cloudflared.service";
const TOKEN: &str = "/etc/cloudflared/token";
const HARDENING: &str = include_str!("../../../program/src/service/hardening.conf");

/// The program never replaces itself, so nothing does that daily.
pub(crate) fn no_update_units(case: &Value, expect: &mut Value) -> bool {
    const UNITS: [&str; 2] = [
        "/etc/systemd/system/cloudflared-update.service",
        "/etc/systemd/system/cloudflared-update.timer",
    ];
    if !installs(case) || UNITS.iter().all(|unit| expect["fs"][unit].is_null()) {
        return false;
    }
    for unit in UNITS {
        expect["fs"][unit] = Value::Null;
    }
    let calls = expect["fs"]["<STUBLOG>"]["text"].as_str().unwrap_or_default();
    let calls = calls.replace("systemctl start cloudflared-update.timer\n", "");
    if !calls.is_empty() {
        expect["fs"]["<STUBLOG>"]["text"] = calls.into();
    }
    true
}

/// systemd runs the service under a user of its own and hands it its secrets.
pub(crate) fn a_user_of_its_own(case: &Value, expect: &mut Value) -> bool {
    if !installs(case) || expect["fs"].get(UNIT).is_none() {
        return false;
    }
    let Some(entries) = expect["fs"][UNIT]["ini"].as_array_mut() else {
        return false;
    };
    let mut lines = Vec::new();
    for entry in entries.iter_mut().filter(|entry| entry[1] == "ExecStart") {
        let command = entry[2].as_str().unwrap_or_default();
        let by_token = command.contains("--token-file");
        entry[2] = if by_token {
            lines.push(json!([
                "Service",
                "LoadCredential",
                "token:/etc/cloudflared/token"
            ]));
            command.replace(TOKEN, "${CREDENTIALS_DIRECTORY}/token").into()
        } else {
            lines.push(json!(["Service", "LoadCredential", "credentials.json:<...>"]));
            format!("{command} --credentials-file ${{CREDENTIALS_DIRECTORY}}/credentials.json").into()
        };
    }
    let hardening = HARDENING.lines().filter_map(|line| line.split_once('='));
    lines.extend(hardening.map(|(key, value)| json!(["Service", key, value])));
    let program = fill("<BIN>");
    let hidden = ["/home/", "/root/", "/tmp/", "/var/tmp/"];
    if hidden.iter().any(|place| program.starts_with(place)) {
        lines.push(json!(["Service", "BindReadOnlyPaths", "<BIN>"]));
    }
    let install = entries.iter().position(|entry| entry[0] == "Install");
    let install = install.unwrap_or(entries.len());
    entries.splice(install..install, lines);
    true
}

/// An installation that fails leaves what was there before, and nothing else.
pub(crate) fn a_failure_is_undone(case: &Value, expect: &mut Value) -> bool {
    if !installs(case) || expect["exit_code"] != 1 || !expect["fs"].is_object() {
        return false;
    }
    let before = case["setup"]["files"].clone();
    let Some(files) = expect["fs"].as_object_mut() else {
        return false;
    };
    for (path, found) in files.iter_mut() {
        let is_file = found.is_null() || found.get("mode").is_some();
        if path != "<STUBLOG>" && is_file && before.get(path).is_none() {
            *found = Value::Null;
        }
    }
    let kept = before
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(path, text)| {
            let name = path.strip_prefix("/etc/cloudflared/")?;
            Some((name.to_owned(), path.clone(), text.clone()))
        });
    let mut names = Vec::new();
    for (name, path, text) in kept {
        names.push(name);
        files.insert(path, json!({ "text": text }));
    }
    files.insert("/etc/cloudflared".into(), json!({ "dir": names }));
    true
}

fn installs(case: &Value) -> bool {
    let words = texts(&case["argv"]);
    words.windows(2).any(|pair| pair == ["service", "install"])
}
