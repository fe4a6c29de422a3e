//! A connection to an origin and what its failures are called.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_dial::Failure;
use adit_dialect::errno;
use adit_exchange::{Class, Io};
use tokio::net::TcpStream;

/// A connection to an origin.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) io: Box<dyn Io>,
    pub(crate) ends: Ends,
    /// What the connection is good for: only requests with the same key may use it.
    pub(crate) key: Arc<str>,
    /// Whether it has served a request before.
    pub(crate) reused: bool,
    /// Whether HTTP/2 was agreed on.
    pub(crate) multiplexed: bool,
}

/// The two ends of a connection, for the text of its failures.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    /// A TCP connection between two addresses.
    Tcp { local: SocketAddr, remote: SocketAddr },
    /// A connection to a socket in the file system.
    Unix { path: Arc<str> },
}

impl Ends {
    /// Returns the ends of a TCP connection.
    ///
    /// # Errors
    ///
    /// Fails when it is gone already.
    pub(crate) fn of(stream: &TcpStream) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(Class::Internal, errno::text(&error));
        Ok(Self::Tcp {
            local: stream.local_addr().map_err(failed)?,
            remote: stream.peer_addr().map_err(failed)?,
        })
    }

    /// Returns what a failed read is called.
    pub(crate) fn read_error(&self, error: &io::Error) -> String {
        match error.raw_os_error() {
            Some(_) => format!("read {self}: read: {}", errno::text(error)),
            None if error.kind() == io::ErrorKind::UnexpectedEof => "unexpected EOF".into(),
            None => adit_dial::error_text(error),
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { local, remote } => write!(out, "tcp {local}->{remote}"),
            Self::Unix { path } => write!(out, "unix @->{path}"),
        }
    }
}
