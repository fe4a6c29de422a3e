//! Ports that are free for UDP and TCP at once, on several addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::error::Error;

/// One port number, open for UDP and TCP on each of several addresses.
#[derive(Debug)]
pub(crate) struct Ports(Vec<(SocketAddr, UdpSocket, TcpListener)>);

/// How often another port is tried before giving up: a port that is free for one protocol and
/// address is nearly always free for the others.
const ATTEMPTS: usize = 64;
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
    bound.map_err(|source| Error::Listen { address, source })
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
