//! One transport connection of a connector, before and after it has registered.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use bytes::{Bytes, BytesMut};
use quinn::VarInt;
use tokio::sync::watch;

use crate::error::StreamError;
use crate::faults::Direction;
use crate::gate::{TcpGate, UdpGate};
use crate::http2::Closing;
use crate::lease::Lease;
use crate::outbound;
use crate::request::{Kind, Request};
use crate::stream::{Awaited, AwaitedHalf, Duplex, Outgoing, OutgoingHalf};
use crate::violations::Violations;

/// The transports between connector and edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// QUIC.
    Quic,
    /// HTTP/2 over TLS over TCP.
    Http2,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quic => "quic",
            Self::Http2 => "http2",
        })
    }
}

/// Where a connection came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The data centre.
    pub(crate) site: usize,
    /// The address of the edge, as connectors know it.
    pub(crate) address: SocketAddr,
    /// The address of the connector, as the edge sees it.
    pub(crate) peer: SocketAddr,
}

/// A transport connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Counts connections in the order they came in.
    pub(crate) serial: u64,
    pub(crate) place: Place,
    carrier: Carrier,
    streams: watch::Sender<usize>,
    /// Bytes that may still pass before the connection ends by order.
    allowance: AtomicI64,
    limited: AtomicBool,
    violations: Violations,
    own: Weak<Self>,
}

/// The head of a request in the terms of a transport.
#[derive(Clone, Debug)]
pub struct Prepared {
    opening: Opening,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Opening {
    Quic(Bytes),
    /// Whether nothing follows.
    Http2(http::Request<()>, bool),
}

/// What carries the streams.
#[derive(Debug)]
pub(crate) enum Carrier {
    Quic {
        connection: quinn::Connection,
        gate: Arc<UdpGate>,
    },
    Http2 {
        requests: h2::client::SendRequest<Bytes>,
        gate: Arc<TcpGate>,
        closing: Arc<Closing>,
    },
}

impl Link {
    pub(crate) fn new(serial: u64, place: Place, carrier: Carrier, violations: Violations) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            serial,
            place,
            carrier,
            streams: watch::Sender::new(0),
            allowance: AtomicI64::new(0),
            limited: AtomicBool::new(false),
            violations,
            own: Weak::clone(own),
        })
    }

    pub(crate) const fn transport(&self) -> Transport {
        match self.carrier {
            Carrier::Quic { .. } => Transport::Quic,
            Carrier::Http2 { .. } => Transport::Http2,
        }
    }

    /// Opens a stream and sends a head on it. The body is left to the caller.
    pub(crate) async fn open(
        self: Arc<Self>,
        prepared: Prepared,
    ) -> Result<(Outgoing, Awaited), StreamError> {
        let kind = prepared.kind;
        match prepared.opening {
            Opening::Quic(head) => self.open_raw(head, kind).await,
            Opening::Http2(head, bodyless) => {
                let (response, outgoing) = self.send_head(head, bodyless).await?;
                let awaited = Awaited::new(AwaitedHalf::Http2(response), kind, self.lease());
                Ok((outgoing, awaited))
            }
        }
    }

    /// Puts the head of a request into the terms of the transport.
    pub(crate) fn prepare(&self, request: &Request) -> Result<Prepared, StreamError> {
        let kind = request.target.kind();
        let opening = match &self.carrier {
            Carrier::Quic { .. } => {
                let mut head = BytesMut::new();
                outbound::quic(request, &mut head)?;
                Opening::Quic(head.freeze())
            }
            Carrier::Http2 { .. } => {
                let bodyless = request.body.is_over() && kind == Kind::Http;
                Opening::Http2(outbound::http2(request)?, bodyless)
            }
        };
        Ok(Prepared { opening, kind })
    }

    /// Opens a QUIC stream and sends these bytes on it as they are.
    pub(crate) async fn open_raw(
        &self,
        first: Bytes,
        kind: Kind,
    ) -> Result<(Outgoing, Awaited), StreamError> {
        let Carrier::Quic { connection, .. } = &self.carrier else {
            return Err(StreamError::Unsendable(
                "raw streams exist on QUIC only".to_owned(),
            ));
        };
        let lease = self.lease();
        let (mut outgoing, incoming) = open_quic(connection).await?;
        outgoing
            .write_chunk(first)
            .await
            .map_err(crate::answer::write_error)?;
        let awaited = Awaited::new(AwaitedHalf::Quic(incoming), kind, Arc::clone(&lease));
        Ok((Outgoing::new(Some(OutgoingHalf::Quic(outgoing)), lease), awaited))
    }

    /// Opens an HTTP/2 stream with these header fields as they are.
    pub(crate) async fn open_head(
        &self,
        head: http::Request<()>,
        kind: Kind,
    ) -> Result<(Outgoing, Awaited), StreamError> {
        let (response, outgoing) = self.send_head(head, false).await?;
        let awaited = Awaited::new(AwaitedHalf::Http2(response), kind, self.lease());
        Ok((outgoing, awaited))
    }

    /// Opens an HTTP/2 stream and leaves its answer to the caller.
    pub(crate) async fn send_head(
        &self,
        head: http::Request<()>,
        bodyless: bool,
    ) -> Result<(h2::client::ResponseFuture, Outgoing), StreamError> {
        let Carrier::Http2 { requests, .. } = &self.carrier else {
            return Err(StreamError::Unsendable(
                "HTTP/2 heads exist on HTTP/2 only".to_owned(),
            ));
        };
        let lease = self.lease();
        let ready = requests.clone().ready().await;
        let mut ready = ready.map_err(|error| crate::answer::http2_error(&error))?;
        let sent = ready.send_request(head, bodyless);
        let (response, outgoing) = sent.map_err(|error| StreamError::Unsendable(error.to_string()))?;
        let outgoing = (!bodyless).then_some(OutgoingHalf::Http2(outgoing));
        Ok((response, Outgoing::new(outgoing, lease)))
    }

    /// Opens a QUIC stream for calls; the preamble is left to the caller.
    pub(crate) async fn open_calls(&self) -> Result<Duplex, StreamError> {
        let Carrier::Quic { connection, .. } = &self.carrier else {
            return Err(StreamError::Unsendable(
                "streams of calls exist on QUIC only".to_owned(),
            ));
        };
        let (outgoing, incoming) = open_quic(connection).await?;
        Ok(Duplex::Quic(outgoing, incoming))
    }

    /// Returns the QUIC connection, for what only QUIC has.
    pub(crate) const fn quic(&self) -> Option<&quinn::Connection> {
        match &self.carrier {
            Carrier::Quic { connection, .. } => Some(connection),
            Carrier::Http2 { .. } => None,
        }
    }

    /// Closes the path in a direction, or opens it again.
    pub(crate) fn silence(&self, direction: Option<Direction>) {
        match &self.carrier {
            Carrier::Quic { gate, .. } => gate.close_for(self.place.peer, direction),
            Carrier::Http2 { gate, .. } => gate.close(direction),
        }
    }

    /// Ends the connection in good order.
    pub(crate) fn close(&self, code: u32, reason: &str) {
        match &self.carrier {
            Carrier::Quic { connection, .. } => connection.close(VarInt::from_u32(code), reason.as_bytes()),
            Carrier::Http2 { closing, .. } => closing.close(),
        }
    }

    /// Ends the edge's end of a connection whose path is dark. Nobody hears of it.
    ///
    /// A TCP connection stays as it is, for the machine would tell the connector.
    pub(crate) fn forget(&self) {
        if let Carrier::Quic { connection, .. } = &self.carrier {
            connection.close(VarInt::from_u32(0), b"");
        }
    }

    /// Ends the connection without good order: a TCP reset, an error over QUIC.
    pub(crate) fn reset(&self) {
        match &self.carrier {
            Carrier::Quic { connection, .. } => connection.close(VarInt::from_u32(1), b"reset"),
            Carrier::Http2 { gate, .. } => gate.cut(),
        }
    }

    /// Makes the connection end after so many more bytes of requests and answers.
    pub(crate) fn limit(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.allowance.store(bytes, Ordering::Release);
        self.limited.store(true, Ordering::Release);
    }

    pub(crate) fn spend(&self, bytes: usize) {
        if !self.limited.load(Ordering::Acquire) {
            return;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.allowance.fetch_sub(bytes, Ordering::AcqRel) <= bytes {
            self.reset();
        }
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.send_modify(|streams| *streams += 1);
    }

    pub(crate) fn stream_closed(&self) {
        self.streams.send_modify(|streams| *streams -= 1);
    }

    /// Waits until no stream is open.
    pub(crate) async fn drained(&self) {
        let mut streams = self.streams.subscribe();
        // The sender lives as long as `self`, so this ends with no stream only.
        let _drained = streams.wait_for(|streams| *streams == 0).await;
    }

    pub(crate) fn violated(&self, rule: &str) {
        self.violations
            .note(format!("{} from {}: {rule}", self.transport(), self.place.peer));
    }

    fn lease(&self) -> Arc<Lease> {
        let own = self.own.upgrade();
        Lease::new(own.expect("whoever calls a method holds the link"))
    }
}

async fn open_quic(
    connection: &quinn::Connection,
) -> Result<(quinn::SendStream, quinn::RecvStream), StreamError> {
    let opened = connection.open_bi().await;
    opened.map_err(|error| StreamError::Lost(error.to_string()))
}
