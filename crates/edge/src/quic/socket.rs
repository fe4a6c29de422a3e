//! The UDP socket of one connection: its port, its buffers, and what the system says when a packet
//! cannot leave.
//!
//! Every call into the system costs more than the packet it carries. The library hands over ten
//! packets at most; those that are followed by more wait here until there are as many as one call
//! takes, or until the library has nothing to add.

use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, Type};
use tokio::io::Interest;
use tokio::sync::Notify;

use super::outbox::Outbox;

/// A UDP socket that remembers why nothing leaves it.
pub(super) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    outbox: Mutex<Outbox>,
    failure: OnceLock<io::Error>,
    failed: Notify,
}

/// Buffers that are smaller than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortage {
    /// Bytes of the receive buffer before.
    pub(super) was: usize,
    /// Bytes of the receive buffer now.
    pub(super) got: usize,
}

impl Socket {
    /// Binds a socket that can reach `remote`.
    pub(super) fn bind(remote: SocketAddr, local: Option<IpAddr>, port: u16) -> io::Result<Self> {
        let ip = local.unwrap_or(match remote {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        });
        let raw = RawSocket::new(Domain::for_address(remote), Type::DGRAM, Some(Protocol::UDP))?;
        raw.set_nonblocking(true)?;
        raw.bind(&SocketAddr::new(ip, port).into())?;
        let state = UdpSocketState::new((&raw).into())?;
        Ok(Self {
            io: tokio::net::UdpSocket::from_std(raw.into())?,
            state,
            outbox: Mutex::default(),
            failure: OnceLock::new(),
            failed: Notify::new(),
        })
    }

    /// Asks for large buffers and returns what is missing.
    pub(super) fn enlarge_buffers(&self) -> Option<Shortage> {
        let socket = SockRef::from(&self.io);
        let was = socket.recv_buffer_size().unwrap_or(0);
        // What the kernel denies shows when the size is read back.
        let _denied = socket.set_recv_buffer_size(BUFFER);
        let _denied = socket.set_send_buffer_size(BUFFER);
        if socket.recv_buffer_size().unwrap_or(0) < BUFFER {
            force(&self.io);
        }
        let got = socket.recv_buffer_size().unwrap_or(0);
        (got < BUFFER).then_some(Shortage { was, got })
    }

    /// Waits until the system refuses to send at all.
    pub(super) async fn failed(&self) -> &io::Error {
        loop {
            let notified = self.failed.notified();
            if let Some(error) = self.failure.get() {
                return error;
            }
            notified.await;
        }
    }

    /// Returns how many bytes wait for more to join them.
    pub(super) fn waiting(&self) -> usize {
        self.outbox().waiting()
    }

    /// Sends what waits, or arranges to be woken when there is room for it.
    pub(super) fn flush(&self, cx: &mut Context<'_>) {
        let mut outbox = self.outbox();
        while self.empty(&mut outbox).is_err() {
            if self.io.poll_send_ready(cx).is_pending() {
                return;
            }
        }
    }

    /// Sends what waits. The only failure is that there is no room.
    fn empty(&self, outbox: &mut Outbox) -> io::Result<()> {
        if let Some(transmit) = outbox.transmit() {
            self.send(&transmit)?;
            outbox.clear();
        }
        Ok(())
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.io.try_io(Interest::WRITABLE, || {
            self.state.try_send((&self.io).into(), transmit)
        });
        match sent {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.note(error);
                Ok(())
            }
            sent => sent,
        }
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a failure that no repetition mends. Others are packets lost, and QUIC deals with those.
    fn note(&self, error: io::Error) {
        let lasting = matches!(
            error.kind(),
            ErrorKind::NetworkUnreachable
                | ErrorKind::HostUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::PermissionDenied
        );
        if lasting && self.failure.set(error).is_ok() {
            self.failed.notify_waiters();
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.io).finish()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let mut outbox = self.outbox();
        if !outbox.suits(transmit) {
            self.empty(&mut outbox)?;
        }
        if !outbox.is_worthwhile(transmit) {
            outbox.rest();
            return self.send(transmit);
        }
        // What was full and could not leave was made room for above.
        outbox.push(transmit);
        if outbox.is_complete() {
            // Without room in the system it waits here, and the next packet waits for it.
            let _no_room = self.empty(&mut outbox);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            std::task::ready!(self.io.poll_recv_ready(cx))?;
            let mut count = 0;
            let received = self.io.try_io(Interest::READABLE, || {
                count = self.state.recv((&self.io).into(), buffers, meta)?;
                // Fewer than asked for: nothing is left, and asking again would only tell that.
                if count < buffers.len().min(BATCH_SIZE) {
                    return Err(ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            if count > 0 || received.is_ok() {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits for room in the send buffer. One connection lives on a socket, so one waker is enough.
#[derive(Debug)]
struct Writable(Arc<Socket>);

impl UdpPoller for Writable {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(cx)
    }
}

/// Takes what the kernel grants only to those who may administer the network.
#[cfg(target_os = "linux")]
fn force(socket: &tokio::net::UdpSocket) {
    use rustix::net::sockopt;
    let _denied = sockopt::set_socket_recv_buffer_size_force(socket, BUFFER);
    let _denied = sockopt::set_socket_send_buffer_size_force(socket, BUFFER);
}

#[cfg(not(target_os = "linux"))]
fn force(_: &tokio::net::UdpSocket) {}

/// §3.2: room for a burst of 100 ms at 500 Mbit/s.
pub(super) const BUFFER: usize = 7 << 20;
