//! The origin, as a process of its own: pages, uploads, WebSockets and echoes, as fast as it can.
//!
//! It has several doors, each a port for HTTP and one for TCP. A system keeps the pair of ports of a
//! connection that has ended busy for a while; who opens a new connection for each operation takes
//! the doors in turn, so that what is measured is not the search for a free pair.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Trouble;
use crate::process::{self, say};
use crate::scenario::{Carrier, Page};

/// Where the origin listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    http: [u16; DOORS],
    tcp: [u16; DOORS],
}

/// How many doors the origin has.
pub(crate) const DOORS: usize = 16;

/// The page of every WebSocket.
pub(crate) const SOCKET: &str = "/socket";
/// The page that takes uploads.
pub(crate) const UPLOAD: &str = "/upload";

/// How long the origin waits when it cannot take a connection.
const PAUSE: Duration = Duration::from_millis(10);
const HEAD: usize = 8 * 1024;
const BUFFER: usize = 32 * 1024;
/// What bodies are made of; more at once would not be faster.
static BODY: [u8; 256 * 1024] = [b'a'; 256 * 1024];

/// Returns the head of the answer to a request for a page.
pub(crate) fn head(page: Page) -> String {
    let connection = match page {
        Page::Closing => "Connection: close\r\n",
        Page::Empty | Page::Kib | Page::Mib | Page::Large => "",
    };
    format!(
        "HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sat, 01 Aug 2026 12:00:00 GMT\r\n\
         Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n{connection}Content-Length: {}\r\n\r\n",
        page.length()
    )
}

/// The answer to an upload.
pub(crate) const UPLOADED: &str = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Length: 0\r\n\r\n";

/// Serves for as long as the parent lives; tells the ports on standard output.
pub(crate) async fn run() -> Result<(), Trouble> {
    process::end_with_parent()?;
    let mut ports = Vec::new();
    let mut doors = JoinSet::new();
    for carrier in [Carrier::WebSocket, Carrier::Tcp] {
        for _ in 0..DOORS {
            let listener = listen()?;
            ports.push(listener.local_addr()?.port().to_string());
            doors.spawn(open(listener, carrier));
        }
    }
    say(&ports.join(" "));
    doors.join_all().await;
    Ok(())
}

impl Ports {
    /// Reads what the origin tells.
    pub(crate) fn read(line: &str) -> Result<Self, Trouble> {
        let mut ports = line.split_whitespace().map(str::parse);
        let mut next = || -> Result<[u16; DOORS], Trouble> {
            let mut row = [0; DOORS];
            for port in &mut row {
                *port = ports.next().ok_or("the origin tells too few ports")??;
            }
            Ok(row)
        };
        Ok(Self {
            http: next()?,
            tcp: next()?,
        })
    }

    /// Returns the address of a door.
    pub(crate) const fn address(&self, carrier: Carrier, door: usize) -> SocketAddr {
        let row = match carrier {
            Carrier::WebSocket => &self.http,
            Carrier::Tcp => &self.tcp,
        };
        SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, row[door % DOORS]))
    }
}

fn listen() -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    // As many as may be opened at once.
    socket.listen(4096)
}

/// Serves everybody who comes through a door.
async fn open(listener: TcpListener, carrier: Carrier) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(streams.spawn(receive(stream, carrier))),
                // Too many files are open: some will be closed.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            // Whoever is at the other end has seen what went wrong.
            Some(_) = streams.join_next() => {}
        }
    }
}

async fn receive(stream: TcpStream, carrier: Carrier) -> io::Result<()> {
    match carrier {
        Carrier::WebSocket => serve(stream).await,
        Carrier::Tcp => echo(stream, Vec::new()).await,
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let heads = Page::ALL.map(|page| (page, Answer::new(page)));
    let mut held = Vec::with_capacity(HEAD);
    loop {
        let Some(end) = read_head(&mut stream, &mut held).await? else {
            return Ok(());
        };
        let (head, rest) = held.split_at(end);
        let path = path(head);
        if path == SOCKET {
            let greeting = greeting(head);
            stream.write_all(greeting.as_bytes()).await?;
            let early = rest.to_vec();
            drop(held);
            return echo(stream, early).await;
        }
        if path == UPLOAD {
            let length = length(head);
            let early = rest.len() as u64;
            swallow(&mut stream, length.saturating_sub(early)).await?;
            held.clear();
            stream.write_all(UPLOADED.as_bytes()).await?;
            continue;
        }
        let found = heads.iter().find(|(page, _)| page.path() == path);
        let Some((page, answer)) = found else {
            return stream
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .await;
        };
        answer.send(&mut stream).await?;
        if *page == Page::Closing {
            return stream.shutdown().await;
        }
        held.drain(..end);
    }
}

impl Page {
    const ALL: [Self; 5] = [Self::Empty, Self::Kib, Self::Mib, Self::Large, Self::Closing];
}

/// An answer: its head with the first bytes of the body, and how many follow.
struct Answer {
    first: Vec<u8>,
    rest: u64,
}

impl Answer {
    fn new(page: Page) -> Self {
        let mut first = head(page).into_bytes();
        let with_head = page.length().min(1024);
        first.resize(first.len() + with_head as usize, BODY[0]);
        Self {
            first,
            rest: page.length() - with_head,
        }
    }

    async fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&self.first).await?;
        let mut rest = self.rest;
        while rest > 0 {
            let part = rest.min(BODY.len() as u64);
            stream.write_all(&BODY[..part as usize]).await?;
            rest -= part;
        }
        Ok(())
    }
}

/// Reads until `held` holds a whole head; returns where it ends, and nothing at the end.
async fn read_head(stream: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = head_end(held) {
            return Ok(Some(end));
        }
        if stream.read_buf(held).await? == 0 {
            return Ok(None);
        }
    }
}

/// Returns where a head ends.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n")?;
    Some(end + 4)
}

fn path(head: &[u8]) -> &str {
    let target = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    std::str::from_utf8(target).unwrap_or_default()
}

fn field<'h>(head: &'h [u8], name: &str) -> &'h str {
    let head = std::str::from_utf8(head).unwrap_or_default();
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim()).unwrap_or_default()
}

fn length(head: &[u8]) -> u64 {
    field(head, "content-length").parse().unwrap_or_default()
}

async fn swallow(stream: &mut TcpStream, mut length: u64) -> io::Result<()> {
    let mut buffer = vec![0; BODY.len()];
    while length > 0 {
        let most = length.min(buffer.len() as u64) as usize;
        let read = stream.read(&mut buffer[..most]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length -= read as u64;
    }
    Ok(())
}

/// Answers a WebSocket handshake, as RFC 6455 §4.2.2 has it.
fn greeting(head: &[u8]) -> String {
    let salted = format!(
        "{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
        field(head, "sec-websocket-key")
    );
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, salted.as_bytes());
    let accept = STANDARD.encode(digest);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// Sends everything back.
async fn echo(mut stream: TcpStream, early: Vec<u8>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(&early).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..read]).await?;
    }
}

/// Returns one message as it passes on an open stream: a masked binary frame of RFC 6455 on a
/// WebSocket, the bytes alone on TCP.
pub(crate) fn message(carrier: Carrier, length: usize) -> Vec<u8> {
    let mut message = match carrier {
        Carrier::Tcp => Vec::new(),
        Carrier::WebSocket => match u8::try_from(length) {
            Ok(short @ ..126) => vec![0x82, 0x80 | short, 0, 0, 0, 0],
            Ok(_) | Err(_) => {
                let length = u16::try_from(length).expect("messages are shorter than 64 KiB");
                let [high, low] = length.to_be_bytes();
                vec![0x82, 0xfe, high, low, 0, 0, 0, 0]
            }
        },
    };
    message.resize(message.len() + length, b'a');
    message
}
