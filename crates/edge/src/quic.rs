//! The QUIC transport: one connection to the edge, and what every verb needs of it.

pub(crate) mod dial;
#[cfg(test)]
mod greeting;
mod parameters;
mod socket;

use quinn::{Connection, ConnectionError, Endpoint};

use dial::Limits;

/// An established connection and its socket.
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    connection: Connection,
    limits: Limits,
}

/// Returns what ended a connection, in upstream's words.
pub(crate) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TimedOut => "timeout: no recent network activity".to_owned(),
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason);
            let colon = if reason.is_empty() { "" } else { ": " };
            format!("Application error 0x{:x} (remote){colon}{reason}", close.error_code.into_inner())
        }
        ConnectionError::ConnectionClosed(close) => {
            format!("{} (remote): {}", close.error_code, String::from_utf8_lossy(&close.reason))
        }
        ConnectionError::TransportError(error) => format!("{} (local): {}", error.code, error.reason),
        ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::VersionMismatch
        | ConnectionError::CidsExhausted => error.to_string(),
    }
}
