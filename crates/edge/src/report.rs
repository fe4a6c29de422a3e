//! The lifecycle lines that people and scripts look for, with the fields they know.

use std::net::SocketAddr;

/// Says that a remembered port is taken.
pub(crate) fn port_taken(index: u8, port: u16, error: &std::io::Error) {
    tracing::debug!(
        connIndex = index,
        event = 0,
        error = %error,
        "Unable to reuse port {port} for connIndex {index}. Falling back to random allocation."
    );
}

/// Says once that the kernel grants less buffer than wanted.
pub(crate) fn buffer_shortage(was: usize, wanted: usize, got: usize) {
    tracing::warn!(
        "failed to sufficiently increase receive buffer size (was: {} kiB, wanted: {} kiB, got: {} kiB). \
         See https://github.com/quic-go/quic-go/wiki/UDP-Buffer-Sizes for details.",
        was / 1024,
        wanted / 1024,
        got / 1024
    );
}

/// Says which SRV record is looked up.
pub(crate) fn looking_up(domain: &str) {
    tracing::debug!(domain, event = 0, "edge discovery: looking up edge SRV record");
}

/// Says which addresses a region has.
pub(crate) fn resolved(addresses: &[SocketAddr]) {
    tracing::debug!(?addresses, event = 0, "edge discovery: resolved edge addresses");
}

/// Says that the edge was not found.
pub(crate) fn discovery_failed(cause: &str) {
    tracing::error!(
        error = cause,
        event = 0,
        "edge discovery: error looking up Cloudflare edge IPs: the DNS query failed"
    );
}

/// Says that an address from the user does not resolve.
pub(crate) fn unresolvable(address: &str, cause: &str) {
    tracing::error!(
        address,
        error = cause,
        event = 0,
        "edge discovery: failed to resolve to TCP address"
    );
}
