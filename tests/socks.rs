//! curl through SOCKS: the addresses that the rules allow are reached, others are not.

use std::net::SocketAddr;
use std::path::Path;

use adit_loopback::Transport;
use adit_loopback::origin::{self, Origin, Page, sha256};

use crate::bridge::Bridge;
use crate::peers::{self, Done};
use crate::registration::assert_clean;
use crate::world::{self, over_both_transports};

/// Ports of one server, of which the rules name the first.
const NAMED: u16 = 8080;
const UNNAMED: u16 = 8081;
const LENGTH: u64 = 2 * 1024 * 1024 + 3;
/// How curl ends when a proxy refuses.
const REFUSED: i32 = 97;
/// What it quotes of the answer: that rules forbid it, not that the network fails.
const NOT_ALLOWED: &str = "(2)";

over_both_transports!(curl_reaches_what_the_rules_allow);

async fn curl_reaches_what_the_rules_allow(transport: Transport) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let allowed = peers::address(NAMED);
    let other_port = SocketAddr::new(allowed.ip(), UNNAMED);
    let forbidden = peers::address(NAMED);
    let unlisted: SocketAddr = ([127, 0, 0, 1], 0).into();
    let allowed = serve(allowed).await;
    let denied = [
        serve(other_port).await,
        serve(forbidden).await,
        serve(unlisted).await,
    ];

    let edge = world::edge().await;
    let connector = world::connector(&edge, &rules(&allowed, forbidden))
        .over(transport)
        .start();
    world::registered(&edge, &connector).await;
    let bridge = Bridge::to(&edge, "socks.example.com").await;

    let done = curl(folder.path(), &bridge, allowed.address(), "file").await;
    assert!(done.status.success(), "{}", done.err);
    let mut sum = peers::command("sha256sum", folder.path());
    sum.arg("file");
    assert!(peers::succeed(sum).await.starts_with(&sha256(LENGTH)));
    for denied in denied {
        let done = curl(folder.path(), &bridge, denied.address(), "nothing").await;
        assert_eq!(done.status.code(), Some(REFUSED), "{}", done.err);
        assert!(done.err.contains(NOT_ALLOWED), "{}", done.err);
        assert_eq!(denied.seen(), [], "a request has passed");
    }
    assert_clean(&edge);
}

async fn serve(address: SocketAddr) -> Origin {
    let origin = origin::http().route("/file", Page::Bytes(LENGTH));
    origin.run_at(address).await.expect("an address of its own")
}

/// Allows one port of one server, forbids another server, and says nothing of any other.
fn rules(allowed: &Origin, forbidden: SocketAddr) -> String {
    format!(
        "ingress:\n- service: socks-proxy\n  originRequest:\n    ipRules:\n\
         \x20   - {{ prefix: {forbidden}/32, allow: false }}\n\
         \x20   - {{ prefix: {allowed}/32, ports: [{NAMED}], allow: true }}\n",
        forbidden = forbidden.ip(),
        allowed = allowed.address().ip(),
    )
}

async fn curl(folder: &Path, bridge: &Bridge, address: SocketAddr, output: &str) -> Done {
    let mut curl = peers::command("curl", folder);
    curl.args(["--silent", "--show-error", "--fail", "--output", output]);
    curl.arg("--socks5")
        .arg(bridge.address().to_string())
        .arg(format!("http://{address}/file"));
    peers::run(curl).await
}
