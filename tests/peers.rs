//! Programs that other people wrote and that the tests speak to: servers and clients, each as a
//! process of its own that ends with the test.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};

use crate::subject::Lines;
use crate::world::{soon, within};

/// Whom servers run as that refuse to run as root.
const NOBODY: u32 = 65534;
/// How long a client may take for its work.
pub(crate) const WORK: Duration = Duration::from_secs(180);

/// A server that runs until it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) err: Lines,
}

/// What a client that ended left behind.
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Finds a program where packages put servers and clients; a test cannot do without it.
pub(crate) fn find(name: &str) -> PathBuf {
    let mut folders: Vec<_> = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
        .map(PathBuf::from)
        .into();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    let mut places = folders.into_iter().map(|folder| folder.join(name));
    let found = places.find(|place| place.is_file());
    found.unwrap_or_else(|| missing(name))
}

/// Asserts that a file exists that a package brings.
pub(crate) fn need(file: &Path) {
    if !file.exists() {
        missing(&file.display().to_string());
    }
}

fn missing(name: &str) -> ! {
    panic!("{name} is not installed: run the tests with `tests/run`, which installs it");
}

/// Prepares a program that works in `folder`, with an environment of its own.
pub(crate) fn command(name: &str, folder: &Path) -> Command {
    prepared(Command::new(find(name)), folder)
}

/// As [`command`], for a server that refuses to run as root; then the folder is no longer root's.
pub(crate) fn unprivileged(name: &str, folder: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return command(name, folder);
    }
    std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).expect("root gives folders away");
    let mut command = command("setpriv", folder);
    let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    command.args(ids).arg("--clear-groups").arg(find(name));
    command
}

fn prepared(mut command: Command, folder: &Path) -> Command {
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a client to its end.
pub(crate) async fn run(mut command: Command) -> Done {
    let name = format!("{:?}", command.as_std().get_program());
    let output = within(WORK, &name, command.output()).await;
    let output = output.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    Done {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a client to its end, which must be a good one, and returns what it wrote.
pub(crate) async fn succeed(command: Command) -> String {
    let done = run(command).await;
    assert!(done.status.success(), "{}: {}{}", done.status, done.out, done.err);
    done.out
}

impl Server {
    /// Starts a server.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::null());
        let name = format!("{:?}", command.as_std().get_program());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let err = Lines::of(child.stderr.take().expect("standard error is piped"));
        Self { child, err }
    }

    /// Waits until it accepts connections at an address.
    pub(crate) async fn listening(&mut self, address: SocketAddr) {
        self.answering(&address.to_string(), async || {
            TcpStream::connect(address).await.is_ok()
        })
        .await;
    }

    /// Waits until it accepts connections at a socket in the file system.
    pub(crate) async fn listening_at(&mut self, path: &Path) {
        let name = path.display().to_string();
        self.answering(&name, async || UnixStream::connect(path).await.is_ok())
            .await;
    }

    async fn answering(&mut self, place: &str, answers: impl AsyncFn() -> bool) {
        let listening = async {
            let mut looks = tokio::time::interval(Duration::from_millis(10));
            while !answers().await {
                if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                    panic!("the server for {place} ended, {status}:\n{}", self.err.all());
                }
                looks.tick().await;
            }
        };
        soon(&format!("a server listens at {place}"), listening).await;
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw).expect("it runs");
        rustix::process::kill_process(pid, signal).expect("it takes signals");
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) {
        let ended = soon("the server ends", self.child.wait()).await;
        ended.expect("it can be waited for");
    }
}

/// Returns an address of this machine that nobody else uses: each server has one to itself, so that
/// it can be told a port in a file before it runs.
pub(crate) fn address(port: u16) -> SocketAddr {
    let chance = RandomState::new().build_hasher().finish().to_be_bytes();
    let ip = Ipv4Addr::new(127, 128 | chance[0], chance[1], 1 + chance[2] % 254);
    SocketAddr::V4(SocketAddrV4::new(ip, port))
}

/// An authority that signs certificates for origins.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Makes one.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Writes its certificate into a file.
    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).expect("the certificate is written");
    }

    /// Writes a certificate for a name, and its key, into two files of the folder named after it.
    pub(crate) fn certify(&self, folder: &Path, name: &str) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        write_pair(folder, name, &certificate.pem(), &key);
    }
}

/// Writes a certificate that nobody signed but itself.
pub(crate) fn self_signed(folder: &Path, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    write_pair(folder, name, &certificate.pem(), &key);
}

fn write_pair(folder: &Path, name: &str, certificate: &str, key: &KeyPair) {
    write(folder, &format!("{name}.pem"), certificate);
    write(folder, &format!("{name}.key"), &key.serialize_pem());
}

/// Writes a text into a file of the folder.
pub(crate) fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file is written");
}
