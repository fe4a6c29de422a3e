//! Dials the edge over TCP and TLS, for HTTP/2.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use adit_dialect::errno;
use adit_exchange::Transport;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ahead::Ahead;
use crate::error::{DialError, Obstacle};
use crate::tls::{Purpose, Tls};

/// Dials the edge over TCP and TLS.
#[derive(Debug)]
pub(crate) struct Dialer {
    tls: Tls,
    purpose: Purpose,
    bind: Option<IpAddr>,
}

impl Dialer {
    /// Prepares to dial.
    pub(crate) const fn new(tls: Tls, purpose: Purpose, bind: Option<IpAddr>) -> Self {
        Self { tls, purpose, bind }
    }

    /// Connects to `address` and completes the TLS handshake.
    ///
    /// # Errors
    ///
    /// Fails when that does not come about in time.
    pub(crate) async fn dial(&self, address: SocketAddr) -> Result<TlsStream<Ahead<TcpStream>>, DialError> {
        let dialed = tokio::time::timeout(LIMIT, self.handshake(address)).await;
        dialed.unwrap_or_else(|_elapsed| {
            Err(DialError {
                cause: format!("DialContext error: dial tcp {address}: i/o timeout"),
                obstacle: Obstacle::Silence,
            })
        })
    }

    async fn handshake(&self, address: SocketAddr) -> Result<TlsStream<Ahead<TcpStream>>, DialError> {
        let tcp = self.connect(address).await.map_err(|error| DialError {
            cause: format!(
                "DialContext error: dial tcp {address}: connect: {}",
                errno::text(&error)
            ),
            obstacle: obstacle(&error),
        })?;
        let name = self.purpose.server_name(Transport::Http2);
        let name = ServerName::try_from(name).map_err(|error| failed(&error))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls.http2));
        let connected = connector.connect(name, Ahead::new(tcp)).await;
        connected.map_err(|error| failed(&error))
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(bind) = self.bind {
            socket.bind(SocketAddr::new(bind, 0))?;
        }
        let tcp = socket.connect(address).await?;
        tcp.set_nodelay(true)?;
        SockRef::from(&tcp).set_tcp_keepalive(&keep_alive())?;
        limit_silence(&tcp)?;
        Ok(tcp)
    }
}

/// Lets the kernel give up a path on which nothing is acknowledged, and keeps what waits in it short:
/// a ping, or another stream's data, stands behind all of that.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn limit_silence(tcp: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_tcp_notsent_lowat(UNSENT)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail where it does something")]
fn limit_silence(_: &TcpStream) -> std::io::Result<()> {
    Ok(())
}

fn failed(error: &dyn std::fmt::Display) -> DialError {
    DialError {
        cause: format!("TLS handshake with edge error: {error}"),
        obstacle: Obstacle::Handshake,
    }
}

fn obstacle(error: &std::io::Error) -> Obstacle {
    use std::io::ErrorKind as Kind;
    const OBSTACLES: [(Kind, Obstacle); 8] = [
        (Kind::NetworkUnreachable, Obstacle::NoRoute),
        (Kind::HostUnreachable, Obstacle::NoRoute),
        (Kind::AddrNotAvailable, Obstacle::NoRoute),
        (Kind::PermissionDenied, Obstacle::Forbidden),
        (Kind::TimedOut, Obstacle::Silence),
        (Kind::ConnectionRefused, Obstacle::Refused),
        (Kind::ConnectionReset, Obstacle::Refused),
        (Kind::ConnectionAborted, Obstacle::Refused),
    ];
    let known = OBSTACLES.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or(Obstacle::Local, |(_, obstacle)| *obstacle)
}

fn keep_alive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE)
}

/// §2.4: TCP and TLS together.
const LIMIT: Duration = Duration::from_secs(15);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// As long as TCP itself takes to repeat a lost segment four or five times.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// A millisecond of a fast path, and no more than some seconds of a very slow one.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT: u32 = 128 << 10;
