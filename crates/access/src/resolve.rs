//! Names to addresses, without the system's library, which a static program does not have.

use std::io;
use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;

/// Returns the addresses of a host.
///
/// # Errors
///
/// Fails when there are none.
pub(crate) async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let nothing = || io::Error::new(io::ErrorKind::NotFound, format!("lookup {host}: no such host"));
    let resolver = TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .map_err(io::Error::other)?;
    let found = resolver.lookup_ip(host).await.map_err(|_| nothing())?;
    let addresses: Vec<_> = found
        .iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    if addresses.is_empty() {
        Err(nothing())
    } else {
        Ok(addresses)
    }
}
