//! What can go wrong on the far side, one variant for each thing the caller does differently.

use std::io;
use std::net::SocketAddr;

/// Why the edge could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A port of this machine could not be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The edge was told to listen on an address that other machines reach.
    #[error("{0} is not an address of this machine alone")]
    Exposed(SocketAddr),
    /// The certificates could not be made.
    #[error("cannot make certificates")]
    Certificates(#[source] rcgen::Error),
    /// TLS cannot be set up with these certificates.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// Its path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a stream through the tunnel failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// No connection is registered that could carry it.
    #[error("no connector is connected")]
    NoConnection,
    /// The connection that carried it is gone.
    #[error("the connection to the connector is lost: {0}")]
    Lost(String),
    /// The connector leaves and has not looked at the request.
    #[error("the connector leaves: {0}")]
    Unseen(String),
    /// The connector reset its direction of the stream, with this code.
    #[error("the connector reset the stream with code {0}")]
    Reset(u64),
    /// The connector takes no more of what the visitor sends, with this code.
    #[error("the connector stopped reading with code {0}")]
    Stopped(u64),
    /// The connector ended the stream before its answer.
    #[error("the connector ended the stream without an answer")]
    NoAnswer,
    /// The connector answered with something that the protocol forbids.
    #[error("the connector broke the protocol: {0}")]
    Forbidden(String),
    /// What the visitor asked for cannot be expressed.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
    /// The visitor's own body broke off.
    #[error("the visitor gave up: {0}")]
    Visitor(String),
}
