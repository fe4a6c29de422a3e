//! The lifecycle lines that people and scripts look for, with the fields they know.

use std::net::SocketAddr;

use adit_exchange::{Kind, Transport};
use adit_rpc::CallError;
use adit_wire::registration::Details;

use crate::connection::Whereabouts;
use crate::quic::parameters::Told;
use crate::supervisor::{Dial, Level, Line};
use crate::tls::curve_preferences;

/// Writes the fields that are there: a field without a value is not written at all.
macro_rules! emit {
    ($level:ident, $line:expr) => {
        tracing::event!(
            tracing::Level::$level,
            connIndex = $line.index,
            event = $line.ip.map(|_| 0),
            ip = $line.ip.map(tracing::field::display),
            error = $line.error.as_deref(),
            "{}",
            $line.message
        )
    };
}

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

/// Says what a connection is about to greet the edge with.
pub(crate) fn dialing(dial: &Dial, post_quantum: bool) {
    if dial.transport == Transport::Http2 {
        connecting_http2(dial);
    }
    tracing::info!(
        connIndex = dial.index,
        event = 0,
        ip = %dial.address.ip(),
        "Tunnel connection curve preferences: {}",
        curve_preferences(post_quantum)
    );
}

/// Says that a connection asks to be registered.
pub(crate) fn registering(at: &Whereabouts, transport: Transport) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        protocol = transport.name(),
        "Registering tunnel connection"
    );
}

/// Says that the edge has accepted a connection.
pub(crate) fn registered(at: &Whereabouts, transport: Transport, details: &Details) {
    tracing::info!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        connection = %details.id,
        location = details.location,
        protocol = transport.name(),
        "Registered tunnel connection"
    );
}

/// Says that the edge knows that a connection leaves.
pub(crate) fn unregistered(at: &Whereabouts) {
    tracing::info!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        "Unregistered tunnel connection"
    );
}

/// Says that the edge did not answer that a connection leaves.
pub(crate) fn not_unregistered(at: &Whereabouts, error: &CallError) {
    tracing::warn!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = %error,
        "Error shutting down control stream"
    );
}

/// Says that a connection leaves of which the edge is known not to hear any more.
pub(crate) fn left_unheard(at: &Whereabouts, error: &CallError) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = %error,
        "The edge did not answer that the connection leaves"
    );
}

/// Says that the rules written here cannot be put into JSON.
pub(crate) fn no_local_configuration(cause: &str) {
    tracing::error!(error = cause, "failed to obtain current configuration");
}

/// Says that the edge does not know the rules written here.
pub(crate) fn local_configuration_unsent(error: &CallError) {
    tracing::error!(error = %error, "unable to send local configuration");
}

/// Says which limits the edge has.
pub(crate) fn transport_parameters(at: &Whereabouts, told: &Told) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        MaxUDPPayloadSize = told.payload,
        MaxIdleTimeout = told.idle,
        MaxDatagramFrameSize = told.datagram,
        "Received transport parameters"
    );
}

/// Says that larger packets pass.
pub(crate) fn mtu(at: &Whereabouts, mtu: u16) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        "QUIC MTU updated to {mtu}"
    );
}

/// Says how often one side had to wait for credit since the last look. The library tells neither
/// how much nor for which stream.
pub(crate) fn blocked(at: &Whereabouts, side: &str, frame: &str, count: u64) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        count,
        "{side} {frame} frame"
    );
}

/// Says that a stream made no sense.
pub(crate) fn stream_failed(at: &Whereabouts, cause: &str) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = cause,
        "Failed to handle QUIC stream"
    );
}

/// Says that a request got no answer, or only half of one.
pub(crate) fn request_failed(at: &Whereabouts, kind: Kind, destination: &[u8], cause: &str) {
    let kind = match kind {
        Kind::Http => "http",
        Kind::WebSocket => "ws",
        Kind::Tcp => "tcp",
    };
    tracing::error!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = cause,
        r#type = kind,
        dest = %String::from_utf8_lossy(destination),
        "Request failed"
    );
}

/// Says that a visitor did not wait for the end.
pub(crate) fn visitor_left(at: &Whereabouts, cause: &str) {
    tracing::debug!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = cause,
        "Visitor left before the end"
    );
}

/// Says that the edge did not take a chunk in time.
pub(crate) fn write_timeout(at: &Whereabouts, cause: &str) {
    tracing::error!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        error = cause,
        "Closing quic stream due to timeout while writing"
    );
}

/// Says that a defect cost one stream.
pub(crate) fn stream_panicked(at: &Whereabouts) {
    tracing::error!(
        connIndex = at.index,
        event = 0,
        ip = %at.address.ip(),
        "A stream ended in a defect of this program"
    );
}

/// Writes a line of the supervisor.
pub(crate) fn line(line: &Line) {
    match line.level {
        Level::Debug => emit!(DEBUG, line),
        Level::Info => emit!(INFO, line),
        Level::Warn => emit!(WARN, line),
        Level::Error => emit!(ERROR, line),
    }
}

/// Says that a request over HTTP/2 got no answer, or only half of one.
pub(crate) fn request_failed_plain(cause: &str) {
    tracing::error!(error = cause, "failed to serve incoming request");
}

/// Says what is announced on a connection.
pub(crate) fn options(dial: &Dial, features: &[String]) {
    tracing::debug!(
        connIndex = dial.index,
        event = 0,
        ip = %dial.address.ip(),
        ?features,
        "Tunnel connection options"
    );
}

/// Says that HTTP/2 is being used.
fn connecting_http2(dial: &Dial) {
    tracing::debug!(
        connIndex = dial.index,
        event = 0,
        ip = %dial.address.ip(),
        "Connecting via http2"
    );
}

/// Says that the record of features could not be had.
pub(crate) fn features_unknown(first: bool, cause: &str) {
    if first {
        tracing::error!(error = cause, "Failed to fetch features, default to disable");
    } else {
        tracing::error!(error = cause, "Failed to refresh feature selector");
    }
}
