//! PostgreSQL through `tcp://`: clients that know nothing of a tunnel do their work in it.

use std::path::Path;

use adit_loopback::Transport;
use tokio::process::Command;

use crate::bridge::Bridge;
use crate::peers::{self, Server};
use crate::registration::assert_clean;
use crate::world;

const PORT: u16 = 5432;
const HOSTNAME: &str = "db.example.com";
const CLIENTS: usize = 4;
const TRANSACTIONS: usize = 50;

#[tokio::test]
async fn pgbench_loses_no_transaction_over_either_transport() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let mut initdb = peers::unprivileged("initdb", folder);
    initdb.args("--pgdata=data --username=adit --auth=trust --no-sync --locale=C --encoding=UTF8".split(' '));
    peers::succeed(initdb).await;
    let address = peers::address(PORT);
    let mut postgres = peers::unprivileged("postgres", folder);
    let own = [
        format!("listen_addresses={}", address.ip()),
        format!("port={PORT}"),
    ];
    let fast = ["unix_socket_directories=", "fsync=off", "shared_buffers=16MB"];
    postgres.args(["-D", "data"]);
    for setting in own.iter().map(String::as_str).chain(fast) {
        postgres.args(["-c", setting]);
    }
    let mut server = Server::start(postgres);
    server.listening(address).await;
    server.err.with("ready to accept connections").await;

    for transport in [Transport::Quic, Transport::Http2] {
        let edge = world::edge().await;
        let rules = format!("ingress:\n- service: tcp://{address}\n");
        let connector = world::connector(&edge, &rules).over(transport).start();
        world::registered(&edge, &connector).await;
        let bridge = Bridge::to(&edge, HOSTNAME).await;
        work(folder, &bridge).await;
        assert_clean(&edge);
    }
    server.signal(rustix::process::Signal::INT);
    server.ended().await;
}

fn client(name: &str, folder: &Path, bridge: &Bridge) -> Command {
    let mut client = peers::command(name, folder);
    client.args(["--host=127.0.0.1", "--username=adit"]);
    client.arg(format!("--port={}", bridge.port()));
    client
}

async fn work(folder: &Path, bridge: &Bridge) {
    // Beside the work of one client at a time this copies a hundred thousand rows.
    let mut fill = client("pgbench", folder, bridge);
    fill.args(["--initialize", "--quiet", "postgres"]);
    peers::succeed(fill).await;
    let mut bench = client("pgbench", folder, bridge);
    bench
        .arg(format!("--client={CLIENTS}"))
        .arg(format!("--transactions={TRANSACTIONS}"));
    bench.args(["--no-vacuum", "postgres"]);
    let report = peers::succeed(bench).await;
    let all = CLIENTS * TRANSACTIONS;
    let processed = format!("number of transactions actually processed: {all}/{all}");
    assert!(report.contains(&processed), "{report}");
    assert!(report.contains("number of failed transactions: 0 "), "{report}");

    let mut ask = client("psql", folder, bridge);
    ask.args(["--no-psqlrc", "--tuples-only", "--no-align", "postgres"]);
    ask.arg("--command=select count(*) from pgbench_history; select sum(length(repeat('x', aid))) from pgbench_accounts where aid <= 2000");
    let told = peers::succeed(ask).await;
    assert_eq!(told, format!("{all}\n{}\n", 2000 * 2001 / 2));
}
