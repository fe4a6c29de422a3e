//! Gates on the paths between connectors and the edge: silence, in one direction or both, and cuts.
//!
//! A gate is open unless a fault closes it. What a closed gate swallows is lost, as on a path that
//! has gone dark: nobody is told.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A direction of the path between connector and edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What connectors send is lost.
    FromConnector,
    /// What the edge sends is lost.
    ToConnector,
    /// Everything is lost.
    Both,
}

impl Direction {
    const fn inbound(self) -> bool {
        matches!(self, Self::FromConnector | Self::Both)
    }

    const fn outbound(self) -> bool {
        matches!(self, Self::ToConnector | Self::Both)
    }
}

/// The gate of a UDP socket: one for everybody, and one for each peer that has a fault of its own.
#[derive(Debug, Default)]
pub(crate) struct UdpGate {
    /// Whether any gate is closed; the fast path asks nothing else.
    closed: AtomicBool,
    state: Mutex<UdpState>,
}

#[derive(Debug, Default)]
struct UdpState {
    everybody: Closed,
    peers: BTreeMap<SocketAddr, Closed>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Closed {
    inbound: bool,
    outbound: bool,
}

impl Closed {
    const fn towards(direction: Direction) -> Self {
        Self {
            inbound: direction.inbound(),
            outbound: direction.outbound(),
        }
    }
}

impl UdpGate {
    /// Loses what everybody sends or is sent; nothing when there is no direction.
    pub(crate) fn close_for_all(&self, direction: Option<Direction>) {
        let mut state = self.state();
        state.everybody = direction.map(Closed::towards).unwrap_or_default();
        self.settle(&state);
    }

    /// Loses what one peer sends or is sent; nothing when there is no direction.
    pub(crate) fn close_for(&self, peer: SocketAddr, direction: Option<Direction>) {
        let mut state = self.state();
        match direction {
            Some(direction) => state.peers.insert(peer, Closed::towards(direction)),
            None => state.peers.remove(&peer),
        };
        self.settle(&state);
    }

    fn settle(&self, state: &UdpState) {
        let closed = state.everybody != Closed::default() || !state.peers.is_empty();
        self.closed.store(closed, Ordering::Release);
    }

    fn lets_in(&self, peer: SocketAddr, packet: &[u8]) -> bool {
        if self.is_open() {
            return true;
        }
        let mut state = self.state();
        // Who begins anew from the same port is a new peer: the fault was the old connection's.
        if begins_connection(packet) && state.peers.remove(&peer).is_some() {
            self.settle(&state);
        }
        !state.of(peer).inbound
    }

    fn lets_out(&self, peer: SocketAddr) -> bool {
        self.is_open() || !self.state().of(peer).outbound
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, UdpState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UdpState {
    fn of(&self, peer: SocketAddr) -> Closed {
        let own = self.peers.get(&peer).copied().unwrap_or_default();
        Closed {
            inbound: self.everybody.inbound || own.inbound,
            outbound: self.everybody.outbound || own.outbound,
        }
    }
}

/// Tells the first packet of a QUIC connection, of version 1 or 2, from all others.
fn begins_connection(packet: &[u8]) -> bool {
    let Some((first, rest)) = packet.split_first() else {
        return false;
    };
    let is_long = first & 0x80 != 0;
    let initial = match rest {
        [0, 0, 0, 1, ..] => 0x00,
        [0x6b, 0x33, 0x43, 0xcf, ..] => 0x10,
        _ => return false,
    };
    is_long && first & 0x30 == initial
}

/// A UDP socket behind a gate, which can be closed under the QUIC endpoint that uses it.
pub(crate) struct GatedUdp {
    gate: Arc<UdpGate>,
    address: SocketAddr,
    socket: Mutex<Option<Arc<dyn AsyncUdpSocket>>>,
}

impl GatedUdp {
    pub(crate) fn new(gate: Arc<UdpGate>, address: SocketAddr, socket: Arc<dyn AsyncUdpSocket>) -> Self {
        Self {
            gate,
            address,
            socket: Mutex::new(Some(socket)),
        }
    }

    /// Closes the socket without a word: its port is free from now on.
    pub(crate) fn cut(&self) {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn socket(&self) -> Option<Arc<dyn AsyncUdpSocket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for GatedUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GatedUdp").field(&self.address).finish()
    }
}

impl AsyncUdpSocket for GatedUdp {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(GatedPoller {
            socket: self,
            waiting: None,
        })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.socket() {
            Some(socket) if self.gate.lets_out(transmit.destination) => socket.try_send(transmit),
            Some(_) | None => Ok(()),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.socket() else {
            return Poll::Pending;
        };
        let received = ready!(socket.poll_recv(cx, bufs, meta))?;
        for (packet, bytes) in meta[..received].iter_mut().zip(bufs) {
            if !self.gate.lets_in(packet.addr, bytes) {
                // The endpoint reads as many bytes as this says: none.
                packet.len = 0;
            }
        }
        Poll::Ready(Ok(received))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket().map_or(1, |socket| socket.max_transmit_segments())
    }

    fn max_receive_segments(&self) -> usize {
        self.socket().map_or(1, |socket| socket.max_receive_segments())
    }

    fn may_fragment(&self) -> bool {
        self.socket().is_none_or(|socket| socket.may_fragment())
    }
}

/// Waits for a gated socket to take more. It holds the socket only while it waits, so that a cut
/// frees the port at once.
#[derive(Debug)]
struct GatedPoller {
    socket: Arc<GatedUdp>,
    waiting: Option<Pin<Box<dyn UdpPoller>>>,
}

impl UdpPoller for GatedPoller {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(socket) = self.socket.socket() else {
            self.waiting = None;
            return Poll::Ready(Ok(()));
        };
        let waiting = self.waiting.get_or_insert_with(|| socket.create_io_poller());
        let writable = ready!(waiting.as_mut().poll_writable(cx));
        self.waiting = None;
        Poll::Ready(writable)
    }
}

/// The gate of one TCP connection.
#[derive(Debug, Default)]
pub(crate) struct TcpGate {
    inbound: AtomicBool,
    outbound: AtomicBool,
    cut: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl TcpGate {
    /// Stops what is sent in a direction; nothing when there is none.
    pub(crate) fn close(&self, direction: Option<Direction>) {
        let closed = direction.map(Closed::towards).unwrap_or_default();
        self.inbound.store(closed.inbound, Ordering::Release);
        self.outbound.store(closed.outbound, Ordering::Release);
        self.wake();
    }

    /// Ends the connection with a TCP reset.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        self.reader.wake();
        self.writer.wake();
    }

    fn poll_reader(&self, cx: &Context<'_>) -> Poll<()> {
        self.reader.register(cx.waker());
        pending_if(self.inbound.load(Ordering::Acquire))
    }

    fn poll_writer(&self, cx: &Context<'_>) -> Poll<()> {
        self.writer.register(cx.waker());
        pending_if(self.outbound.load(Ordering::Acquire))
    }
}

const fn pending_if(closed: bool) -> Poll<()> {
    if closed { Poll::Pending } else { Poll::Ready(()) }
}

/// A TCP connection behind a gate.
#[derive(Debug)]
pub(crate) struct GatedTcp {
    gate: Arc<TcpGate>,
    stream: TcpStream,
}

impl GatedTcp {
    pub(crate) const fn new(gate: Arc<TcpGate>, stream: TcpStream) -> Self {
        Self { gate, stream }
    }

    /// Fails once the connection has been cut, having told the kernel to send a reset.
    fn alive(&self) -> io::Result<()> {
        if !self.gate.cut.load(Ordering::Acquire) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl AsyncRead for GatedTcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let open = self.gate.poll_reader(cx);
        self.alive()?;
        ready!(open);
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for GatedTcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let open = self.gate.poll_writer(cx);
        self.alive()?;
        ready!(open);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let open = self.gate.poll_writer(cx);
        self.alive()?;
        ready!(open);
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let open = self.gate.poll_writer(cx);
        self.alive()?;
        ready!(open);
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
