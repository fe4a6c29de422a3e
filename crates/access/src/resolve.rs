//! Names to addresses, without the system's library, which a static program does not have.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// How long the second family of addresses is waited for, once there are some of the first: a
/// server of names may be silent about one of them.
const GRACE: Duration = Duration::from_millis(500);

/// Returns the addresses of a host.
///
/// # Errors
///
/// Fails when there are none.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let mut four = pin!(family(host, LookupIpStrategy::Ipv4Only));
    let mut six = pin!(family(host, LookupIpStrategy::Ipv6Only));
    let (four, six) = tokio::select! {
        found = &mut four => {
            let other = second(!found.is_empty(), six).await;
            (found, other)
        }
        found = &mut six => {
            let other = second(!found.is_empty(), four).await;
            (other, found)
        }
    };
    let addresses: Vec<_> = four.into_iter().chain(six).collect();
    if addresses.is_empty() {
        let nothing = format!("lookup {host}: no such host");
        return Err(io::Error::new(io::ErrorKind::NotFound, nothing));
    }
    Ok(addresses
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect())
}

async fn second(have: bool, other: impl Future<Output = Vec<IpAddr>>) -> Vec<IpAddr> {
    if !have {
        return other.await;
    }
    tokio::time::timeout(GRACE, other).await.unwrap_or_default()
}

/// Looks up the addresses of one family.
async fn family(host: &str, strategy: LookupIpStrategy) -> Vec<IpAddr> {
    let found = async { resolver(strategy)?.lookup_ip(host).await };
    match found.await {
        Ok(found) => found.iter().collect(),
        Err(error) => {
            tracing::debug!(host, %error, "no address");
            Vec::new()
        }
    }
}

fn resolver(strategy: LookupIpStrategy) -> Result<TokioResolver, NetError> {
    // Without a readable configuration the hosts file still answers.
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
        TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
    });
    builder.options_mut().ip_strategy = strategy;
    builder.build()
}
