//! One stream through the tunnel, seen from the edge: bytes out, an answer and bytes in.
//!
//! The same three parts serve both transports: [`Outgoing`] is what the visitor says, [`Awaited`]
//! becomes the [`Head`] of the answer and [`Incoming`], which is what the visitor hears.

mod duplex;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use quinn::VarInt;

pub(crate) use duplex::Duplex;

use crate::answer::{self, Head};
use crate::error::StreamError;
use crate::lease::Lease;
use crate::request::Kind;

/// The direction from the visitor to the connector. Dropping it before its end resets the stream.
#[derive(Debug)]
pub struct Outgoing {
    half: Option<OutgoingHalf>,
    /// Held until this direction has ended.
    lease: Option<Arc<Lease>>,
}

#[derive(Debug)]
pub(crate) enum OutgoingHalf {
    Quic(quinn::SendStream),
    Http2(h2::SendStream<Bytes>),
}

/// The direction from the connector to the visitor. Dropping it tells the connector to stop.
#[derive(Debug)]
pub struct Incoming {
    half: IncomingHalf,
    /// Bytes that arrived together with the head.
    rest: Bytes,
    /// Held until this direction has ended.
    lease: Option<Arc<Lease>>,
}

#[derive(Debug)]
pub(crate) enum IncomingHalf {
    Quic(quinn::RecvStream),
    Http2(h2::RecvStream),
}

/// The answer that is still to come.
#[derive(Debug)]
pub struct Awaited {
    half: AwaitedHalf,
    kind: Kind,
    lease: Arc<Lease>,
}

#[derive(Debug)]
pub(crate) enum AwaitedHalf {
    Quic(quinn::RecvStream),
    Http2(h2::client::ResponseFuture),
}

impl Outgoing {
    /// Without a half, the direction has ended together with the head of the request.
    pub(crate) fn new(half: Option<OutgoingHalf>, lease: Arc<Lease>) -> Self {
        let lease = half.is_some().then_some(lease);
        Self { half, lease }
    }

    /// Sends bytes, waiting until the connector has room for them.
    ///
    /// # Errors
    ///
    /// Fails when the connector no longer reads, and when the direction has been ended before.
    pub async fn send(&mut self, data: impl Into<Bytes>) -> Result<(), StreamError> {
        let data = data.into();
        if let Some(lease) = &self.lease {
            lease.spend(data.len());
        }
        match &mut self.half {
            Some(OutgoingHalf::Quic(stream)) => stream.write_chunk(data).await.map_err(answer::write_error),
            Some(OutgoingHalf::Http2(stream)) => send_http2(stream, data).await,
            None => Err(ended()),
        }
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    ///
    /// Fails when the connector no longer reads, and when the direction has been ended before.
    pub fn finish(&mut self) -> Result<(), StreamError> {
        self.lease = None;
        match self.half.take() {
            Some(OutgoingHalf::Quic(mut stream)) => stream.finish().map_err(|_closed| ended()),
            Some(OutgoingHalf::Http2(mut stream)) => {
                let sent = stream.send_data(Bytes::new(), true);
                sent.map_err(|error| answer::http2_error(&error))
            }
            None => Err(ended()),
        }
    }

    /// Says that nothing but trailers follows. QUIC carries none, so there they are lost.
    ///
    /// # Errors
    ///
    /// Fails when the connector no longer reads, and when the direction has been ended before.
    pub fn finish_with(&mut self, trailers: HeaderMap) -> Result<(), StreamError> {
        if let Some(OutgoingHalf::Http2(stream)) = &mut self.half {
            let sent = stream.send_trailers(trailers);
            self.half = None;
            self.lease = None;
            return sent.map_err(|error| answer::http2_error(&error));
        }
        self.finish()
    }

    /// Gives up before the end.
    pub fn reset(&mut self, code: u32) {
        self.lease = None;
        match self.half.take() {
            Some(OutgoingHalf::Quic(mut stream)) => {
                // A stream that has ended already needs no reset.
                let _reset = stream.reset(VarInt::from_u32(code));
            }
            Some(OutgoingHalf::Http2(mut stream)) => stream.send_reset(code.into()),
            None => {}
        }
    }

    /// Waits until the connector stops reading before the end, or has everything; tells the code.
    ///
    /// # Errors
    ///
    /// Fails when the connection is lost first.
    pub async fn stopped(&mut self) -> Result<Option<u64>, StreamError> {
        match &mut self.half {
            Some(OutgoingHalf::Quic(stream)) => {
                let stopped = stream.stopped().await;
                let code = stopped.map_err(|error| StreamError::Lost(error.to_string()))?;
                Ok(code.map(VarInt::into_inner))
            }
            Some(OutgoingHalf::Http2(stream)) => {
                let reset = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                let reason = reset.map_err(|error| answer::http2_error(&error))?;
                Ok(Some(u64::from(u32::from(reason))))
            }
            None => Ok(None),
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let code = match self.half {
            Some(OutgoingHalf::Http2(_)) => h2::Reason::CANCEL.into(),
            Some(OutgoingHalf::Quic(_)) | None => 0,
        };
        self.reset(code);
    }
}

async fn send_http2(stream: &mut h2::SendStream<Bytes>, mut data: Bytes) -> Result<(), StreamError> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await;
        let capacity = capacity.ok_or_else(ended)?;
        let capacity = capacity.map_err(|error| answer::http2_error(&error))?;
        let part = data.split_to(capacity.min(data.len()));
        let sent = stream.send_data(part, false);
        sent.map_err(|error| answer::http2_error(&error))?;
    }
    Ok(())
}

fn ended() -> StreamError {
    StreamError::Unsendable("this direction has ended".to_owned())
}

impl Awaited {
    pub(crate) const fn new(half: AwaitedHalf, kind: Kind, lease: Arc<Lease>) -> Self {
        Self { half, kind, lease }
    }

    /// Waits for the head of the answer.
    ///
    /// # Errors
    ///
    /// Fails when there is none, and when it is not what the protocol allows.
    pub async fn head(self) -> Result<(Head, Incoming), StreamError> {
        let lease = self.lease;
        let outcome = match self.half {
            AwaitedHalf::Quic(mut stream) => match answer::read_quic(&mut stream, self.kind).await {
                Ok((head, rest)) => Ok((head, IncomingHalf::Quic(stream), rest)),
                Err(error) => Err(error),
            },
            AwaitedHalf::Http2(response) => match answer::read_http2(response, self.kind).await {
                Ok((head, stream)) => Ok((head, IncomingHalf::Http2(stream), Bytes::new())),
                Err(error) => Err(error),
            },
        };
        if let Err(StreamError::Forbidden(rule)) = &outcome {
            lease.violated(rule);
        }
        let (head, half, rest) = outcome?;
        let lease = Some(lease);
        Ok((head, Incoming { half, rest, lease }))
    }
}

impl Incoming {
    /// Waits for the next bytes; nothing means that the connector has ended its direction.
    ///
    /// # Errors
    ///
    /// Fails when the connector resets the stream and when the connection is lost.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, StreamError> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let chunk = match &mut self.half {
            IncomingHalf::Quic(stream) => read_quic(stream).await,
            IncomingHalf::Http2(stream) => read_http2(stream).await,
        };
        match (&chunk, &self.lease) {
            (Ok(Some(chunk)), Some(lease)) => lease.spend(chunk.len()),
            (Ok(Some(_)), None) => {}
            (Ok(None) | Err(_), _) => self.end(&chunk),
        }
        chunk
    }

    fn end(&mut self, how: &Result<Option<Bytes>, StreamError>) {
        let lease = self.lease.take();
        if let (IncomingHalf::Quic(_), Err(StreamError::Reset(code @ 1..)), Some(lease)) =
            (&self.half, how, lease)
        {
            lease.violated(&format!("a stream is reset with code {code}"));
        }
    }

    /// Waits for the trailers, after the last bytes. QUIC carries none.
    ///
    /// # Errors
    ///
    /// Fails when the connector resets the stream and when the connection is lost.
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, StreamError> {
        match &mut self.half {
            IncomingHalf::Quic(_) => Ok(None),
            IncomingHalf::Http2(stream) => stream
                .trailers()
                .await
                .map_err(|error| answer::http2_error(&error)),
        }
    }

    /// Tells the connector that nobody listens any more.
    pub fn stop(&mut self, code: u32) {
        if let IncomingHalf::Quic(stream) = &mut self.half {
            // A stream that has ended already needs no stop.
            let _stopped = stream.stop(VarInt::from_u32(code));
        }
    }
}

/// Bytes taken from a QUIC stream at once.
const CHUNK: usize = 64 * 1024;

pub(crate) async fn read_quic(stream: &mut quinn::RecvStream) -> Result<Option<Bytes>, StreamError> {
    let chunk = stream.read_chunk(CHUNK, true).await;
    let chunk = chunk.map_err(answer::read_error)?;
    Ok(chunk.map(|chunk| chunk.bytes))
}

async fn read_http2(stream: &mut h2::RecvStream) -> Result<Option<Bytes>, StreamError> {
    loop {
        let Some(chunk) = stream.data().await else {
            return Ok(None);
        };
        let chunk = chunk.map_err(|error| answer::http2_error(&error))?;
        let released = stream.flow_control().release_capacity(chunk.len());
        released.map_err(|error| answer::http2_error(&error))?;
        // A frame that only says that the stream ends holds no bytes.
        if !chunk.is_empty() {
            return Ok(Some(chunk));
        }
    }
}
