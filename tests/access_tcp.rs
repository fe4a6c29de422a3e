//! `access tcp` from end to end: what a user says goes into a WebSocket, through TLS to the front of
//! the edge, through the tunnel and out of its connector to a TCP origin, and back.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use adit_loopback::Transport;
use adit_loopback::edge::Edge;
use adit_loopback::origin::pattern;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::peers::{self, Server};
use crate::registration::assert_clean;
use crate::subject::{self, Subject};
use crate::world::{self, over_both_transports, soon};

/// What resolves to this machine without anybody's help.
const HOSTNAME: &str = "tcp.example.com.localhost";
/// What the front of the edge can prove to be.
const CERTIFIED: &str = "*.example.com.localhost";
/// Where the rule of the origin is.
const PUBLIC: &str = "tcp.example.com";
/// What is carried each way, in more than one message.
const LENGTH: u64 = 300 * 1024 + 17;
const PORT: u16 = 7000;
const AT_ONCE: u64 = 5;

over_both_transports!(
    standard_input_reaches_the_origin_and_its_answer_standard_output,
    every_connection_to_the_listener_has_a_stream_of_its_own,
    forwarders_of_a_file_carry_and_follow_the_file,
);

/// A tunnel to a TCP origin, and the front of its edge behind TLS.
struct World {
    edge: Edge,
    _connector: Subject,
    origin: TcpListener,
    /// Where TLS is spoken.
    front: SocketAddr,
    _fronts: JoinSet<()>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(transport: Transport) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let origin = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = origin.local_addr().expect("a bound socket has an address");
        let edge = world::edge().await;
        let rules = format!(
            "ingress:\n- hostname: {PUBLIC}\n  service: tcp://{address}\n- service: http_status:404\n"
        );
        let connector = world::connector(&edge, &rules).over(transport).start();
        world::registered(&edge, &connector).await;
        let (front, fronts) = secured(&edge, &pool(folder.path())).await;
        Self {
            edge,
            _connector: connector,
            origin,
            front,
            _fronts: fronts,
            folder,
        }
    }

    /// Prepares a program that trusts the front.
    fn command(&self) -> Command {
        let mut command = subject::command(self.folder.path());
        command.env("SSL_CERT_FILE", pool(self.folder.path()));
        command
    }

    /// Prepares `access tcp` to an application.
    fn access(&self, hostname: &str) -> Command {
        let mut command = self.command();
        let front = self.front.to_string();
        command.args(["access", "tcp", "--hostname", hostname, "--connect-to", &front]);
        command
    }

    /// Waits for a connection to the origin.
    async fn asked(&self) -> TcpStream {
        let (stream, _) = soon("the origin is asked", self.origin.accept())
            .await
            .expect("a connection");
        stream
    }
}

fn pool(folder: &Path) -> PathBuf {
    folder.join("front.pem")
}

/// Speaks TLS in front of the edge, as one that is somewhere else does.
async fn secured(edge: &Edge, pool: &Path) -> (SocketAddr, JoinSet<()>) {
    let acceptor = world::acceptor(CERTIFIED, pool, &[]);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let front = edge.front();
    let mut fronts = JoinSet::new();
    fronts.spawn(async move {
        let mut carried = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            carried.spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(front).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    (address, fronts)
}

async fn standard_input_reaches_the_origin_and_its_answer_standard_output(transport: Transport) {
    let world = World::new(transport).await;
    let log = world.folder.path().join("access.log");
    let mut command = world.access(HOSTNAME);
    command.args(["--debug-stream", "2", "--log-level", "debug", "--logfile"]);
    command.arg(&log).stdin(Stdio::piped());
    let mut user = command.spawn().expect("the subject starts");
    let mut input = user.stdin.take().expect("standard input is piped");
    let mut output = user.stdout.take().expect("standard output is piped");

    input.write_all(b"greetings \xc3\xa9\n").await.expect("it reads");
    let mut origin = world.asked().await;
    let mut heard = vec![0; 13];
    soon("a greeting", origin.read_exact(&mut heard))
        .await
        .expect("it arrives");
    assert_eq!(heard, b"greetings \xc3\xa9\n");
    origin.write_all(b"welcome\n").await.expect("the user listens");
    let mut heard = vec![0; 8];
    soon("a welcome", output.read_exact(&mut heard))
        .await
        .expect("it arrives");
    assert_eq!(heard, b"welcome\n");

    let (up, down) = (pattern(1, LENGTH), pattern(2, LENGTH));
    let said = async {
        input.write_all(&up).await.expect("it reads");
        // The end of what the user says is not the end of what he hears.
        drop(input);
    };
    let carried = async {
        let mut heard = vec![0; up.len()];
        origin.read_exact(&mut heard).await.expect("all of it arrives");
        assert!(heard == up, "the origin heard something else");
        origin.write_all(&down).await.expect("the user listens");
        drop(origin);
    };
    let mut heard = Vec::new();
    let (_, _, read) = soon("both say it all", async {
        tokio::join!(said, carried, output.read_to_end(&mut heard))
    })
    .await;
    read.expect("an end");
    assert!(
        heard == down,
        "the user heard something else, {} bytes",
        heard.len()
    );
    let status = soon("the program ends", user.wait()).await;
    assert_eq!(status.expect("it can be waited for").code(), Some(0));
    shown(&log);
    assert_clean(&world.edge);
}

/// Looks for what `--debug-stream` shows: the first read and write, and no more.
fn shown(log: &Path) {
    let log = std::fs::read_to_string(log).expect("a log");
    let records = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let shown: Vec<_> = records.filter(|record| record["dir"].is_string()).collect();
    let of = |index: usize, name: &str| shown[index][name].clone();
    assert_eq!(shown.len(), 2, "{log}");
    assert_eq!((of(0, "dir"), of(0, "count")), ("r".into(), 13.into()));
    assert_eq!(of(0, "message"), "\"greetings \\u00e9\\n\"");
    assert_eq!((of(1, "dir"), of(1, "count")), ("w".into(), 8.into()));
    assert_eq!(of(1, "message"), "\"welcome\\n\"");
    assert_eq!((of(1, "host"), of(1, "level")), (HOSTNAME.into(), "debug".into()));
}

async fn every_connection_to_the_listener_has_a_stream_of_its_own(transport: Transport) {
    let world = World::new(transport).await;
    let place = peers::address(PORT);
    let mut command = world.access(HOSTNAME);
    command.args(["--url", &format!("tcp://{place}")]);
    let mut listener = Server::start(command);
    listener
        .err
        .with(&format!("Start Websocket listener host={place}"))
        .await;
    // Whoever looks whether it listens is carried, too.
    listener.listening(place).await;
    drop(world.asked().await);

    let mut visits = JoinSet::new();
    for number in 1..=AT_ONCE {
        let mut client = TcpStream::connect(place).await.expect("it listens");
        let mut origin = world.asked().await;
        visits.spawn(async move {
            let (up, down) = (pattern(number, LENGTH), pattern(100 + number, LENGTH));
            let (mut reader, mut writer) = client.split();
            let mut heard = Vec::new();
            let carried = async {
                let mut heard = vec![0; up.len()];
                origin.read_exact(&mut heard).await.expect("all of it arrives");
                assert!(heard == up, "the origin heard something else");
                origin.write_all(&down).await.expect("the client listens");
                drop(origin);
            };
            let (said, (), read) = tokio::join!(
                writer.write_all(&up),
                carried,
                // The end of what the origin says reaches the client.
                reader.read_to_end(&mut heard)
            );
            said.expect("it listens");
            read.expect("an end");
            assert!(heard == down, "the client heard something else");
        });
    }
    while let Some(visit) = soon("everybody is served", visits.join_next()).await {
        visit.expect("it does not panic");
    }
    assert_eq!(listener.err.seen("ERR"), Vec::<String>::new());

    // Without an origin a client is let go, and the next one is taken.
    let place = peers::address(PORT);
    let mut command = world.access("other.example.com.localhost");
    command.args(["--url", &place.to_string()]);
    let mut listener = Server::start(command);
    listener.listening(place).await;
    for number in 0..2 {
        let line = listener.err.nth_with(number, "failed to connect to origin").await;
        assert!(
            line.contains("originURL=https://other.example.com.localhost"),
            "{line}"
        );
        let mut client = TcpStream::connect(place).await.expect("it listens");
        let mut heard = Vec::new();
        let ended = soon("it lets go", client.read_to_end(&mut heard)).await;
        assert!(ended.is_err() || heard.is_empty(), "{heard:?}");
    }
    assert_clean(&world.edge);
}

async fn forwarders_of_a_file_carry_and_follow_the_file(transport: Transport) {
    let world = World::new(transport).await;
    let folder = world.folder.path().join(".cloudflared");
    std::fs::create_dir(&folder).expect("a folder");
    let write = |place: SocketAddr| {
        let front = world.front.port();
        let text = format!("forwarders:\n- url: https://{HOSTNAME}:{front}\n  listener: {place}\n");
        peers::write(&folder, "config.yml", &text);
    };
    let (first, second) = (peers::address(PORT), peers::address(PORT + 1));
    write(first);
    let mut service = Server::start(world.command());
    for place in [first, second] {
        service.listening(place).await;
        drop(world.asked().await);
        let mut client = TcpStream::connect(place).await.expect("it listens");
        client.write_all(b"ping").await.expect("it listens");
        let mut origin = world.asked().await;
        let mut heard = [0; 4];
        soon("a ping", origin.read_exact(&mut heard))
            .await
            .expect("it arrives");
        origin.write_all(b"pong").await.expect("the client listens");
        drop(origin);
        let mut answer = Vec::new();
        soon("a pong and the end", client.read_to_end(&mut answer))
            .await
            .expect("an end");
        assert_eq!((&heard[..], &answer[..]), (&b"ping"[..], &b"pong"[..]));
        write(second);
    }
    let gone = async { while TcpStream::connect(first).await.is_ok() {} };
    soon("nobody wants the first listener any more", gone).await;
    assert_clean(&world.edge);
}
