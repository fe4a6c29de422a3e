//! Dials the edge over QUIC: limits, timers, packet sizes, ports.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use adit_exchange::Transport;
use quinn::congestion::CubicConfig;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    ClientConfig, Connecting, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig,
    TransportConfig, VarInt,
};
use quinn_proto::ConnectError;
use quinn_proto::RandomConnectionIdGenerator;
use quinn_proto::crypto::{self, Session};
use quinn_proto::transport_parameters::TransportParameters;

use super::Dialed;
use super::describe;
use super::overheard::Overheard;
use super::parameters::{Change, Id, Told, rewrite};
use super::runtime::Flushing;
use super::socket::{BUFFER, Socket};
use crate::connection::Whereabouts;
use crate::error::{DialError, Obstacle, SettingsError};
use crate::report;
use crate::settings;
use crate::tls::{Purpose, Tls};

/// Dials the edge over QUIC, remembering the port of each connection.
#[derive(Debug)]
pub(crate) struct Dialer {
    endpoint: EndpointConfig,
    crypto: Rewriting,
    limits: Limits,
    purpose: Purpose,
    bind: Option<IpAddr>,
    probe_path: bool,
    ports: Mutex<BTreeMap<u8, u16>>,
    shortage_told: AtomicBool,
}

/// Bytes that may wait unread, as kept and as told to the edge at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of one connection, once it is registered.
    pub(crate) connection: u64,
    stream: u64,
    stream_told: u64,
}

impl Dialer {
    /// Prepares to dial.
    ///
    /// # Errors
    ///
    /// Fails when the TLS library lacks what QUIC needs.
    pub(crate) fn new(
        tls: &Tls,
        purpose: Purpose,
        quic: &settings::Quic,
        bind: Option<IpAddr>,
    ) -> Result<Self, SettingsError> {
        let crypto = QuicClientConfig::try_from(Arc::clone(&tls.quic))
            .map_err(|error| SettingsError::Tls(rustls::Error::General(error.to_string())))?;
        let limits = Limits::new(quic);
        let mut endpoint = EndpointConfig::default();
        endpoint
            .cid_generator(|| Box::new(RandomConnectionIdGenerator::new(0)))
            .grease_quic_bit(false)
            .max_udp_payload_size(MAX_PAYLOAD)
            .map_err(|error| SettingsError::Tls(rustls::Error::General(error.to_string())))?;
        Ok(Self {
            endpoint,
            crypto: Rewriting {
                inner: Arc::new(crypto),
                changes: limits.changes(purpose).into(),
                heard: None,
            },
            limits,
            purpose,
            bind,
            probe_path: quic.probe_path,
            ports: Mutex::default(),
            shortage_told: AtomicBool::new(!quic.tell_shortage),
        })
    }

    /// Connects to `address`, from the port that connection `index` used before if it is free.
    ///
    /// # Errors
    ///
    /// Fails when no handshake comes about in time.
    pub(crate) async fn dial(&self, index: u8, address: SocketAddr) -> Result<Dialed, DialError> {
        let socket = Arc::new(self.socket(index, address)?);
        let runtime = Arc::new(Flushing::default());
        let endpoint = Endpoint::new_with_abstract_socket(
            self.endpoint.clone(),
            None,
            Arc::clone(&socket) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::clone(&runtime) as Arc<dyn quinn::Runtime>,
        )
        .map_err(|error| local(&error))?;
        runtime.flush(Arc::clone(&socket));
        let name = self.purpose.server_name(Transport::Quic);
        let told = Arc::default();
        let connecting = endpoint
            .connect_with(self.client(Whereabouts { index, address }, &told), address, name)
            .map_err(|error| local(&error))?;
        let connection = handshake(connecting, &socket).await?;
        Ok(Dialed {
            endpoint,
            connection,
            limits: self.limits,
            told,
        })
    }

    /// Binds a socket, on the remembered port if possible.
    fn socket(&self, index: u8, remote: SocketAddr) -> Result<Socket, DialError> {
        let known = self.ports().get(&index).copied();
        let socket = match known.map(|port| (port, Socket::bind(remote, self.bind, port))) {
            Some((_, Ok(socket))) => socket,
            Some((port, Err(error))) => {
                report::port_taken(index, port, &error);
                self.bind_any(remote)?
            }
            None => self.bind_any(remote)?,
        };
        if let Ok(local) = quinn::AsyncUdpSocket::local_addr(&socket) {
            self.ports().insert(index, local.port());
        }
        if let Some(shortage) = socket.enlarge_buffers()
            && !self.shortage_told.swap(true, Ordering::Relaxed)
        {
            report::buffer_shortage(shortage.was, BUFFER, shortage.got);
        }
        Ok(socket)
    }

    fn bind_any(&self, remote: SocketAddr) -> Result<Socket, DialError> {
        Socket::bind(remote, self.bind, 0).map_err(|error| local(&error))
    }

    fn ports(&self) -> std::sync::MutexGuard<'_, BTreeMap<u8, u16>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self, at: Whereabouts, told: &Arc<OnceLock<Told>>) -> ClientConfig {
        let mut client = ClientConfig::new(self.crypto(at, told));
        client.transport_config(Arc::new(self.transport(at.address)));
        client
    }

    pub(super) fn transport(&self, address: SocketAddr) -> TransportConfig {
        let mut discovery = MtuDiscoveryConfig::default();
        discovery.upper_bound(MAX_PAYLOAD).minimum_change(MTU_STEP);
        let mut congestion = CubicConfig::default();
        congestion.initial_window(INITIAL_WINDOW);
        let mut transport = TransportConfig::default();
        transport
            .max_idle_timeout(Some(IdleTimeout::from(self.idle_timeout())))
            .keep_alive_interval(Some(KEEP_ALIVE))
            .initial_rtt(INITIAL_RTT)
            .initial_mtu(first_payload(address))
            .mtu_discovery_config(self.probe_path.then_some(discovery))
            .max_concurrent_bidi_streams(self.streams())
            .max_concurrent_uni_streams(UNI_STREAMS)
            .receive_window(FIRST_CONNECTION_WINDOW)
            .stream_receive_window(varint(self.limits.stream))
            .send_window(SEND_WINDOW)
            .datagram_receive_buffer_size((self.purpose == Purpose::Tunnel).then_some(DATAGRAMS))
            .datagram_send_buffer_size(DATAGRAMS)
            .congestion_controller_factory(Arc::new(congestion));
        transport
    }

    /// Returns how TLS is spoken on one connection.
    pub(super) fn crypto(
        &self,
        at: Whereabouts,
        told: &Arc<OnceLock<Told>>,
    ) -> Arc<dyn crypto::ClientConfig> {
        Arc::new(Rewriting {
            heard: (self.purpose == Purpose::Tunnel).then(|| (at, Arc::clone(told))),
            ..self.crypto.clone()
        })
    }

    #[cfg(test)]
    pub(super) fn endpoint(&self) -> EndpointConfig {
        self.endpoint.clone()
    }

    fn streams(&self) -> VarInt {
        match self.purpose {
            Purpose::Tunnel => VarInt::from_u32(STREAMS),
            Purpose::Probe => VarInt::from_u32(PROBE_STREAMS),
        }
    }

    fn idle_timeout(&self) -> VarInt {
        match self.purpose {
            Purpose::Tunnel => IDLE,
            Purpose::Probe => PROBE_IDLE,
        }
    }
}

impl Limits {
    fn new(quic: &settings::Quic) -> Self {
        let stream = quic.stream_window.filter(|bytes| *bytes > 0);
        let stream = stream.unwrap_or(STREAM_WINDOW).min(MAX_WINDOW);
        let connection = quic.connection_window.filter(|bytes| *bytes > 0);
        Self {
            connection: connection
                .unwrap_or(CONNECTION_WINDOW)
                .clamp(FIRST_CONNECTION_WINDOW.into_inner(), MAX_WINDOW),
            stream,
            // The library replenishes after an eighth: what is told at first has to outlast that.
            stream_told: (stream / 7).max(FIRST_STREAM_WINDOW).min(stream),
        }
    }

    /// §3.1: what the edge is told where the library would say something else.
    fn changes(self, purpose: Purpose) -> Vec<Change> {
        let mut changes = vec![
            Change::Set(Id::MaxStreamDataBidiLocal, self.stream_told),
            Change::Set(Id::MaxStreamDataBidiRemote, self.stream_told),
            Change::Set(Id::MaxStreamDataUni, self.stream_told),
            Change::Set(Id::MaxAckDelay, MAX_ACK_DELAY),
            Change::Set(Id::ActiveConnectionIdLimit, CONNECTION_IDS),
            Change::Omit(Id::MinAckDelay),
        ];
        if purpose == Purpose::Tunnel {
            changes.push(Change::Set(Id::MaxDatagramFrameSize, DATAGRAM_FRAME));
        }
        changes
    }
}

/// Waits for the handshake, as long as there is hope.
async fn handshake(connecting: Connecting, socket: &Socket) -> Result<quinn::Connection, DialError> {
    let outcome = tokio::select! {
        outcome = tokio::time::timeout(HANDSHAKE, connecting) => outcome,
        error = socket.failed() => return Err(refused_by_system(error)),
    };
    match outcome {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(failed(describe(&error), obstacle(&error))),
        Err(_elapsed) => Err(failed(TOO_SLOW, Obstacle::Silence)),
    }
}

fn obstacle(error: &ConnectionError) -> Obstacle {
    match error {
        ConnectionError::TimedOut => Obstacle::Silence,
        ConnectionError::CidsExhausted | ConnectionError::LocallyClosed => Obstacle::Local,
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset => Obstacle::Handshake,
    }
}

fn refused_by_system(error: &std::io::Error) -> DialError {
    let obstacle = if error.kind() == std::io::ErrorKind::PermissionDenied {
        Obstacle::Forbidden
    } else {
        Obstacle::NoRoute
    };
    failed(error, obstacle)
}

fn local(error: &dyn std::fmt::Display) -> DialError {
    failed(error, Obstacle::Local)
}

fn failed(cause: impl std::fmt::Display, obstacle: Obstacle) -> DialError {
    DialError {
        cause: format!("failed to dial to edge with quic: {cause}"),
        obstacle,
    }
}

/// §3.3, improve: upstream has the two sizes the wrong way round, so that its packets do not pass
/// an IPv6 path of 1280 bytes.
fn first_payload(address: SocketAddr) -> u16 {
    if address.ip().to_canonical().is_ipv4() {
        1280 - 28
    } else {
        1280 - 48
    }
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

/// A client configuration whose transport parameters are rewritten before they leave, and that
/// tells those of the edge.
#[derive(Clone)]
struct Rewriting {
    inner: Arc<QuicClientConfig>,
    changes: Arc<[Change]>,
    /// Which connection is told of, if it is, and what the edge says on it.
    heard: Option<(Whereabouts, Arc<OnceLock<Told>>)>,
}

impl crypto::ClientConfig for Rewriting {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        // The changes are constants or bounded by `Limits`: they are legal, and if not, what the
        // library says by itself is as good.
        let rewritten = rewrite(parameters, &self.changes).unwrap_or(*parameters);
        let session = Arc::clone(&self.inner).start_session(version, server_name, &rewritten)?;
        Ok(match &self.heard {
            Some((at, told)) => Box::new(Overheard::new(session, *at, Arc::clone(told))),
            None => session,
        })
    }
}

impl std::fmt::Debug for Rewriting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriting")
            .field("changes", &self.changes)
            .finish_non_exhaustive()
    }
}

/// §3.2: nothing heard for this long ends a connection, and a handshake that nobody answers.
const IDLE: VarInt = VarInt::from_u32(5_000);
const PROBE_IDLE: VarInt = VarInt::from_u32(30_000);
const HANDSHAKE: Duration = Duration::from_secs(10);
const TOO_SLOW: &str = "timeout: handshake did not complete in time";
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Before anything is measured; a lost first packet is repeated after three of these.
const INITIAL_RTT: Duration = Duration::from_millis(100);
/// Upstream's 32 packets.
const INITIAL_WINDOW: u64 = 32 * 1232;
/// Ethernet less IPv6 and UDP headers.
const MAX_PAYLOAD: u16 = 1452;
const MTU_STEP: u16 = 20;

/// Streams the edge may have open. The library keeps an entry for each, so this is replenished and
/// raised ahead of use instead of being 2^60 (§13, 5).
pub(super) const STREAMS: u32 = 2048;
const PROBE_STREAMS: u32 = 100;
/// Nobody opens these.
const UNI_STREAMS: VarInt = VarInt::from_u32(100);

const FIRST_CONNECTION_WINDOW: VarInt = VarInt::from_u32(786_432);
const FIRST_STREAM_WINDOW: u64 = 524_288;
/// Seven times the first window, see `Limits`: 500 Mbit/s over 55 ms on one stream.
const STREAM_WINDOW: u64 = 7 * FIRST_STREAM_WINDOW;
/// What visitors can make one connection hold in memory while origins do not read.
const CONNECTION_WINDOW: u64 = 16 << 20;
/// Beyond this a window is a mistake, not a wish.
const MAX_WINDOW: u64 = 1 << 30;
/// What origins can make one connection hold in memory while the edge does not acknowledge.
const SEND_WINDOW: u64 = 8 << 20;

const MAX_ACK_DELAY: u64 = 26;
const CONNECTION_IDS: u64 = 4;
const DATAGRAM_FRAME: u64 = 16_383;
/// Datagrams that wait, in bytes. Older ones give way.
const DATAGRAMS: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::Roots;

    #[test]
    fn told_credit_outlasts_the_first_update() {
        let check = |wanted, kept, told| {
            let limits = Limits::new(&settings::Quic {
                stream_window: wanted,
                ..settings::Quic::default()
            });
            assert_eq!((limits.stream, limits.stream_told), (kept, told), "{wanted:?}");
            assert!(limits.stream_told > limits.stream / 8);
        };
        check(None, 7 * 524_288, 524_288);
        check(Some(0), 7 * 524_288, 524_288);
        check(Some(100_000), 100_000, 100_000);
        check(Some(6 << 20), 6 << 20, 898_779);
        check(Some(u64::MAX), 1 << 30, (1 << 30) / 7);
    }

    #[tokio::test]
    async fn a_system_that_refuses_to_send_ends_the_dial_at_once() {
        let tls = Tls::new(&Roots::Only(Roots::embedded()), false).expect("the roots are read");
        let dialer = Dialer::new(&tls, Purpose::Tunnel, &settings::Quic::default(), None);
        // Broadcast needs a permission that the socket has not asked for.
        let address = SocketAddr::from(([255, 255, 255, 255], 9));
        let failure = dialer.expect("the dialer is built").dial(0, address).await;
        let obstacle = failure.map(|_| ()).map_err(|error| error.obstacle);
        assert!(
            matches!(obstacle, Err(Obstacle::Forbidden | Obstacle::NoRoute)),
            "{obstacle:?}"
        );
    }

    #[tokio::test]
    async fn a_port_is_kept_and_given_up_when_taken() {
        let tls = Tls::new(&Roots::Only(Roots::embedded()), false).expect("the roots are read");
        let dialer = Dialer::new(&tls, Purpose::Tunnel, &settings::Quic::default(), None)
            .expect("the dialer is built");
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        let port = |socket: &Socket| {
            quinn::AsyncUdpSocket::local_addr(socket)
                .expect("it is bound")
                .port()
        };
        let first = port(&dialer.socket(3, remote).expect("a port is free"));
        assert_eq!(
            port(&dialer.socket(3, remote).expect("the port is free again")),
            first
        );
        let _taken = UdpSocket::bind(("0.0.0.0", first)).expect("the port is free again");
        assert_ne!(
            port(&dialer.socket(3, remote).expect("another port is free")),
            first
        );
    }
}
