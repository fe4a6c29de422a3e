//! Turns names into addresses, without the C library.
//!
//! `resolv.conf` and the hosts file are read again when they change, so that a laptop that moves
//! and a container whose hosts file is edited are followed.

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use adit_exchange::Class;
use futures_util::future::select_ok;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use tokio::time::sleep;

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

/// How long the addresses of both families are waited for, where there are some of one.
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
        let failed = |text: &str| Failure::new(Class::Dns, format!("lookup {host}: {text}"));
        let found = self.lookup(host).await.map_err(|error| {
            if error.is_no_records_found() || error.is_nx_domain() {
                failed("no such host")
            } else {
                failed(&error.to_string())
            }
        })?;
        if found.is_empty() {
            return Err(failed("no such host"));
        }
        Ok(by_preference(found))
    }

    async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NetError> {
        let resolver = self.resolver()?;
        tokio::select! {
            both = resolver.lookup_ip(name) => Ok(both?.iter().collect()),
            found = one_family(&resolver, name) => Ok(found),
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

/// Returns the addresses of one family if those of both take long: a server of names may be silent
/// about the other. Those of both are better, as they are of one host even where the search for the
/// name leads through several domains.
async fn one_family(resolver: &TokioResolver, name: &str) -> Vec<IpAddr> {
    sleep(GRACE).await;
    let families = [RecordType::A, RecordType::AAAA].map(|kind| Box::pin(family(resolver, name, kind)));
    match select_ok(families).await {
        Ok((found, _)) => found,
        Err(()) => pending().await,
    }
}

/// Looks up the addresses of one family, at least one.
async fn family(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, ()> {
    let found = resolver.lookup(name, kind).await.map_err(drop)?;
    let records = found.answers().iter();
    let addresses: Vec<_> = records.filter_map(|record| record.data.ip_addr()).collect();
    if addresses.is_empty() {
        Err(())
    } else {
        Ok(addresses)
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

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn a_server_that_is_silent_about_a_family_is_not_waited_for() {
        let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let names = asking(server.local_addr().expect("an address"));
        let found = tokio::select! {
            found = names.addresses("far.example") => found,
            () = answer(&server) => unreachable!("it answers for ever"),
        };
        assert_eq!(found, Ok(vec![IpAddr::from([192, 0, 2, 7])]));
    }

    /// Answers questions for IPv4 addresses, and no others.
    async fn answer(server: &UdpSocket) {
        let mut packet = [0; 512];
        loop {
            let (length, from) = server.recv_from(&mut packet).await.expect("a question");
            let name = packet[12..length].iter().position(|byte| *byte == 0);
            let question = &packet[12..12 + name.expect("a name") + 5];
            if question[question.len() - 4..] != [0, 1, 0, 1] {
                continue;
            }
            let head = [&packet[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]].concat();
            let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
            let answer = [&head, question, &record].concat();
            server.send_to(&answer, from).await.expect("an answer");
        }
    }

    fn asking(server: SocketAddr) -> Names {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
        Names(Arc::new(Mutex::new(Some(Current {
            resolver: Arc::new(resolver.expect("a resolver")),
            stamps: stamps(),
            checked: Instant::now(),
        }))))
    }
}
