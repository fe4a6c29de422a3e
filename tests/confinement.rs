//! The units that people wrote for upstream start this program, however little they let it do.
//!
//! No service manager runs where tests run; what its settings ask the kernel for is asked for by
//! hand: mounts, limits, a user, no capabilities, and a filter of system calls that ends the process
//! at the first call off the list.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use tokio::net::UnixDatagram;
use tokio::process::Command;

use crate::filter::{self, Families};
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, soon, visit};

const RULES: &str =
    r#""ingress":[{"hostname":"app.example.com","service":"http_status:204"},{"service":"http_status:404"}]"#;

/// A user that nobody else is, as systemd makes them.
fn stranger() -> u32 {
    61_184 + std::process::id() % 4_000
}

/// What a unit says, as far as it matters here.
struct Unit {
    /// The words behind the program.
    words: Vec<OsString>,
    /// Variables that it sets.
    environment: Vec<(&'static str, OsString)>,
    /// What `RestrictAddressFamilies`, `SystemCallFilter` and `MemoryDenyWriteExecute` leave, if the
    /// unit has them.
    families: Option<Families>,
    /// Whether it has a home.
    home: bool,
    /// What a visitor hears: a status of the rules, or that there are none.
    answer: u16,
}

/// The folder of a unit: what the service reads, readable by the one who shall read it.
struct Place(tempfile::TempDir);

impl Place {
    fn new(edge: &Edge) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder"));
        set_mode(place.path(), 0o755);
        place.put("authority.pem", edge.authority().pem(), 0o444);
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file there that belongs to root and to the group of the stranger.
    fn put(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        chown(&path, Some(0), Some(stranger())).expect("root gives files away");
        set_mode(&path, mode);
        path
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

#[tokio::test]
async fn the_unit_of_nixos_starts_it() {
    if !is_possible().await {
        return;
    }
    let edge = world::edge().await;
    let place = Place::new(&edge);
    let credentials = edge.credentials();
    let file = place.put("credentials.json", &credentials.json(), 0o440);
    let configuration = format!(
        r#"{{"credentials-file":{file:?},{RULES},"tunnel":"{}","warp-routing":{{"enabled":true}}}}"#,
        credentials.tunnel_id
    );
    let configuration = place.put("store-path-cloudflared.yml", &configuration, 0o444);
    let unit = Unit {
        words: vec![
            "tunnel".into(),
            format!("--config={}", configuration.display()).into(),
            "--no-autoupdate".into(),
            "run".into(),
        ],
        environment: vec![
            ("TUNNEL_EDGE_IP_VERSION", "4".into()),
            ("TUNNEL_TRANSPORT_PROTOCOL", "auto".into()),
        ],
        families: None,
        home: false,
        answer: 204,
    };
    serves(&edge, place, unit).await;
}

#[tokio::test]
async fn the_unit_that_knows_only_the_internet_starts_it() {
    if !is_possible().await || !filter::is_possible() {
        return;
    }
    let edge = world::edge().await;
    let place = Place::new(&edge);
    let token = place.put("token", &format!("{}\n", edge.credentials().token()), 0o440);
    let configuration = place.put("config.yml", &format!("{{{RULES}}}"), 0o444);
    let unit = Unit {
        words: vec![
            "tunnel".into(),
            "--no-autoupdate".into(),
            "--config".into(),
            configuration.into(),
            "run".into(),
            "--token-file".into(),
            token.into(),
        ],
        // Nobody can be told here, which is no reason not to run.
        environment: vec![("NOTIFY_SOCKET", "/run/systemd/notify".into())],
        families: Some(Families::Internet),
        home: true,
        answer: 204,
    };
    serves(&edge, place, unit).await;
}

#[tokio::test]
async fn the_unit_that_this_program_installs_starts_it_and_hears_that_it_is_ready() {
    if !is_possible().await || !filter::is_possible() {
        return;
    }
    let edge = world::edge().await;
    let place = Place::new(&edge);
    place.put("token", edge.credentials().token().as_str(), 0o440);
    let socket = place.path().join("notify");
    let ready = UnixDatagram::bind(&socket).expect("a socket");
    set_mode(&socket, 0o777);
    let unit = Unit {
        words: installed(place.path()),
        environment: vec![("NOTIFY_SOCKET", socket.into())],
        families: Some(Families::InternetAndUnix),
        home: false,
        answer: 503,
    };
    let told = async {
        let mut text = [0; 256];
        let length = soon("READY arrives", ready.recv(&mut text))
            .await
            .expect("a message");
        assert!(text[..length].starts_with(b"READY=1"), "{:?}", &text[..length]);
    };
    tokio::join!(serves(&edge, place, unit), told);
}

/// Returns the words of the installed unit, with the folder of its credentials.
fn installed(credentials: &Path) -> Vec<OsString> {
    let unit = include_str!("../packaging/systemd/cloudflared.service");
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let words = line.expect("it starts something").split(' ').skip(1);
    let folder = credentials.display().to_string();
    words
        .map(|word| word.replace("${CREDENTIALS_DIRECTORY}", &folder).into())
        .collect()
}

/// Starts the unit and shows that the tunnel serves, then that it stops as it should.
async fn serves(edge: &Edge, place: Place, unit: Unit) {
    let (expected, filtered) = (unit.answer, unit.families.is_some());
    let mut subject = start(edge, place, unit);
    world::registered(edge, &subject).await;
    let answer = visit(edge, Request::get("https://app.example.com/")).await;
    assert_eq!(answer.status(), expected, "{}", subject.err.all());
    assert_powerless(subject.pid(), filtered);
    subject.terminate();
    assert_eq!(subject.ended().await.code(), Some(0), "{}", subject.err.all());
    assert_clean(edge);
}

/// Checks with the kernel that the process can do no more than its unit says.
fn assert_powerless(pid: u32, filtered: bool) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default().to_owned()
    };
    let user = stranger();
    assert_eq!(line("Uid:"), format!("Uid:\t{user}\t{user}\t{user}\t{user}"));
    for set in ["CapEff:", "CapPrm:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), format!("{set}\t{:016x}", 0));
    }
    assert_eq!(line("NoNewPrivs:"), "NoNewPrivs:\t1");
    if filtered {
        assert_eq!(line("Seccomp:"), "Seccomp:\t2");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("the process runs");
    let processes = limits.lines().find(|line| line.starts_with("Max processes"));
    assert!(processes.is_some_and(|line| line.contains(" 512 ")), "{limits}");
}

/// Makes the mounts of a confined service; what runs there follows.
const MOUNTS: &str = r#"
set -e
folder=$1; program=$2; shift 2
mount --make-rprivate /
: >"$folder/adit"
mount --bind "$program" "$folder/adit"
mkdir "$folder/dev"
mount -t tmpfs -o mode=755 tmpfs "$folder/dev"
for device in null zero full random urandom; do
    : >"$folder/dev/$device"
    mount --bind "/dev/$device" "$folder/dev/$device"
done
mount --move "$folder/dev" /dev
mount -o remount,bind,ro /
exec "$@"
"#;

/// Puts a filter in force, which only Perl does without a compiler.
const FILTERED: &str = r#"
open(my $file, "<:raw", shift) or die "filter: $!";
local $/; my $rules = <$file>;
my $program = pack("S x6 P", length($rules) / 8, $rules);
syscall(157, 38, 1, 0, 0, 0) == 0 or die "no new privileges: $!";
syscall(157, 22, 2, $program) == 0 or die "seccomp: $!";
exec { $ARGV[0] } @ARGV;
"#;

fn start(edge: &Edge, place: Place, unit: Unit) -> Subject {
    let folder = place.path();
    let addresses: Vec<String> = edge.addresses().iter().map(ToString::to_string).collect();
    let mut command = confined(folder);
    if let Some(families) = unit.families {
        let rules = folder.join("filter");
        std::fs::write(&rules, filter::rules(families)).expect("the filter is written");
        command.args(["perl", "-e", FILTERED]).arg(rules);
    }
    command
        .arg(folder.join("adit"))
        .args(unit.words)
        .env("TUNNEL_EDGE", addresses.join(","))
        .env("TUNNEL_CACERT", folder.join("authority.pem"))
        .env("TUNNEL_METRICS", "127.0.0.1:0")
        .env("TUNNEL_NO_PRECHECKS", "true")
        .env("ADIT_RESOLVER", edge.dns().address().to_string())
        .envs(unit.environment);
    if !unit.home {
        command.env_remove("HOME");
    }
    Subject::spawn(place.0, command)
}

/// Prepares a command that runs what is appended to it with as little as a unit leaves.
fn confined(folder: &Path) -> Command {
    let user = stranger();
    let mut command = subject::command(folder);
    let program = command.as_std().get_program().to_owned();
    command = same_but("unshare", &command);
    command
        .args(["-m", "sh", "-c", MOUNTS, "sh"])
        .args([folder.as_os_str(), &program])
        .args(["prlimit", "--nproc=512", "setpriv"])
        .args([format!("--reuid={user}"), format!("--regid={user}")])
        .args(["--clear-groups", "--no-new-privs"])
        .args(["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]);
    command
}

/// Returns a command like `given` for another program.
fn same_but(program: &str, given: &Command) -> Command {
    let given = given.as_std();
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(folder) = given.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// Returns whether this machine lets a test confine a process, and says so if not.
async fn is_possible() -> bool {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tried = confined(folder.path()).arg("true").output().await;
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            println!("confinement: skipped, this machine confines nothing: {said}");
            false
        }
        Err(error) => {
            println!("confinement: skipped, unshare is missing: {error}");
            false
        }
    }
}
