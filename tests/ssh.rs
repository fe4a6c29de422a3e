//! SSH through `ssh://`: the client of OpenSSH speaks to its server, neither knows of a tunnel.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use adit_loopback::Transport;
use adit_loopback::origin::pattern;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::bridge::Bridge;
use crate::peers::{self, Server};
use crate::registration::assert_clean;
use crate::subject::Lines;
use crate::world::{self, over_both_transports, soon};

const HOSTNAME: &str = "ssh.example.com";
/// A port that is not SSH's own, so that the rule has to name it.
const PORT: u16 = 2222;
/// What `scp` copies.
const LENGTH: u64 = 100 * 1024 * 1024;

over_both_transports!(a_shell_converses_and_a_large_file_is_copied_both_ways);

async fn a_shell_converses_and_a_large_file_is_copied_both_ways(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    // Before there is an edge: it takes long, and an edge that is kept waiting times out.
    std::fs::write(folder.join("original"), pattern(0, LENGTH)).expect("a large file is written");
    let (address, _sshd) = sshd(folder).await;
    let edge = world::edge().await;
    let rules =
        format!("ingress:\n- hostname: {HOSTNAME}\n  service: ssh://{address}\n- service: http_status:404\n");
    let connector = world::connector(&edge, &rules).over(transport).start();
    world::registered(&edge, &connector).await;
    let bridge = Bridge::to(&edge, HOSTNAME).await;

    converse(folder, &bridge).await;
    copy(folder, &bridge).await;
    assert_clean(&edge);
}

/// Starts a server with a key of its own that lets in a user with another.
async fn sshd(folder: &Path) -> (SocketAddr, Server) {
    let address = peers::address(PORT);
    for name in ["host", "user"] {
        let mut keygen = peers::command("ssh-keygen", folder);
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", name]);
        peers::succeed(keygen).await;
    }
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("ssh-keygen has written it");
    peers::write(folder, "known", &format!("{HOSTNAME} {}", read("host.pub")));
    peers::write(folder, "authorized", &read("user.pub"));
    let config = format!(
        "ListenAddress {address}\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\nPidFile none\n\
         UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
         PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n",
        here = folder.display(),
    );
    peers::write(folder, "sshd_config", &config);
    if rustix::process::geteuid().is_root() {
        std::fs::create_dir_all("/run/sshd").expect("where sshd locks its children in");
    }
    let mut sshd = peers::command("sshd", folder);
    sshd.args(["-D", "-e", "-f", "sshd_config"]);
    let mut server = Server::start(sshd);
    server.listening(address).await;
    (address, server)
}

/// Prepares a client that goes through the bridge and trusts nothing but the server's key.
fn client(name: &str, folder: &Path, bridge: &Bridge) -> Command {
    let mut client = peers::command(name, folder);
    let port = format!("Port={}", bridge.port());
    let alias = format!("HostKeyAlias={HOSTNAME}");
    let options = [
        "UserKnownHostsFile=known",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        &port,
        &alias,
    ];
    client.args(["-F", "none", "-i", "user"]);
    for option in options {
        client.args(["-o", option]);
    }
    client
}

/// Returns who runs this test, as part of an address.
async fn login(folder: &Path) -> String {
    let mut id = peers::command("id", folder);
    id.arg("-un");
    let name = peers::succeed(id).await;
    format!("{}@127.0.0.1", name.trim())
}

/// Runs a shell on a terminal: each line is written when the one before it has been answered.
async fn converse(folder: &Path, bridge: &Bridge) {
    let mut ssh = client("ssh", folder, bridge);
    ssh.arg("-tt").arg(login(folder).await).arg("exec /bin/sh");
    let mut ssh = ssh.stdin(Stdio::piped()).spawn().expect("ssh starts");
    let mut input = ssh.stdin.take().expect("standard input is piped");
    let out = Lines::of(ssh.stdout.take().expect("standard output is piped"));
    let err = Lines::of(ssh.stderr.take().expect("standard error is piped"));
    let lines = [
        ("echo sum-$((20 + 22))\n", "sum-42"),
        ("test -t 0 && echo on-a-$(echo terminal)\n", "on-a-terminal"),
        ("read word; echo \"heard-$word\"\nword\n", "heard-word"),
    ];
    for (line, answer) in lines {
        input.write_all(line.as_bytes()).await.expect("ssh reads");
        out.with(answer).await;
    }
    input.write_all(b"exit 7\n").await.expect("ssh reads");
    let status = soon("the shell ends", ssh.wait())
        .await
        .expect("ssh can be waited for");
    assert_eq!(status.code(), Some(7), "{}\n{}", out.all(), err.all());
}

async fn copy(folder: &Path, bridge: &Bridge) {
    let remote = |name: &str, login: &str| format!("{login}:{}/{name}", folder.display());
    let login = login(folder).await;
    let mut up = client("scp", folder, bridge);
    up.arg("original").arg(remote("above", &login));
    peers::succeed(up).await;
    let mut down = client("scp", folder, bridge);
    down.arg(remote("above", &login)).arg("below");
    peers::succeed(down).await;

    let mut sums = peers::command("sha256sum", folder);
    sums.args(["original", "above", "below"]);
    let sums = peers::succeed(sums).await;
    let sums: Vec<_> = sums.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(sums, [sums[0]; 3]);
}
