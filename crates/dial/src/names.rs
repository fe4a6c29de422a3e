//! Turns names into addresses, without the C library.
//!
//! `resolv.conf` and the hosts file are read again when they change, so that a laptop that moves
//! and a container whose hosts file is edited are followed.

use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use adit_exchange::Class;
use futures_util::future::select;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolverConfig;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use tokio::time::timeout;

use crate::error::Failure;

/// Resolves names as this machine is configured to.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<Option<Current>>>);

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

/// How long the second family of addresses is waited for, once there are some of the first: a
/// server of names may be silent about one of them.
const GRACE: Duration = Duration::from_millis(500);

impl Names {
    /// Returns the addresses of a host, the best first.
    ///
    /// # Errors
    ///
    /// Fails when there are none.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let found = self.lookup(host).await.map_err(|error| {
            let text = match error {
                Some(error) if !error.is_no_records_found() && !error.is_nx_domain() => error.to_string(),
                Some(_) | None => "no such host".to_owned(),
            };
            Failure::new(Class::Dns, format!("lookup {host}: {text}"))
        })?;
        Ok(by_preference(found))
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, Option<NetError>> {
        let resolver = self.resolver()?;
        let four = pin!(family(&resolver, name, RecordType::A));
        let six = pin!(family(&resolver, name, RecordType::AAAA));
        match select(four, six).await.factor_first() {
            (Ok(mut found), other) => {
                if let Ok(Ok(more)) = timeout(GRACE, other).await {
                    found.extend(more);
                }
                Ok(found)
            }
            (Err(error), other) => other.await.map_err(|_| error),
        }
    }

    fn resolver(&self) -> Result<Arc<TokioResolver>, NetError> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

/// Looks up the addresses of one family, at least one.
async fn family(
    resolver: &TokioResolver,
    name: &str,
    kind: RecordType,
) -> Result<Vec<IpAddr>, Option<NetError>> {
    let found = resolver.lookup(name, kind).await?;
    let addresses: Vec<_> = found
        .answers()
        .iter()
        .filter_map(|record| record.data.ip_addr())
        .collect();
    if addresses.is_empty() {
        return Err(None);
    }
    Ok(addresses)
}

fn build() -> Result<TokioResolver, NetError> {
    // Without a readable configuration the hosts file still answers.
    let builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    builder.build()
}

fn stamps() -> [Option<SystemTime>; 2] {
    FILES.map(|file| std::fs::metadata(file).and_then(|file| file.modified()).ok())
}

/// Puts addresses in the order in which they are worth trying: those this machine has a route to
/// first, and among equals IPv6 before IPv4.
fn by_preference(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
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
