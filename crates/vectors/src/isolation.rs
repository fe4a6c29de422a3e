//! A network and a file system of its own for each case, where the kernel gives them.
//!
//! The test starts itself again inside the namespaces, told by the environment which case to run;
//! the verdict comes back in a file. The program that tests has an ignored test `isolated_case`, which
//! judges [`case`] and [`tell`]s.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Verdict;

/// Names the folder with the case to run.
const CASE: &str = "ADIT_RECORDED_CASE";

/// Makes the network and the file system; the folder is `$1`, what runs inside follows.
const PREPARE: &str = r#"
set -e
ip link set lo up
scratch="$1/scratch"; shift
mkdir -p "$scratch"
mount -t tmpfs tmpfs "$scratch"
for place in etc usr var; do
    mkdir -p "$scratch/$place/upper" "$scratch/$place/work"
    mount -t overlay overlay \
        -o "lowerdir=/$place,upperdir=$scratch/$place/upper,workdir=$scratch/$place/work" "/$place"
done
mount -t tmpfs tmpfs /run
rm -rf /etc/cloudflared /usr/local/etc/cloudflared
mkdir -p /usr/local/etc
echo 'nameserver 127.0.0.1' >/etc/resolv.conf
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts
exec "$@"
"#;

/// Returns whether this machine lets a test have namespaces.
///
/// # Panics
///
/// Panics without a folder for what is temporary.
#[must_use]
pub fn is_possible() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let prepared = isolated(folder.path()).arg("true").stderr(Stdio::null()).status();
    prepared.is_ok_and(|status| status.success())
}

/// Runs a case in namespaces of its own and returns the verdict.
///
/// # Panics
///
/// Panics when this program cannot start itself again.
#[must_use]
pub fn verdict(case: &Value) -> Verdict {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("case"), case.to_string()).unwrap();
    let ran = isolated(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "isolated_case", "--ignored", "--nocapture"])
        .env(CASE, folder.path())
        .output()
        .unwrap();
    let Ok(told) = fs::read(folder.path().join("verdict")) else {
        let output = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        return Verdict::Wrong(format!("no verdict: {output}"));
    };
    let told: Value = serde_json::from_slice(&told).unwrap();
    let text = told["text"].as_str().unwrap_or_default().to_owned();
    match told["kind"].as_str() {
        Some("same") => Verdict::Same,
        Some("differs") => Verdict::Differs(text.leak()),
        _ => Verdict::Wrong(text),
    }
}

/// Returns the case that this process is to run.
///
/// # Panics
///
/// Panics when the other process has not left it.
#[must_use]
pub fn case() -> Option<Value> {
    let text = fs::read(folder()?.join("case")).unwrap();
    Some(serde_json::from_slice(&text).unwrap())
}

/// Leaves the verdict where the other process finds it.
///
/// # Panics
///
/// Panics when no other process waits for it.
pub fn tell(verdict: &Verdict) {
    let (kind, text) = match verdict {
        Verdict::Same => ("same", ""),
        Verdict::Differs(rule) => ("differs", *rule),
        Verdict::Wrong(reason) => ("wrong", reason.as_str()),
    };
    let told = json!({ "kind": kind, "text": text });
    fs::write(folder().unwrap().join("verdict"), told.to_string()).unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other process says so in the environment"
)]
fn folder() -> Option<PathBuf> {
    std::env::var_os(CASE).map(PathBuf::from)
}

fn isolated(folder: &Path) -> Command {
    // Whoever runs the tests in the background has SIGINT ignored, and all that they start with it.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", "unshare", "-m", "-n"]);
    command.args(["sh", "-c", PREPARE, "sh"]).arg(folder);
    command.stdin(Stdio::null());
    command
}
