//! Ports that are free for UDP and TCP at once, on several addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;

use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::error::Error;

/// One port number, open for UDP and TCP on each of several addresses.
#[derive(Debug)]
pub(crate) struct Ports(Vec<(SocketAddr, UdpSocket, TcpListener)>);

/// How often another port is tried before giving up: a port that is free for one protocol and
/// address is nearly always free for the others.
const ATTEMPTS: usize = 64;
/// When the machine can accept no more connections, it needs a moment.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// What the kernel may hold of packets for one socket, if it is willing: a full window.
const BUFFER: usize = 7 * 1024 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

impl Ports {
    /// Finds a port number that is free on all of `ips` and opens it.
    pub(crate) async fn open(ips: &[IpAddr]) -> Result<Self, Error> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::open_some(ips).await {
                Ok(ports) => return Ok(ports),
                Err(error @ Error::Listen { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("at least one attempt was made"))
    }

    async fn open_some(ips: &[IpAddr]) -> Result<Self, Error> {
        let mut port = 0;
        let mut opened = Vec::with_capacity(ips.len());
        for ip in ips {
            let udp = udp(SocketAddr::new(*ip, port)).await?;
            let address = udp.local_addr().map_err(|source| Error::Listen {
                address: SocketAddr::new(*ip, port),
                source,
            })?;
            port = address.port();
            opened.push((address, udp, tcp(address)?));
        }
        Ok(Self(opened))
    }

    pub(crate) fn into_sockets(self) -> Vec<(SocketAddr, UdpSocket, TcpListener)> {
        self.0
    }
}

/// Opens a UDP socket.
pub(crate) async fn udp(address: SocketAddr) -> Result<UdpSocket, Error> {
    own(address)?;
    let bound = UdpSocket::bind(address).await;
    let socket = bound.map_err(|source| Error::Listen { address, source })?;
    let buffers = SockRef::from(&socket);
    // A kernel that gives less makes the path slower, not wrong.
    let _set = (
        buffers.set_recv_buffer_size(BUFFER),
        buffers.set_send_buffer_size(BUFFER),
    );
    Ok(socket)
}

/// Listens for TCP connections, also where connections of an earlier listener linger.
pub(crate) fn tcp(address: SocketAddr) -> Result<TcpListener, Error> {
    own(address)?;
    listen(address).map_err(|source| Error::Listen { address, source })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Refuses addresses that would let other machines in by themselves.
fn own(address: SocketAddr) -> Result<(), Error> {
    if address.ip().is_unspecified() {
        return Err(Error::Exposed(address));
    }
    Ok(())
}
