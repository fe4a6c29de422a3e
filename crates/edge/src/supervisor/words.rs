//! Sans-IO. The lines that the end of a round and the loss of a connection are told with.

use std::net::SocketAddr;
use std::time::Duration;

use adit_dialect::duration;
use adit_exchange::Transport;

use super::slot::Fault;
use super::{Level, Line};
use crate::error::{Ended, Obstacle};

/// Returns the lines for a round that failed.
pub(super) fn of_failure(level: Level, index: u8, address: SocketAddr, fault: &Fault) -> Vec<Line> {
    let line = |message| {
        Line::new(level, message)
            .at(index, address.ip())
            .because(fault.ended.cause())
    };
    let quic = fault.transport == Transport::Quic;
    let first = match &fault.ended {
        Ended::Unreachable { .. } if quic => return vec![line(DIAL_QUIC)],
        Ended::Unreachable { .. } => line(DIAL_HTTP2),
        Ended::Duplicate => line(DUPLICATE),
        Ended::Deferred { .. } | Ended::Rejected { .. } => line(REGISTER),
        Ended::Lost { .. } | Ended::Drained if quic => line(SERVE_QUIC),
        Ended::Lost { .. } | Ended::Drained => Line::new(Level::Info, LOST_HTTP2).of(index),
    };
    vec![first, line(SERVE)]
}

/// Returns the lines for a registered connection that is gone.
pub(super) fn of_loss(level: Level, index: u8, address: SocketAddr, fault: &Fault) -> Vec<Line> {
    let mut lines = Vec::new();
    if fault.transport == Transport::Quic && matches!(fault.ended, Ended::Lost { .. }) {
        // §11 has it as an error always: as with the lines below, the others may carry on.
        let line = Line::new(level, ACCEPT_QUIC).at(index, address.ip());
        lines.push(line.because(fault.ended.cause()));
    }
    lines.extend(of_failure(level, index, address, fault));
    lines.push(
        Line::new(level, "Connection terminated")
            .of(index)
            .because(fault.ended.cause()),
    );
    lines
}

/// Returns the line that announces the next round.
pub(super) fn of_retry(index: u8, address: Option<SocketAddr>, longest: Duration) -> Line {
    let message = format!("Retrying connection in up to {}", written(longest));
    let line = Line::new(Level::Info, message).of(index);
    match address {
        Some(address) => line.at(index, address.ip()),
        None => line,
    }
}

/// Returns the lines for HTTP/2 taking the place of QUIC.
pub(super) fn of_fallback(index: u8, address: SocketAddr, to: Transport, fault: Option<&Fault>) -> Vec<Line> {
    let silent = fault.is_none_or(|fault| match &fault.ended {
        Ended::Unreachable { obstacle, .. } => matches!(obstacle, Obstacle::Silence | Obstacle::Forbidden),
        Ended::Lost { silent, .. } => *silent,
        Ended::Drained | Ended::Duplicate | Ended::Deferred { .. } | Ended::Rejected { .. } => false,
    });
    let mut lines = Vec::new();
    if silent {
        lines.push(Line::new(Level::Warn, UDP_BLOCKED).at(index, address.ip()));
    }
    let message = format!("Switching to fallback protocol {to}");
    lines.push(Line::new(Level::Info, message).at(index, address.ip()));
    lines
}

/// Returns the line for a connection that changes to another transport.
pub(super) fn of_change(index: u8, address: SocketAddr, to: Transport) -> Line {
    Line::new(Level::Info, format!("Changing protocol to {to}")).at(index, address.ip())
}

/// Returns the lines for a connection that is broken on request.
pub(super) fn of_reconnect(
    index: u8,
    address: SocketAddr,
    transport: Transport,
    pause: Duration,
) -> Vec<Line> {
    let what = match transport {
        Transport::Quic => "tunnel",
        Transport::Http2 => "http2",
    };
    let breaking = format!("Forcefully breaking {what} connection");
    let restarting = format!(
        "Restarting connection due to reconnect signal in {}",
        written(pause)
    );
    [(Level::Debug, breaking), (Level::Info, restarting)]
        .map(|(level, message)| Line::new(level, message).at(index, address.ip()))
        .into()
}

fn written(length: Duration) -> String {
    duration::print(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX))
}

const DIAL_QUIC: &str = "Failed to dial a quic connection";
const DIAL_HTTP2: &str = "Unable to establish connection with Cloudflare edge";
const DUPLICATE: &str = "Unable to establish connection.";
const REGISTER: &str = "Register tunnel error from server side";
const ACCEPT_QUIC: &str = "failed to accept incoming stream requests";
const SERVE_QUIC: &str = "failed to serve tunnel connection";
const LOST_HTTP2: &str = "Lost connection with the edge";
const SERVE: &str = "Serve tunnel error";

/// Only its beginning is known to scripts; it names what to open and what is lost without it.
const UDP_BLOCKED: &str = "If this log occurs persistently, and cloudflared is unable to connect to Cloudflare Network \
                           with `quic` protocol, then UDP towards port 7844 of the edge is most likely blocked on the \
                           way out.\nOpen it, or choose `--protocol http2` to go without.\nPing, UDP and private DNS \
                           through the tunnel need `quic`.";
