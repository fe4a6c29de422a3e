//! The QUIC transport: one connection to the edge, and what every verb needs of it.

mod accept;
pub(crate) mod dial;
#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod greeting;
mod io;
mod outbox;
mod overheard;
pub(crate) mod parameters;
mod runtime;
mod sample;
mod socket;
mod stream;

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use quinn::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, VarInt};

use crate::connection::{Lane, Link, Lost, Whereabouts};
use crate::metrics::QuicMetrics;
use crate::pulse::Pulse;
use accept::Streams;
use dial::Limits;
use parameters::Told;
pub(crate) use sample::Sample;

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Dialed {
    endpoint: Endpoint,
    connection: Connection,
    limits: Limits,
    /// What the edge has said of its own limits.
    told: Arc<OnceLock<Told>>,
}

/// A connection that serves.
#[derive(Debug)]
pub(crate) struct QuicLink {
    endpoint: Endpoint,
    connection: Connection,
    streams: Streams,
    metrics: QuicMetrics,
    at: Whereabouts,
}

impl Dialed {
    /// Lets the edge send more, and accepts its streams from now on.
    pub(crate) fn into_link(self, lane: Lane, metrics: &QuicMetrics) -> QuicLink {
        if let Ok(window) = VarInt::from_u64(self.limits.connection) {
            self.connection.set_receive_window(window);
        }
        if let Some(told) = self.told.get() {
            let of = [lane.whereabouts.index.to_string()];
            let most = i64::try_from(told.payload).unwrap_or(i64::MAX);
            metrics.max_payload.with_label_values(&of).set(most);
        }
        QuicLink {
            at: lane.whereabouts,
            streams: Streams::new(self.connection.clone(), Arc::new(lane)),
            endpoint: self.endpoint,
            connection: self.connection,
            metrics: metrics.clone(),
        }
    }
}

impl Dialed {
    /// Closes a connection that was only to be reached, and tells the edge why.
    pub(crate) async fn close(self, reason: &[u8]) {
        self.connection.close(VarInt::from_u32(0), reason);
        self.endpoint.wait_idle().await;
    }
}

impl QuicLink {
    /// Opens the control stream, the first of all, without waiting.
    ///
    /// # Errors
    ///
    /// Fails when the edge has not permitted a stream.
    pub(crate) async fn open_control(&self) -> Result<(RecvStream, SendStream), String> {
        let mut opening = pin!(self.connection.open_bi());
        match std::future::poll_fn(|cx| Poll::Ready(opening.as_mut().poll(cx))).await {
            Poll::Ready(Ok((send, recv))) => Ok((recv, send)),
            Poll::Ready(Err(error)) => Err(format!("{NO_CONTROL}: {}", describe(&error))),
            Poll::Pending => Err(format!("{NO_CONTROL}: too many open streams")),
        }
    }
}

impl Link for QuicLink {
    async fn serve(&mut self) -> Lost {
        let error = self.streams.accept().await;
        Lost {
            cause: format!("failed to accept QUIC stream: {}", describe(&error)),
            silent: matches!(error, ConnectionError::TimedOut),
        }
    }

    async fn drain(&mut self) {
        loop {
            let idle = self.streams.is_empty();
            tokio::select! {
                _lost = self.streams.accept_until_change() => {
                    if self.connection.close_reason().is_some() {
                        return;
                    }
                }
                () = tokio::time::sleep(LINGER), if idle => return,
            }
        }
    }

    fn pulse(&self) -> Pulse {
        Pulse::Quic(Box::new(Sample::new(
            self.connection.clone(),
            self.metrics.clone(),
            self.at,
        )))
    }

    fn local_ip(&self) -> Option<IpAddr> {
        self.connection.local_ip()
    }

    async fn close(self) {
        drop(self.streams);
        self.connection.close(io::NOTHING_TO_SAY, b"");
        // The farewell has left when the endpoint is idle; a lost connection has none.
        let _late = tokio::time::timeout(CLOSING, self.endpoint.wait_idle()).await;
    }
}

/// Returns what ended a connection, in upstream's words.
pub(crate) fn describe(error: &ConnectionError) -> String {
    match error {
        ConnectionError::TimedOut => "timeout: no recent network activity".to_owned(),
        ConnectionError::ApplicationClosed(close) => {
            let reason = String::from_utf8_lossy(&close.reason);
            let colon = if reason.is_empty() { "" } else { ": " };
            format!(
                "Application error 0x{:x} (remote){colon}{reason}",
                close.error_code.into_inner()
            )
        }
        ConnectionError::ConnectionClosed(close) => {
            format!(
                "{} (remote): {}",
                close.error_code,
                String::from_utf8_lossy(&close.reason)
            )
        }
        ConnectionError::TransportError(error) => format!("{} (local): {}", error.code, error.reason),
        ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::VersionMismatch
        | ConnectionError::CidsExhausted => error.to_string(),
    }
}

const NO_CONTROL: &str = "failed to open a registration control stream";
/// Requests that the edge sent before it knew of the leave arrive within this time.
const LINGER: Duration = Duration::from_millis(250);
const CLOSING: Duration = Duration::from_millis(500);
