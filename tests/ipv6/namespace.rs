//! Network namespaces: what is in them, and resolvers beside those of the edge.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::world::{self, soon};

/// Two data centres of three addresses each: documentation addresses, far from any real host.
pub(super) const V6: [[Ipv6Addr; 3]; 2] = [[v6(0x11), v6(0x12), v6(0x13)], [v6(0x21), v6(0x22), v6(0x23)]];
pub(super) const V4: [[[u8; 4]; 3]; 2] = [
    [[198, 51, 100, 11], [198, 51, 100, 12], [198, 51, 100, 13]],
    [[198, 51, 100, 21], [198, 51, 100, 22], [198, 51, 100, 23]],
];

const fn v6(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

/// Runs a test of this binary inside a namespace without a network.
pub(super) async fn in_a_namespace(test: &str) {
    let inside = Command::new("unshare")
        .args(["--map-root-user", "--net", "--mount"])
        .arg(std::env::current_exe().expect("the path of this test"))
        .args(["--exact", test, "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let inside = inside.await.expect("`unshare` of util-linux runs");
    let out = String::from_utf8_lossy(&inside.stdout);
    let err = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
    for line in out.lines().filter(|line| line.starts_with("  ")) {
        println!("{line}");
    }
}

/// Sets the network of the namespace up.
pub(super) async fn ip(arguments: &str) {
    run("ip", arguments).await;
}

async fn run(program: &str, arguments: &str) {
    let status = Command::new(program).args(arguments.split(' ')).status().await;
    let status = status.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments}");
}

/// Gives the namespace the IPv4 addresses of the edge and no IPv6 at all.
pub(super) async fn ipv4_only() {
    ip("link set lo up").await;
    ip("-6 addr flush dev lo").await;
}

/// Gives the namespace the IPv6 addresses of the edge, and of IPv4 what every host has: itself.
pub(super) async fn ipv6_only() {
    ip("link set lo up").await;
    for address in V6.as_flattened() {
        ip(&format!("-6 addr add {address}/128 dev lo nodad")).await;
    }
}

/// Resolvers other than those of the edge. They end with it.
pub(super) struct Resolvers(JoinSet<()>, TempDir);

impl Resolvers {
    /// Makes the system ask one resolver: that at `answering`, or one that is not there.
    pub(super) async fn of_the_system(answering: Option<SocketAddr>) -> Self {
        let mut resolvers = Self(JoinSet::new(), tempfile::tempdir().expect("a temporary folder"));
        let file = resolvers.1.path().join("resolv.conf");
        std::fs::write(&file, "nameserver ::1\n").expect("the file is written");
        run("mount", &format!("--bind {} /etc/resolv.conf", file.display())).await;
        if let Some(answering) = answering {
            let front = UdpSocket::bind("[::1]:53")
                .await
                .expect("nobody else resolves here");
            resolvers.0.spawn(forward(front, answering));
        }
        resolvers
    }

    /// Opens the public resolver, which has its answers from `answering`, and returns what vouches
    /// for it.
    pub(super) async fn open_public(&mut self, answering: SocketAddr) -> PathBuf {
        ip("-6 addr add 2606:4700:4700::1111/128 dev lo nodad").await;
        let roots = self.1.path().join("roots.pem");
        let acceptor = world::acceptor("cloudflare-dns.com", &roots, &[]);
        let listener = TcpListener::bind("[2606:4700:4700::1111]:853").await;
        let listener = listener.expect("nobody else listens here");
        self.0.spawn(async move {
            let mut clients = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("a client");
                let acceptor = acceptor.clone();
                clients.spawn(async move {
                    let mut client = acceptor.accept(client).await.expect("a handshake");
                    let mut server = TcpStream::connect(answering).await.expect("it listens");
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        roots
    }
}

/// Passes questions on, one after another.
async fn forward(front: UdpSocket, answering: SocketAddr) {
    let mut message = [0; 4096];
    loop {
        let (length, client) = front.recv_from(&mut message).await.expect("a question");
        let back = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let asked = back.send_to(&message[..length], answering).await;
        asked.expect("it listens");
        let length = soon("an answer", back.recv(&mut message)).await;
        let length = length.expect("an answer");
        let told = front.send_to(&message[..length], client).await;
        told.expect("the way back");
    }
}
