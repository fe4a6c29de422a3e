//! Runs the program as a case asks for, and notes what it did.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use adit_vectors::service::Seen;
use serde_json::{Value, json};

use crate::servers;

/// What a process did.
#[derive(Debug)]
pub(crate) struct Observed {
    /// `exit`, `serves` or `runs_no_handler`, as the records call it.
    pub(crate) outcome: &'static str,
    pub(crate) exit_code: Option<i32>,
    pub(crate) exit_signal: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
    /// The files that the record speaks of.
    pub(crate) files: Value,
    /// The requests that reached the API.
    pub(crate) requests: Vec<Seen>,
}

/// The folders of a case.
pub(crate) struct Places {
    root: PathBuf,
}

/// After this time the recording was ended by a signal.
const SERVING: Duration = Duration::from_millis(1600);

/// How long a busy machine may take for what was recorded.
const LATEST: Duration = Duration::from_secs(10);

/// A program that is seen to wait so often, one turn after another, has nothing more to do.
const LOOKS: u32 = 3;
const TURN: Duration = Duration::from_millis(10);

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory that only this process tree sees.
const ROOT: &str = "/run/recorded";

impl Places {
    fn new() -> Self {
        let root = PathBuf::from(ROOT);
        for name in ["home", "cwd", "dir", "bin", "stubs"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_adit"), root.join("bin/cloudflared")).unwrap();
        Self { root }
    }

    /// Puts the folders of this case into a text of the records.
    pub(crate) fn fill(&self, text: &str) -> String {
        let root = self.root.display();
        text.replace("<HOME>", &format!("{root}/home"))
            .replace("<CWD>", &format!("{root}/cwd"))
            .replace("<DIR>", &format!("{root}/dir"))
            .replace("<STUBLOG>", &format!("{root}/stublog"))
            .replace("<STUBS>", &format!("{root}/stubs"))
            .replace("<BIN>", env!("CARGO_BIN_EXE_adit"))
    }
}

/// Fills the folders of a case into a text, as they are named inside its namespaces.
pub(crate) fn fill(text: &str) -> String {
    let places = Places { root: ROOT.into() };
    places.fill(text)
}

/// Runs the program as the case asks for.
pub(crate) fn run(case: &Value) -> Observed {
    let places = Places::new();
    let setup = &case["setup"];
    write_files(&places, &setup["files"]);
    write_stubs(&places);
    servers::names();
    let service = servers::api(case["http"].as_array().map_or(&[], Vec::as_slice));
    let occupied: Vec<String> = texts(&setup["occupied_tcp"]);
    let held = servers::occupy(&occupied);

    let mut command = Command::new(places.root.join("bin/cloudflared"));
    command
        .args(texts(&case["argv"]).iter().map(|word| places.fill(word)))
        .current_dir(places.root.join("cwd"))
        .env_clear()
        .env("HOME", places.fill("<HOME>"))
        .env("PATH", format!("{}:/usr/bin:/bin", places.fill("<STUBS>")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, value) in setup["env"].as_object().into_iter().flatten() {
        command.env(name, places.fill(value.as_str().unwrap_or_default()));
    }
    for name in texts(&setup["unset"]) {
        command.env_remove(name);
    }
    let mut child = command.spawn().expect("the program starts");
    let out = reader(child.stdout.take().expect("it is a pipe"));
    let err = reader(child.stderr.take().expect("it is a pipe"));
    let serves = end_in_time(&mut child, &case["expect"]["outcome"] == "runs_no_handler");
    let status = wait(&mut child, PATIENCE).expect("the program ends");
    drop(held);
    let outcome = match (serves, status.signal()) {
        (false, _) => "exit",
        (true, None) => "serves",
        (true, Some(_)) => "runs_no_handler",
    };
    Observed {
        outcome,
        exit_code: status.code(),
        exit_signal: status.signal(),
        stdout: lines(&out.join().unwrap()),
        stderr: lines(&err.join().unwrap()),
        files: read_files(&places, &case["expect"]["fs"]),
        requests: service.seen(),
    }
}

/// Lets the program run as long as the recording did, and on until it listens to signals, if that is
/// recorded, and only waits; then asks it to end. Returns whether it was still running.
fn end_in_time(child: &mut Child, is_deaf: bool) -> bool {
    if wait(child, SERVING).is_some() {
        return false;
    }
    let latest = Instant::now() + LATEST;
    let mut looks = 0;
    while Instant::now() < latest && looks < LOOKS {
        let is_done = waits(child.id()) && (is_deaf || catches_term(child.id()));
        looks = if is_done { looks + 1 } else { 0 };
        if wait(child, TURN).is_some() {
            return false;
        }
    }
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok()
}

/// Returns whether every thread of a process waits for something other than the processor.
fn waits(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        state.is_some_and(|state| state.trim().starts_with('S'))
    })
}

/// Returns whether a process has a say when it is asked to end.
fn catches_term(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let term = rustix::process::Signal::TERM.as_raw().cast_unsigned() - 1;
    caught.unwrap_or_default() >> term & 1 == 1
}

fn wait(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::to_owned).collect()
}

fn write_files(places: &Places, files: &Value) {
    for (path, content) in files.as_object().into_iter().flatten() {
        let path = PathBuf::from(places.fill(path));
        let Some(content) = content.as_str() else {
            fs::create_dir_all(&path).unwrap();
            continue;
        };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, places.fill(content)).unwrap();
        if path.ends_with("openrc-run") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

/// Writes the commands of service managers, which note how they were called.
fn write_stubs(places: &Places) {
    let script = "#!/bin/sh\necho \"${0##*/} $*\" >>\"$STUBLOG\"\n\
                  if [ -n \"$STUB_FAIL\" ]; then echo 'stub failure' >&2; exit 5; fi\n";
    for name in ["systemctl", "service", "rc-service", "rc-update"] {
        let path = places.root.join("stubs").join(name);
        fs::write(&path, script.replace("$STUBLOG", &places.fill("<STUBLOG>"))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Reads the files that the record speaks of, in the form that it speaks of them.
fn read_files(places: &Places, expected: &Value) -> Value {
    let mut found = serde_json::Map::new();
    for (name, wanted) in expected.as_object().into_iter().flatten() {
        found.insert(name.clone(), read_file(Path::new(&places.fill(name)), wanted));
    }
    found.into()
}

fn read_file(path: &Path, wanted: &Value) -> Value {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return Value::Null;
    };
    if metadata.is_dir() {
        let entries = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        return json!({ "dir": names });
    }
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let mode = format!("{:#o}", metadata.mode() & 0o777);
    let mut file = json!({ "mode": mode });
    for key in wanted.as_object().into_iter().flat_map(|wanted| wanted.keys()) {
        file[key] = match key.as_str() {
            "mode" => continue,
            "text" => text.clone().into(),
            "first_line" => text.lines().next().into(),
            "lines" => wanted[key].clone(),
            "ini" => ini(&text),
            "interpreter" => text.lines().next().into(),
            "assignments" => assignments(&wanted[key], &text),
            _ => Value::Null,
        };
    }
    file
}

fn ini(text: &str) -> Value {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            entries.push(json!([section, key.trim(), value.trim()]));
        }
    }
    entries.into()
}

/// Returns those of the wanted assignments that a script makes, quotes apart.
fn assignments(wanted: &Value, text: &str) -> Value {
    let plain = |line: &str| line.trim().replace(['"', '\''], "");
    let lines: Vec<String> = text.lines().map(plain).collect();
    let wanted = texts(wanted).into_iter().map(|wanted| fill(&wanted));
    wanted.filter(|wanted| lines.contains(&plain(wanted))).collect()
}

/// Returns the texts of a list; none if it is missing.
pub(crate) fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
