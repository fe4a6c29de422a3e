//! Turns names of origins into addresses, without the C library.
//!
//! `resolv.conf` and the hosts file are read again when they change, so that a laptop that moves
//! and a container whose hosts file is edited are followed.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use adit_exchange::Class;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use crate::error::Failure;

/// Turns a name into addresses; a test or another program may bring its own.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// Returns the addresses of `name`, in any order.
    fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a>;
}

/// What [`Resolve::lookup`] returns.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, Failure>> + Send + 'a>>;

/// Resolves as this machine is configured to.
#[derive(Debug, Default)]
pub struct System {
    current: Mutex<Option<Current>>,
}

#[derive(Clone)]
struct Current {
    resolver: Arc<TokioResolver>,
    stamps: [Option<SystemTime>; 2],
    checked: Instant,
}

/// The files that decide, where they exist.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// How long the files are taken to be unchanged.
const UNCHANGED: Duration = Duration::from_secs(5);

impl Resolve for System {
    fn lookup<'a>(&'a self, name: &'a str) -> Lookup<'a> {
        Box::pin(async move {
            let failed = |error: NetError| {
                let text = if error.is_no_records_found() || error.is_nx_domain() {
                    "no such host".to_owned()
                } else {
                    error.to_string()
                };
                Failure::new(Class::Dns, format!("lookup {name}: {text}"))
            };
            let resolver = self.resolver().map_err(failed)?;
            let found = resolver.lookup_ip(name).await.map_err(failed)?;
            Ok(found.iter().collect())
        })
    }
}

impl System {
    fn resolver(&self) -> Result<Arc<TokioResolver>, NetError> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &mut *current {
            let now = Instant::now();
            if now.duration_since(current.checked) < UNCHANGED || current.stamps == stamps() {
                current.checked = now;
                return Ok(Arc::clone(&current.resolver));
            }
        }
        let resolver = Arc::new(build()?);
        *current = Some(Current {
            resolver: Arc::clone(&resolver),
            stamps: stamps(),
            checked: Instant::now(),
        });
        Ok(resolver)
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Current")
            .field("stamps", &self.stamps)
            .finish_non_exhaustive()
    }
}

fn build() -> Result<TokioResolver, NetError> {
    // Without a readable configuration the hosts file still answers.
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    builder.build()
}

fn stamps() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

/// Puts addresses in the order in which they are worth trying: those this machine has a route to
/// first, and among equals IPv6 before IPv4.
pub(crate) fn by_preference(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    if addresses.len() > 1 {
        addresses.sort_by_cached_key(|address| (!has_route(*address), address.is_ipv4()));
        addresses.dedup();
    }
    addresses
}

/// Returns whether there is a local address from which `address` is reached. Nothing is sent.
fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let connected = UdpSocket::bind(SocketAddr::new(any, 0))
        .and_then(|socket| socket.connect(SocketAddr::new(address, PROBED_PORT)));
    connected.is_ok()
}

/// The port a route is asked for; it has no influence.
const PROBED_PORT: u16 = 9;
