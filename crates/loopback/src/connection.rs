//! One of a connector's connections, as tests and benches hold it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::StreamError;
use crate::faults::Direction;
use crate::link::{Link, Prepared};
use crate::push::{self, Pushed};
use crate::request::{Kind, Request};
use crate::roster::{Registration, Roster, State};
use crate::stream::{Awaited, Outgoing};
use crate::tasks::Tasks;
use crate::visitor::{Response, TwoWay, connect_on, send_on};

/// The connection with a certain index: whichever serves under it at the moment of each call.
#[derive(Clone, Debug)]
pub struct Connection {
    roster: Arc<Roster>,
    tasks: Tasks,
    index: u8,
}

/// A connection did not do in time what was awaited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection {index} has not {what} within {limit:?}")]
pub struct Late {
    index: u8,
    what: &'static str,
    limit: Duration,
}

impl Connection {
    pub(crate) const fn new(roster: Arc<Roster>, tasks: Tasks, index: u8) -> Self {
        Self { roster, tasks, index }
    }

    /// Returns what the connector said about the connection that serves now.
    #[must_use]
    pub fn registration(&self) -> Option<Registration> {
        self.roster
            .connection(self.index)
            .map(|(registration, _)| registration)
    }

    /// Waits until a connection with this index serves.
    pub async fn registered(&self) -> Registration {
        let found = self.roster.until(|inner| inner.connection(self.index)).await;
        found.0
    }

    /// Waits until a connection with this index serves, but not longer than this.
    ///
    /// # Errors
    ///
    /// Fails when there is none in time.
    pub async fn returns_within(&self, limit: Duration) -> Result<Registration, Late> {
        let returned = tokio::time::timeout(limit, self.registered()).await;
        returned.map_err(|_elapsed| self.late("returned", limit))
    }

    /// Waits until the connection with this serial number, and with it this index, has ended.
    ///
    /// # Errors
    ///
    /// Fails when it has not in time.
    pub async fn ends_within(&self, serial: u64, limit: Duration) -> Result<(), Late> {
        let ended = self.roster.until(|inner| {
            let mut history = inner.history().iter();
            let entry = history.find(|(registration, _)| registration.serial == serial)?;
            (entry.1 == State::Gone).then_some(())
        });
        let ended = tokio::time::timeout(limit, ended).await;
        ended.map_err(|_elapsed| self.late("ended", limit))
    }

    const fn late(&self, what: &'static str, limit: Duration) -> Late {
        Late {
            index: self.index,
            what,
            limit,
        }
    }

    /// Makes the path of the connection go dark for good; the edge forgets it at once.
    pub fn vanish(&self) {
        self.with(|link| {
            link.silence(Some(Direction::Both));
            link.forget();
            self.roster.remove(link.serial);
        });
    }

    /// Loses what passes in a direction, while the edge goes on sending requests.
    pub fn silence(&self, direction: Direction) {
        self.with(|link| link.silence(Some(direction)));
    }

    /// Ends the silence.
    pub fn heal(&self) {
        self.with(|link| link.silence(None));
    }

    /// Ends the connection in good order.
    pub fn close(&self) {
        self.with(|link| link.close(0, ""));
    }

    /// Ends the connection in good order with a code and a reason, which only QUIC can tell.
    pub fn close_with(&self, code: u32, reason: &str) {
        self.with(|link| link.close(code, reason));
    }

    /// Ends the connection without good order.
    pub fn reset(&self) {
        self.with(Link::reset);
    }

    /// Ends the connection without good order once so many bytes of requests and answers have passed.
    pub fn reset_after(&self, bytes: u64) {
        self.with(|link| link.limit(bytes));
    }

    fn with(&self, act: impl FnOnce(&Link)) {
        if let Some(link) = self.roster.link(self.index) {
            act(&link);
        }
    }

    /// Sends a request on this connection with exactly the header fields it has.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids.
    pub async fn send(&self, mut request: Request) -> Result<Response, StreamError> {
        send_on(self.link()?, &self.tasks, &mut request).await
    }

    /// Opens a WebSocket or a TCP stream on this connection.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids.
    pub async fn connect(&self, request: Request) -> Result<TwoWay, StreamError> {
        connect_on(self.link()?, request).await
    }

    /// Opens a stream and sends the head of a request; its body is sent and its answer awaited by
    /// the caller.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone and when the request cannot be expressed.
    pub fn open(
        &self,
        request: &Request,
    ) -> impl Future<Output = Result<(Outgoing, Awaited), StreamError>> + Send + use<> {
        let opening = self.link().and_then(|link| Ok((link.prepare(request)?, link)));
        let opening = opening.map(|(prepared, link)| link.open(prepared));
        async move { opening?.await }
    }

    /// Puts the head of a request into the terms of the transport, to be sent many times.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone and when the request cannot be expressed.
    pub fn prepare(&self, request: &Request) -> Result<Prepared, StreamError> {
        self.link()?.prepare(request)
    }

    /// Opens a stream and sends a prepared head on it, as [`Self::open`] does.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone or has another transport.
    pub async fn open_prepared(&self, prepared: &Prepared) -> Result<(Outgoing, Awaited), StreamError> {
        self.link()?.open(prepared.clone()).await
    }

    /// Opens a QUIC stream and sends these bytes on it as they are, preamble included. The answer
    /// is read as one to a request of this kind.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone or no QUIC connection.
    pub async fn open_stream(
        &self,
        first: impl Into<Bytes>,
        kind: Kind,
    ) -> Result<(Outgoing, Awaited), StreamError> {
        self.link()?.open_raw(first.into(), kind).await
    }

    /// Opens an HTTP/2 stream with this head as it is. The answer is read as one to a request of
    /// this kind.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone or no HTTP/2 connection.
    pub async fn open_head(
        &self,
        head: http::Request<()>,
        kind: Kind,
    ) -> Result<(Outgoing, Awaited), StreamError> {
        self.link()?.open_head(head, kind).await
    }

    /// Pushes a configuration on this connection.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that the protocol forbids.
    pub async fn push(&self, version: i32, configuration: &str) -> Result<Pushed, StreamError> {
        push::push(&*self.link()?, version, configuration).await
    }

    /// Sends a datagram, which only QUIC carries.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone, takes no datagrams, or the datagram is too large.
    pub fn send_datagram(&self, datagram: Bytes) -> Result<(), StreamError> {
        let link = self.link()?;
        let connection = link.quic().ok_or_else(no_datagrams)?;
        let sent = connection.send_datagram(datagram);
        sent.map_err(|error| StreamError::Unsendable(error.to_string()))
    }

    /// Waits for a datagram of the connector.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone or no QUIC connection.
    pub async fn datagram(&self) -> Result<Bytes, StreamError> {
        let link = self.link()?;
        let connection = link.quic().ok_or_else(no_datagrams)?;
        let datagram = connection.read_datagram().await;
        datagram.map_err(|error| StreamError::Lost(error.to_string()))
    }

    fn link(&self) -> Result<Arc<Link>, StreamError> {
        self.roster.link(self.index).ok_or(StreamError::NoConnection)
    }
}

fn no_datagrams() -> StreamError {
    StreamError::Unsendable("datagrams exist on QUIC only".to_owned())
}
