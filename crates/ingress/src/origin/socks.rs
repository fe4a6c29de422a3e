//! A SOCKS5 server for the client at the other end of a stream.

pub(crate) mod shaking;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use adit_config::Span;
use adit_dial::{Dialer, Failure, Names};
use adit_dialect::errno;
use adit_exchange::{Class, Io};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

pub(crate) use self::shaking::{Shaken, Shaking};
use crate::policy::Policy;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const BIND: u8 = 2;
const ASSOCIATE: u8 = 3;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// What a client is told about its request.
#[derive(Clone, Copy)]
enum Code {
    Granted = 0,
    Denied = 2,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    Unsupported = 7,
}

/// How a SOCKS server gets to destinations.
pub(crate) trait Reach: fmt::Debug + Send + Sync {
    /// Returns an address of the host called `name`.
    fn resolve<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<IpAddr, Failure>>;
    /// Connects to `host:port` and tells from where.
    fn connect<'a>(&'a self, destination: &'a str) -> Boxed<'a, Result<Established, Failure>>;
}

/// A boxed future.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection that was made, and its local address.
pub(crate) type Established = (Box<dyn Io>, SocketAddr);

/// Why a handshake led nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocksError {
    /// The client broke off.
    #[error("{0}")]
    Client(#[from] io::Error),
    /// The client was told no, or is not worth an answer.
    #[error("{0}")]
    Refused(String),
    /// The command is known and not offered.
    #[error("unsupported command")]
    Unsupported,
}

/// Where a client wants to go.
#[derive(Clone, Debug)]
struct Destination {
    host: Host,
    port: u16,
}

#[derive(Clone, Debug)]
enum Host {
    Address(IpAddr),
    Name(String),
}

/// Shakes hands with `client` and returns it with the connection that it asked for.
///
/// With a policy names are resolved here and the policy decides; without one anything goes.
pub(crate) async fn serve(
    mut client: DuplexStream,
    policy: Option<Arc<Policy>>,
    reach: Arc<dyn Reach>,
) -> Shaken {
    let shaken = shake(&mut client, policy, reach).await;
    (client, shaken)
}

async fn shake(
    client: &mut DuplexStream,
    policy: Option<Arc<Policy>>,
    reach: Arc<dyn Reach>,
) -> Result<Box<dyn Io>, SocksError> {
    negotiate(client).await?;
    let destination = request(client).await?;
    let dialed = match &policy {
        Some(policy) => permitted(client, &destination, policy, &*reach).await?,
        None => destination.dialed(),
    };
    match reach.connect(&dialed).await {
        Ok((io, local)) => {
            answer(client, Code::Granted, local).await?;
            Ok(io)
        }
        Err(failure) => {
            answer(client, code_of(&failure.cause), UNSPECIFIED).await?;
            let shown = destination.shown(None);
            Err(SocksError::Refused(format!(
                "Connect to {shown} failed: {failure}"
            )))
        }
    }
}

/// The address of an answer that has none to tell.
const UNSPECIFIED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

async fn negotiate(client: &mut DuplexStream) -> Result<(), SocksError> {
    let version = client.read_u8().await?;
    if version != VERSION {
        return Err(SocksError::Refused(format!(
            "Unsupported SOCKS version: [{version}]"
        )));
    }
    let count = client.read_u8().await?;
    let mut methods = vec![0; usize::from(count)];
    let read = client.read_exact(&mut methods).await;
    read.map_err(|_| SocksError::Refused("Failed to read auth methods: unexpected EOF".into()))?;
    if methods.contains(&NO_AUTHENTICATION) {
        client.write_all(&[VERSION, NO_AUTHENTICATION]).await?;
        return Ok(());
    }
    client.write_all(&[VERSION, NO_METHOD]).await?;
    Err(SocksError::Refused("unknown authentication type".into()))
}

async fn request(client: &mut DuplexStream) -> Result<Destination, SocksError> {
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let [version, command, _, kind] = head;
    if version != VERSION {
        return Err(SocksError::Refused(format!(
            "Unsupported command version: {version}"
        )));
    }
    let host = match kind {
        IPV4 => {
            let mut octets = [0; 4];
            client.read_exact(&mut octets).await?;
            Host::Address(IpAddr::V4(octets.into()))
        }
        IPV6 => {
            let mut octets = [0; 16];
            client.read_exact(&mut octets).await?;
            Host::Address(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        NAME => {
            let length = client.read_u8().await?;
            let mut name = vec![0; usize::from(length)];
            client.read_exact(&mut name).await?;
            Host::Name(String::from_utf8_lossy(&name).into_owned())
        }
        _ => return Err(SocksError::Refused("Unrecognized address type".into())),
    };
    let port = client.read_u16().await?;
    match command {
        CONNECT => Ok(Destination { host, port }),
        BIND | ASSOCIATE => {
            answer(client, Code::Unsupported, UNSPECIFIED).await?;
            Err(SocksError::Unsupported)
        }
        command => {
            answer(client, Code::Unsupported, UNSPECIFIED).await?;
            Err(SocksError::Refused(format!("Unsupported command: {command}")))
        }
    }
}

/// Asks the policy and returns what may be dialed.
async fn permitted(
    client: &mut DuplexStream,
    destination: &Destination,
    policy: &Policy,
    reach: &dyn Reach,
) -> Result<String, SocksError> {
    let address = match &destination.host {
        Host::Address(address) => *address,
        Host::Name(name) => match reach.resolve(name).await {
            Ok(address) => address,
            Err(_) => {
                deny(client, destination).await?;
                let text = "unable to resolve host to confirm access";
                return Err(SocksError::Refused(text.into()));
            }
        },
    };
    if let Err(rule) = policy.allows(address, destination.port) {
        deny(client, destination).await?;
        let shown = destination.shown(Some(address));
        let why = rule.map_or(String::new(), |rule| format!(" due to iprule: {rule}"));
        return Err(SocksError::Refused(format!("Connect to {shown} denied{why}")));
    }
    Ok(SocketAddr::new(address.to_canonical(), destination.port).to_string())
}

/// Tells a client that it may not go where it wants, repeating its own words.
async fn deny(client: &mut DuplexStream, destination: &Destination) -> io::Result<()> {
    let mut denial = vec![VERSION, Code::Denied as u8, 0];
    match &destination.host {
        Host::Address(IpAddr::V4(address)) => {
            denial.push(IPV4);
            denial.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            denial.push(IPV6);
            denial.extend(address.octets());
        }
        Host::Name(name) => {
            denial.push(NAME);
            denial.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            denial.extend(name.bytes().take(usize::from(u8::MAX)));
        }
    }
    denial.extend(destination.port.to_be_bytes());
    client.write_all(&denial).await
}

async fn answer(client: &mut DuplexStream, code: Code, address: SocketAddr) -> io::Result<()> {
    let mut answer = vec![VERSION, code as u8, 0];
    match address.ip() {
        IpAddr::V4(address) => {
            answer.push(IPV4);
            answer.extend(address.octets());
        }
        IpAddr::V6(address) => {
            answer.push(IPV6);
            answer.extend(address.octets());
        }
    }
    answer.extend(address.port().to_be_bytes());
    client.write_all(&answer).await
}

fn code_of(cause: &str) -> Code {
    if cause.contains("refused") {
        Code::Refused
    } else if cause.contains("network is unreachable") {
        Code::NetworkUnreachable
    } else {
        Code::HostUnreachable
    }
}

impl Destination {
    /// Returns what is dialed when nobody asks for more.
    fn dialed(&self) -> String {
        match &self.host {
            Host::Address(address) => SocketAddr::new(address.to_canonical(), self.port).to_string(),
            Host::Name(name) => format!("{name}:{}", self.port),
        }
    }

    /// Returns the destination as messages show it.
    fn shown(&self, resolved: Option<IpAddr>) -> String {
        let port = self.port;
        match (&self.host, resolved) {
            (Host::Address(address), _) => format!("{address}:{port}"),
            (Host::Name(name), Some(address)) => format!("{name} ({address}):{port}"),
            (Host::Name(name), None) => format!("{name} (<nil>):{port}"),
        }
    }
}

/// Returns the dialer of destinations that clients name: no limit of its own.
pub(crate) fn dialer(names: &Names) -> Dialer {
    Dialer::new(names.clone(), Span::default(), Span::default())
}

fn established(stream: TcpStream) -> Result<Established, Failure> {
    let local = stream.local_addr();
    let local = local.map_err(|error| Failure::new(Class::Internal, errno::text(&error)))?;
    Ok((Box::new(stream), local))
}

impl Reach for Dialer {
    fn resolve<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<IpAddr, Failure>> {
        Box::pin(async move {
            let addresses = self.addresses(name).await?;
            let v4 = addresses.iter().find(|address| address.is_ipv4());
            let none = || Failure::new(Class::Dns, format!("lookup {name}: no such host"));
            v4.or(addresses.first()).copied().ok_or_else(none)
        })
    }

    fn connect<'a>(&'a self, destination: &'a str) -> Boxed<'a, Result<Established, Failure>> {
        Box::pin(async move { established(Self::connect(self, destination).await?) })
    }
}

/// A destination that was connected before the client was asked, whatever it will say.
pub(crate) struct Reached(Mutex<Option<Established>>);

impl Reached {
    /// Returns the destination at the other end of `io`.
    ///
    /// # Errors
    ///
    /// Fails when it is gone already.
    pub(crate) fn new(stream: TcpStream) -> Result<Self, Failure> {
        Ok(Self(Mutex::new(Some(established(stream)?))))
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Reached")
    }
}

impl Reach for Reached {
    fn resolve<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<IpAddr, Failure>> {
        Box::pin(async { Ok(UNSPECIFIED.ip()) })
    }

    fn connect<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Established, Failure>> {
        Box::pin(async {
            let reached = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            reached.ok_or_else(|| Failure::new(Class::Internal, "asked for a second connection"))
        })
    }
}

#[cfg(test)]
mod tests;
