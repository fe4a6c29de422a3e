//! Starts the origins of a case and remembers what they saw.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

use crate::authority;
use crate::script::{AtMark, Connection, Seeing, Seen};

/// The origins of one case, playing as long as this exists.
pub(crate) struct Origins {
    pub(crate) origins: Vec<Origin>,
    tasks: JoinSet<()>,
}

/// One origin: where it is and what it saw.
pub(crate) struct Origin {
    pub(crate) address: String,
    /// Whether only connections with a request count.
    by_request: bool,
    connections: Arc<Mutex<Vec<Seeing>>>,
}

/// How connections to one origin are played.
#[derive(Clone)]
struct Play {
    scripts: Arc<Vec<Vec<Value>>>,
    tls: bool,
    multiplexing: bool,
    connections: Arc<Mutex<Vec<Seeing>>>,
    next: Arc<AtomicUsize>,
    at_mark: AtMark,
}

impl Origins {
    /// Starts the origins that `wanted` lists; sockets in the file system go into `folder`.
    pub(crate) async fn start(wanted: &[Value], folder: &Path, at_mark: &AtMark) -> Self {
        let mut all = Self {
            origins: Vec::new(),
            tasks: JoinSet::new(),
        };
        for (index, origin) in wanted.iter().enumerate() {
            let kind = origin["kind"].as_str().expect("a kind");
            let play = Play::of(origin, kind, at_mark);
            let connections = Arc::clone(&play.connections);
            let address = match kind {
                "unix" | "unix-tls" => {
                    let path = folder.join(format!("o{index}.sock"));
                    let listener = UnixListener::bind(&path).expect("the folder is ours");
                    all.tasks.spawn(accept_unix(listener, play));
                    path.display().to_string()
                }
                kind => {
                    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                    let address = listener.local_addr().expect("bound").to_string();
                    if kind != "none" {
                        all.tasks.spawn(accept_tcp(listener, play));
                    }
                    address
                }
            };
            all.origins.push(Origin {
                address,
                by_request: kind == "h2-server",
                connections,
            });
        }
        all
    }
}

impl Origin {
    /// Returns what was seen on each connection.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let connections = self.connections.lock().expect("no origin panicked");
        let seen = connections.iter().map(|seeing| seeing.borrow().clone());
        seen.filter(|seen| !self.by_request || !seen.received.is_empty())
            .collect()
    }
}

impl Play {
    fn of(origin: &Value, kind: &str, at_mark: &AtMark) -> Self {
        let scripts = origin["conns"].as_array().map_or(&[][..], Vec::as_slice);
        let steps = |script: &Value| script["steps"].as_array().cloned().unwrap_or_default();
        Self {
            scripts: Arc::new(scripts.iter().map(steps).collect()),
            tls: matches!(kind, "tls" | "unix-tls" | "h2-server"),
            multiplexing: kind == "h2-server" || origin["alpn"].to_string().contains("\"h2\""),
            connections: Arc::default(),
            next: Arc::default(),
            at_mark: Arc::clone(at_mark),
        }
    }

    async fn connection(
        self,
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        socket: Option<Socket>,
    ) {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let seeing: Seeing = Arc::new(watch::Sender::new(Seen::default()));
        self.connections
            .lock()
            .expect("no origin panicked")
            .push(Arc::clone(&seeing));
        let script = self.scripts.get(index).or_else(|| self.scripts.last()).cloned();
        if !self.tls {
            let at_mark = self.at_mark;
            let connection = Connection {
                io,
                socket,
                seeing,
                at_mark,
            };
            connection.play(&script.unwrap_or_default()).await;
            return;
        }
        let Ok(start) = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), io).await else {
            return;
        };
        let hello = start.client_hello();
        let alpn = hello.alpn().into_iter().flatten();
        let alpn = alpn
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        let sni = hello.server_name().unwrap_or_default().to_owned();
        seeing.send_modify(|seen| {
            seen.sni = Some(sni);
            seen.alpn = alpn;
        });
        let Ok(io) = start.into_stream(authority::server(self.multiplexing)).await else {
            return;
        };
        let at_mark = self.at_mark;
        let Some(script) = script else {
            crate::multiplexed::serve(io, &seeing).await;
            return;
        };
        let connection = Connection {
            io,
            socket,
            seeing,
            at_mark,
        };
        connection.play(&script).await;
    }
}

async fn accept_tcp(listener: TcpListener, play: Play) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        drop(stream.set_nodelay(true));
        let socket = SockRef::from(&stream).try_clone().ok();
        connections.spawn(play.clone().connection(stream, socket));
    }
}

async fn accept_unix(listener: UnixListener, play: Play) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(play.clone().connection(stream, None));
    }
}
