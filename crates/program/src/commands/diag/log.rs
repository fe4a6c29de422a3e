//! The log of a running connector, wherever it goes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cli::Options;
use adit_dialect::errno;

/// Lines of a container's log that are taken.
const LINES: &str = "10000";

/// The unit that a service of this machine has.
const UNIT: &str = "/etc/systemd/system/cloudflared.service";

/// Where a service without a journal writes.
const SERVICE_LOG: &str = "/var/log/cloudflared.err";

/// Collects the log of the instance with these settings.
///
/// # Errors
///
/// Fails when there is none, and says where it was looked for.
pub(super) fn collect(options: &Options, settings: &Value) -> Result<Vec<u8>, String> {
    let pod = options.text("diag-pod-id");
    let container = options.text("diag-container-id");
    if !pod.is_empty() {
        let mut arguments = vec!["logs", &pod, "--since", "336h", "--tail", LINES];
        if !container.is_empty() {
            arguments.extend(["-c", &container]);
        }
        return run("kubectl", &arguments);
    }
    if !container.is_empty() {
        return run(
            "docker",
            &["logs", "--tail", LINES, "--since", "336h", &container],
        );
    }
    let setting = |name: &str| settings[name].as_str().filter(|text| !text.is_empty());
    if let Some(file) = setting("logfile") {
        return read(Path::new(file));
    }
    if let Some(directory) = setting("log-directory") {
        return read_all(Path::new(directory));
    }
    if setting("uid") != Some("0") {
        return Err("the instance writes no log file; --diag-container-id names its container".into());
    }
    if Path::new(UNIT).exists() {
        return run(
            "journalctl",
            &["--since", "2 weeks ago", "-u", "cloudflared.service"],
        );
    }
    read(Path::new(SERVICE_LOG))
}

fn run(program: &str, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("cannot run {program}: {}", errno::text(&error)))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("{program} failed: {reason}"));
    }
    Ok([output.stdout, output.stderr].concat())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("open {}: {}", path.display(), errno::text(&error)))
}

/// Joins the files of a log directory, the oldest first.
fn read_all(directory: &Path) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| format!("open {}: {}", directory.display(), errno::text(&error));
    let entries = fs::read_dir(directory).map_err(told)?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // Old files have their time in the name; the current one, without, sorts behind them.
    paths.sort();
    let mut text = Vec::new();
    for path in paths {
        text.extend(read(&path)?);
    }
    Ok(text)
}
