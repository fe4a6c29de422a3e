//! Through a bare relay: QUIC streams whose bytes go to the origin as they are. What is left of a
//! connector when everything but the transport is taken away.
//!
//! A stream begins with a few bytes that say where it goes and how much passes in each direction,
//! so that the relay can keep connections to the origin without knowing what passes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, EndpointConfig, RecvStream, SendStream, ServerConfig, TransportConfig};
use rustix::net::sockopt;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::task::JoinSet;

use super::{Gauge, Rota, direct, part, wrong};
use crate::Trouble;
use crate::origin::{self, Ports, UPLOADED};
use crate::process::end_with_parent;
use crate::scenario::{Carrier, Page, Work};

/// The road through the relay.
#[derive(Debug)]
pub(crate) struct Relayed {
    connections: Vec<Connection>,
    origin: Ports,
    _endpoint: Endpoint,
}

/// The edge's side of the relay, before the relay has dialled.
#[derive(Debug)]
pub(crate) struct Door {
    endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    /// The certificate to trust, in DER.
    pub(crate) certificate: Vec<u8>,
}

/// A worker's place on one of the connections.
#[derive(Debug)]
pub(super) struct Lane {
    connection: Connection,
    origin: Ports,
    rota: Rota,
    request: Bytes,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Pipe {
    send: SendStream,
    recv: RecvStream,
}

/// Connections of the relay: as many as a connector keeps.
const CONNECTIONS: usize = 4;
/// The name on the certificate.
const NAME: &str = "relay.bench.example";
/// What may be on its way on one stream and on one connection: as much as a connector allows.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const WINDOW: u32 = 30 * 1024 * 1024;
/// Streams that may be open.
const STREAMS: u32 = 10_000;
/// Bytes of packets that may wait in a socket: as many as connectors ask for.
const BUFFER: usize = 7 * 1024 * 1024;
/// Bytes taken from a stream at once.
const CHUNK: usize = 64 * 1024;
/// A port and two lengths.
const PREFACE: usize = 2 + 8 + 8;
/// A length that is not known: the direction ends when its side ends it.
const OPEN: u64 = u64::MAX;

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.max_concurrent_bidi_streams(STREAMS.into());
    transport.stream_receive_window(STREAM_WINDOW.into());
    transport.receive_window(WINDOW.into());
    transport.send_window(u64::from(WINDOW));
    Arc::new(transport)
}

fn endpoint(config: Option<ServerConfig>) -> Result<Endpoint, Trouble> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sockopt::set_socket_recv_buffer_size(&socket, BUFFER)?;
    sockopt::set_socket_send_buffer_size(&socket, BUFFER)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    Ok(Endpoint::new(EndpointConfig::default(), config, socket, runtime)?)
}

impl Door {
    /// Opens the edge's side.
    pub(crate) fn open() -> Result<Self, Trouble> {
        let certified = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let certificate = certified.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
        let mut config = ServerConfig::with_single_cert(vec![certificate.clone()], key)?;
        config.transport_config(transport());
        let endpoint = endpoint(Some(config))?;
        Ok(Self {
            address: endpoint.local_addr()?,
            endpoint,
            certificate: certificate.to_vec(),
        })
    }

    /// Waits for the relay.
    pub(crate) async fn enter(self, origin: Ports) -> Result<Relayed, Trouble> {
        let mut connections = Vec::new();
        while connections.len() < CONNECTIONS {
            let incoming = self.endpoint.accept().await.ok_or("the endpoint has ended")?;
            connections.push(incoming.await?);
        }
        Ok(Relayed {
            connections,
            origin,
            _endpoint: self.endpoint,
        })
    }
}

impl Relayed {
    pub(super) fn lane(&self, number: usize, work: Work) -> Lane {
        Lane {
            connection: self.connections[number % CONNECTIONS].clone(),
            origin: self.origin,
            rota: Rota::new(number, work),
            request: direct::request(work),
        }
    }
}

impl Lane {
    pub(super) async fn get(&mut self, page: Page, gauge: &Gauge) -> Result<(), Trouble> {
        let answer = origin::head(page).len() as u64 + page.length();
        // A connection that the origin closes is not kept.
        let down = if page == Page::Closing { OPEN } else { answer };
        let (mut send, mut recv) = self.start(Carrier::WebSocket, (0, down)).await?;
        send.finish()?;
        drain(&mut recv, answer, gauge).await
    }

    pub(super) async fn upload(&mut self, length: u64, gauge: &Gauge) -> Result<(), Trouble> {
        let answer = UPLOADED.len() as u64;
        let (mut send, mut recv) = self.start(Carrier::WebSocket, (length, answer)).await?;
        let mut left = length;
        while left > 0 {
            let part = part(left);
            let sent = part.len();
            send.write_chunk(part).await?;
            gauge.passed(sent);
            left -= sent as u64;
        }
        send.finish()?;
        drain(&mut recv, answer, &Gauge::default()).await
    }

    pub(super) async fn open(&mut self, carrier: Carrier) -> Result<Pipe, Trouble> {
        let (send, mut recv) = self.start(carrier, (OPEN, OPEN)).await?;
        if carrier == Carrier::WebSocket {
            let mut greeting = Vec::new();
            while origin::head_end(&greeting).is_none() {
                let chunk = recv
                    .read_chunk(CHUNK, true)
                    .await?
                    .ok_or("the origin has not greeted")?;
                greeting.extend_from_slice(&chunk.bytes);
            }
        }
        Ok(Pipe { send, recv })
    }

    /// Opens a stream and sends the request; `up` more bytes follow, `down` come.
    async fn start(
        &mut self,
        to: Carrier,
        (up, down): (u64, u64),
    ) -> Result<(SendStream, RecvStream), Trouble> {
        let to = self.origin.address(to, self.rota.door());
        let (mut send, recv) = self.connection.open_bi().await?;
        let mut first = BytesMut::with_capacity(PREFACE + self.request.len());
        first.extend_from_slice(&to.port().to_be_bytes());
        first.extend_from_slice(&up.saturating_add(self.request.len() as u64).to_be_bytes());
        first.extend_from_slice(&down.to_be_bytes());
        first.extend_from_slice(&self.request);
        send.write_chunk(first.freeze()).await?;
        Ok((send, recv))
    }
}

async fn drain(recv: &mut RecvStream, length: u64, gauge: &Gauge) -> Result<(), Trouble> {
    let mut got = 0;
    while let Some(chunk) = recv.read_chunk(CHUNK, true).await? {
        gauge.passed(chunk.bytes.len());
        got += chunk.bytes.len() as u64;
    }
    if got == length {
        Ok(())
    } else {
        Err(wrong(got, length))
    }
}

impl Pipe {
    pub(super) async fn echo(&mut self, message: &Bytes) -> Result<(), Trouble> {
        self.send.write_chunk(message.clone()).await?;
        let mut left = message.len();
        while left > 0 {
            let chunk = self.recv.read_chunk(CHUNK, true).await?;
            let chunk = chunk.ok_or("the stream has ended in an echo")?;
            left = left.checked_sub(chunk.bytes.len()).ok_or("an echo is too long")?;
        }
        Ok(())
    }

    pub(super) async fn close(mut self) -> Result<(), Trouble> {
        self.send.finish()?;
        while self.recv.read_chunk(CHUNK, true).await?.is_some() {}
        Ok(())
    }
}

/// Is the relay: dials the edge and carries what comes until the connections end.
pub(crate) async fn relay(edge: &str, certificate: &Path) -> Result<(), Trouble> {
    end_with_parent()?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(std::fs::read(certificate)?))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    config.transport_config(transport());
    let edge: SocketAddr = edge.parse()?;
    let pool = Arc::new(Pool::default());
    let mut connections = JoinSet::new();
    let mut endpoints = Vec::new();
    for _ in 0..CONNECTIONS {
        // A connector has a socket for each connection, too.
        let endpoint = endpoint(None)?;
        let connection = endpoint.connect_with(config.clone(), edge, NAME)?.await?;
        connections.spawn(serve(connection, Arc::clone(&pool)));
        endpoints.push(endpoint);
    }
    connections.join_all().await;
    Ok(())
}

/// Idle connections to the origin, by port.
#[derive(Debug, Default)]
struct Pool(Mutex<HashMap<u16, Vec<TcpStream>>>);

impl Pool {
    async fn take(&self, port: u16) -> Result<TcpStream, Trouble> {
        let idle = {
            let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pool.entry(port).or_default().pop()
        };
        if let Some(stream) = idle {
            return Ok(stream);
        }
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn give_back(&self, port: u16, stream: TcpStream) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pool.entry(port).or_default().push(stream);
    }
}

async fn serve(connection: Connection, pool: Arc<Pool>) {
    let mut streams = JoinSet::new();
    while let Ok((send, recv)) = connection.accept_bi().await {
        while streams.try_join_next().is_some() {}
        let pool = Arc::clone(&pool);
        streams.spawn(async move {
            // A stream that breaks shows on the other side.
            let _carried = carry(send, recv, &pool).await;
        });
    }
}

async fn carry(mut send: SendStream, mut recv: RecvStream, pool: &Pool) -> Result<(), Trouble> {
    let mut preface = [0; PREFACE];
    recv.read_exact(&mut preface).await?;
    let [p0, p1, lengths @ ..] = preface;
    let port = u16::from_be_bytes([p0, p1]);
    let (up, down) = lengths.split_at(8);
    let (up, down) = (
        u64::from_be_bytes(up.try_into()?),
        u64::from_be_bytes(down.try_into()?),
    );
    let mut stream = pool.take(port).await?;
    let (mut reader, mut writer) = stream.split();
    let rising = rise(&mut recv, &mut writer, up);
    let falling = fall(&mut reader, &mut send, down);
    tokio::try_join!(rising, falling)?;
    if down != OPEN {
        pool.give_back(port, stream);
    }
    Ok(())
}

async fn rise(recv: &mut RecvStream, origin: &mut WriteHalf<'_>, length: u64) -> Result<(), Trouble> {
    let mut left = length;
    while left > 0 {
        let Some(chunk) = recv.read_chunk(CHUNK, true).await? else {
            origin.shutdown().await?;
            return Ok(());
        };
        origin.write_all(&chunk.bytes).await?;
        left = left.saturating_sub(chunk.bytes.len() as u64);
    }
    Ok(())
}

async fn fall(origin: &mut ReadHalf<'_>, send: &mut SendStream, length: u64) -> Result<(), Trouble> {
    let mut left = length;
    let mut buffer = BytesMut::new();
    while left > 0 {
        buffer.reserve(CHUNK);
        let read = origin.read_buf(&mut buffer).await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read as u64);
        send.write_chunk(buffer.split().freeze()).await?;
    }
    send.finish()?;
    Ok(())
}
