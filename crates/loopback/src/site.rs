//! The data centres: addresses where connectors are served, lost and brought back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use quinn::Runtime;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::AbortHandle;

use crate::authority::Authority;
use crate::error::Error;
use crate::faults::{Direction, Greeting, Loss};
use crate::gate::{GatedUdp, TcpGate, UdpGate};
use crate::link::{Place, Transport};
use crate::registrar::Registrar;
use crate::roster::Roster;
use crate::tasks::Tasks;
use crate::tls::Greeter;
use crate::violations::Violations;
use crate::{http2, ports, quic};

/// What all addresses share.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) violations: Violations,
    pub(crate) tasks: Tasks,
    /// Whether a connection that has been unregistered is closed once it is drained.
    pub(crate) closes_drained: bool,
}

/// One address of a data centre.
#[derive(Debug)]
pub(crate) struct Spot {
    pub(crate) ground: Ground,
    site: usize,
    /// The address that connectors know.
    pub(crate) address: SocketAddr,
    /// The address behind it, if a relay stands in between.
    own: SocketAddr,
    udp_gate: Arc<UdpGate>,
    quic: Arc<Greeter>,
    http2: Arc<Greeter>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    udp: Option<Udp>,
    tcp: Option<AbortHandle>,
    /// The TCP connections that are open.
    gates: Vec<Weak<TcpGate>>,
    /// Whether TCP has gone dark.
    dark: bool,
}

#[derive(Debug)]
struct Udp {
    socket: Arc<GatedUdp>,
    endpoint: quinn::Endpoint,
    accepting: AbortHandle,
}

/// How long a port that has just been closed may take to become free.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

impl Spot {
    pub(crate) fn new(
        ground: Ground,
        authority: &Authority,
        site: usize,
        (address, own): (SocketAddr, SocketAddr),
    ) -> Arc<Self> {
        let greeter = |transport| Greeter::new(transport, authority.clone(), ground.violations.clone());
        let (quic, http2) = (greeter(Transport::Quic), greeter(Transport::Http2));
        Arc::new(Self {
            ground,
            site,
            address,
            own,
            udp_gate: Arc::default(),
            quic,
            http2,
            state: Mutex::default(),
        })
    }

    /// Returns where a connection of `peer` came in.
    pub(crate) const fn place(&self, peer: SocketAddr) -> Place {
        Place {
            site: self.site,
            address: self.address,
            peer,
        }
    }

    pub(crate) const fn udp_gate(&self) -> &Arc<UdpGate> {
        &self.udp_gate
    }

    /// Greets newcomers over one transport in this way.
    pub(crate) fn greet(&self, transport: Transport, greeting: Greeting) {
        match transport {
            Transport::Quic => self.quic.greet(greeting),
            Transport::Http2 => self.http2.greet(greeting),
        }
    }

    /// Returns how newcomers are greeted over one transport.
    pub(crate) fn greeting(&self, transport: Transport) -> Greeting {
        match transport {
            Transport::Quic => self.quic.greeting(),
            Transport::Http2 => self.http2.greeting(),
        }
    }

    /// Serves QUIC on this socket.
    pub(crate) fn serve_udp(self: &Arc<Self>, socket: UdpSocket) -> Result<(), Error> {
        let config = quic::config(self.quic.config()?)?;
        let endpoint = self.endpoint(socket, config);
        let (socket, endpoint) = endpoint.map_err(|source| Error::Listen {
            address: self.own,
            source,
        })?;
        let accepting = self
            .ground
            .tasks
            .start(quic::accept(Arc::clone(self), endpoint.clone()));
        self.state().udp = Some(Udp {
            socket,
            endpoint,
            accepting,
        });
        Ok(())
    }

    fn endpoint(
        &self,
        socket: UdpSocket,
        config: quinn::ServerConfig,
    ) -> std::io::Result<(Arc<GatedUdp>, quinn::Endpoint)> {
        let runtime = Arc::new(quinn::TokioRuntime);
        let socket = runtime.wrap_udp_socket(socket.into_std()?)?;
        let socket = Arc::new(GatedUdp::new(Arc::clone(&self.udp_gate), self.own, socket));
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            quinn::EndpointConfig::default(),
            Some(config),
            Arc::<GatedUdp>::clone(&socket),
            runtime,
        )?;
        Ok((socket, endpoint))
    }

    /// Serves HTTP/2 on this listener.
    pub(crate) fn serve_tcp(self: &Arc<Self>, listener: TcpListener) -> Result<(), Error> {
        let config = self.http2.config()?;
        let accepting = self
            .ground
            .tasks
            .start(http2::accept(Arc::clone(self), listener, config));
        self.state().tcp = Some(accepting);
        Ok(())
    }

    /// Returns the gate of a new TCP connection.
    pub(crate) fn tcp_gate(&self) -> Arc<TcpGate> {
        let gate = Arc::<TcpGate>::default();
        let mut state = self.state();
        if state.dark {
            gate.close(Some(Direction::Both));
        }
        state.gates.retain(|gate| gate.strong_count() > 0);
        state.gates.push(Arc::downgrade(&gate));
        gate
    }

    /// Loses UDP packets, or lets them through again.
    pub(crate) fn silence_udp(&self, direction: Option<Direction>) {
        self.udp_gate.close_for_all(direction);
    }

    /// Closes the UDP port, so that packets to it are refused.
    pub(crate) fn close_udp(&self) {
        let Some(udp) = self.state().udp.take() else {
            return;
        };
        // The socket goes first: nobody hears the endpoint say goodbye.
        udp.socket.cut();
        udp.endpoint.close(0_u32.into(), b"");
        udp.accepting.abort();
        self.forget(Transport::Quic);
    }

    /// Closes the TCP port and resets its connections.
    pub(crate) fn close_tcp(&self) {
        let mut state = self.state();
        if let Some(accepting) = state.tcp.take() {
            accepting.abort();
        }
        for gate in state.gates.drain(..).filter_map(|gate| gate.upgrade()) {
            gate.cut();
        }
        drop(state);
        self.forget(Transport::Http2);
    }

    /// Opens the UDP port again.
    pub(crate) async fn open_udp(self: &Arc<Self>) -> Result<(), Error> {
        self.silence_udp(None);
        if self.state().udp.is_some() {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let socket = loop {
            match ports::udp(self.own).await {
                Err(_) if tokio::time::Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                outcome => break outcome?,
            }
        };
        self.serve_udp(socket)
    }

    /// Opens the TCP port again.
    pub(crate) async fn open_tcp(self: &Arc<Self>) -> Result<(), Error> {
        self.wake_tcp();
        if self.state().tcp.is_some() {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let listener = loop {
            match ports::tcp(self.own) {
                Err(_) if tokio::time::Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                outcome => break outcome?,
            }
        };
        self.serve_tcp(listener)
    }

    /// Loses the address.
    pub(crate) fn lose(&self, loss: Loss) {
        match loss {
            Loss::Silent => {
                self.silence_udp(Some(Direction::Both));
                self.silence_tcp();
                self.forget(Transport::Quic);
                self.forget(Transport::Http2);
            }
            Loss::Abrupt => {
                self.close_udp();
                self.close_tcp();
            }
        }
    }

    /// Brings the address back, on the same ports.
    pub(crate) async fn restore(self: &Arc<Self>) -> Result<(), Error> {
        self.open_udp().await?;
        self.open_tcp().await
    }

    fn silence_tcp(&self) {
        let mut state = self.state();
        state.dark = true;
        for gate in state.gates.iter().filter_map(Weak::upgrade) {
            gate.close(Some(Direction::Both));
        }
    }

    /// Ends the darkness. A server that comes back does not know the connections of before.
    fn wake_tcp(&self) {
        let mut state = self.state();
        if !std::mem::take(&mut state.dark) {
            return;
        }
        for gate in state.gates.drain(..).filter_map(|gate| gate.upgrade()) {
            gate.cut();
        }
    }

    /// Takes the connections of this address off the list.
    fn forget(&self, transport: Transport) {
        for link in self.ground.roster.links() {
            if link.place.address == self.address && link.transport() == transport {
                link.forget();
                self.ground.roster.remove(link.serial);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
