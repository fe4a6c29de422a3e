//! The HTTP/2 transport: the connector dials, and is the server on what it has dialled.

mod accept;
mod ahead;
pub(crate) mod dial;
mod forbidden;
mod heads;
mod hpack;
mod io;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod refused;
mod rewrite;
mod stream;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use crate::connection::{Lane, Link, Lost};
use crate::pulse::Pulse;
use accept::Streams;
pub(crate) use io::{Inward, Outward};
use wire::Wire;

/// A connection that serves.
#[derive(Debug)]
pub(crate) struct Http2Link<T> {
    streams: Streams<T>,
    heard: Arc<AtomicU64>,
    local_ip: Option<IpAddr>,
}

/// The two halves of the control stream, once the edge has opened it.
pub(crate) type Control = oneshot::Receiver<(Inward, Outward)>;

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Http2Link<T> {
    /// Waits for the edge's greeting on a connection after its handshake.
    ///
    /// # Errors
    ///
    /// Fails when the edge says something else, or nothing for too long.
    pub(crate) async fn greet(io: T, local_ip: Option<IpAddr>, lane: Lane) -> Result<(Self, Control), Lost> {
        let wire = Wire::new(io);
        let (heard, sending, claims) = (wire.heard(), wire.sending(), wire.claims());
        let greeting = tokio::time::timeout(GREETING, builder().handshake(wire)).await;
        let mut connection: Connection<_, Bytes> = match greeting {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(lost(&error, false)),
            Err(_elapsed) => return Err(lost(&"timeout waiting for client preface", true)),
        };
        connection.set_target_window_size(CONNECTION_WINDOW);
        let (control, opened) = oneshot::channel();
        let link = Self {
            streams: Streams::new((connection, sending, claims), Arc::new(lane), control),
            heard,
            local_ip,
        };
        Ok((link, opened))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Link for Http2Link<T> {
    async fn serve(&mut self) -> Lost {
        match self.streams.accept().await {
            Some(error) => lost(&error, false),
            None => lost(&"EOF", false),
        }
    }

    async fn drain(&mut self) {
        self.streams.leave().await;
    }

    fn pulse(&self) -> Pulse {
        Pulse::Http2 {
            heard: Arc::clone(&self.heard),
            pongs: self.streams.pongs(),
        }
    }

    fn local_ip(&self) -> Option<IpAddr> {
        self.local_ip
    }

    async fn close(mut self) {
        let _late = tokio::time::timeout(CLOSING, self.streams.close()).await;
    }
}

/// §5.1.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_concurrent_streams(u32::MAX)
        .max_send_buffer_size(SEND_BUFFER)
        // The peer is the edge, and what looks like misbehaviour are visitors who leave: their
        // number over days must not cost the connection and everybody else on it.
        .max_concurrent_reset_streams(FORGOTTEN)
        .reset_stream_duration(FORGET)
        .max_local_error_reset_streams(None)
        .max_pending_accept_reset_streams(FORGOTTEN)
        .data_frame_budget(SMALL_FRAMES);
    builder
}

fn lost(cause: &dyn std::fmt::Display, silent: bool) -> Lost {
    Lost {
        cause: format!("connection with edge closed: {cause}"),
        silent,
    }
}

/// Why there is no control stream.
pub(crate) const CLOSED: &str = "connection with edge closed";
const GREETING: Duration = Duration::from_secs(10);
const WINDOW: u32 = 1 << 20;
/// What visitors can make one connection hold while origins do not read. With upstream's 1 MiB one
/// origin that has stopped reading would stop all uploads of its connection.
const CONNECTION_WINDOW: u32 = 16 << 20;
const HEADER_LIST: u32 = (1 << 20) + 320;
/// What a stream may hand over before it waits for the connection.
const SEND_BUFFER: usize = 256 << 10;
/// Streams that have been reset and may still be sent to, some 500 bytes each.
const FORGOTTEN: usize = 4096;
const FORGET: Duration = Duration::from_secs(10);
/// Memory for data in small pieces that origins do not read.
const SMALL_FRAMES: usize = 64 << 20;
const CLOSING: Duration = Duration::from_millis(500);
