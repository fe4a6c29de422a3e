//! What a client of `access` does: a port on this machine whose connections pass the tunnel, each in
//! the frames of a WebSocket of its own.

use std::io;
use std::net::SocketAddr;

use adit_loopback::edge::Edge;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world;

const FINAL_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
const CLOSE: u8 = 8;
/// The largest message that is sent: several times what other connectors take.
const LARGEST: usize = 64 * 1024;
/// A mask keeps caches from taking payload for protocol; here are none.
const MASK: [u8; 4] = [0x5a, 0x01, 0xfe, 0x33];

/// A port whose connections go to a hostname behind the tunnel.
pub(crate) struct Bridge {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Bridge {
    /// Opens the port.
    pub(crate) async fn to(edge: &Edge, hostname: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let front = edge.front();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(async move {
                    // A connection that breaks is the client's to notice.
                    let _ended = carry(client, front, hostname).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, _task: task }
    }

    /// Returns where clients connect.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the port as an argument of a client.
    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }
}

async fn carry(client: TcpStream, front: SocketAddr, hostname: &str) -> io::Result<()> {
    client.set_nodelay(true)?;
    let edge = shake_hands(front, hostname).await?;
    let (from_client, to_client) = client.into_split();
    let (from_edge, to_edge) = edge.into_split();
    let (up, down) = tokio::join!(wrap(from_client, to_edge), unwrap(from_edge, to_client));
    up.and(down)
}

/// Opens a WebSocket to the hostname.
pub(crate) async fn shake_hands(front: SocketAddr, hostname: &str) -> io::Result<TcpStream> {
    let mut edge = TcpStream::connect(front).await?;
    edge.set_nodelay(true)?;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {hostname}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    edge.write_all(request.as_bytes()).await?;
    let head = world::head(&mut edge).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    Ok(edge)
}

/// Puts what the client says into frames; its end is the end of this direction only.
async fn wrap(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&frame(&buffer[..length])).await?;
    }
}

/// Returns a message in one frame.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.push(FINAL_BINARY);
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(MASKED | length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(MASKED | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// Takes what the origin says out of its frames, to the end.
async fn unwrap(from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut from = BufReader::with_capacity(LARGEST, from);
    while let Some(payload) = next(&mut from).await? {
        to.write_all(&payload).await?;
    }
    to.shutdown().await
}

/// Waits for a message of the origin; nothing at the end.
pub(crate) async fn next(from: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    loop {
        let first = match from.read_u8().await {
            Ok(first) => first,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = match from.read_u8().await? {
            127 => from.read_u64().await?,
            126 => from.read_u16().await?.into(),
            short => short.into(),
        };
        let mut payload = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        from.read_exact(&mut payload).await?;
        match first {
            FINAL_BINARY => return Ok(Some(payload)),
            _ if first & 0x0f == CLOSE => return Ok(None),
            // A ping, which no connector waits for an answer to.
            _ => {}
        }
    }
}
