//! The two halves of a QUIC stream as the rest of the program sees them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::slice;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::BodyError;
use adit_exchange::outlet::{Outlet, OutletError};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use quinn::{ReadError, RecvStream, SendStream, VarInt, WriteError};
use tokio::time::Sleep;

/// The half that the edge sends: what has been read already, then the rest.
#[derive(Debug)]
pub(super) struct Inward {
    ahead: Bytes,
    recv: RecvStream,
    ended: bool,
    /// What broke off behind the bytes that were returned last.
    broken: Option<ReadError>,
}

/// The half that the edge receives. Unless it is finished, dropping it tells the edge that something
/// is missing.
pub(super) struct Outward {
    send: SendStream,
    gone: Option<Gone>,
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

type Gone = Pin<Box<dyn Future<Output = String> + Send>>;

impl Inward {
    /// Takes over a half of which nothing has been read.
    pub(super) const fn new(recv: RecvStream) -> Self {
        Self {
            ahead: Bytes::new(),
            recv,
            ended: false,
            broken: None,
        }
    }

    /// Reads what is there, or waits. Nothing means that the edge has ended the stream.
    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, ReadError> {
        std::future::poll_fn(|cx| self.poll_read(cx)).await
    }

    /// Puts back what was read and not used.
    pub(super) fn put_back(&mut self, ahead: Bytes) {
        self.ahead = ahead;
    }

    /// Returns whether the edge is known to have ended the stream, after a look at what is there.
    pub(super) async fn has_ended(&mut self) -> bool {
        if self.ahead.is_empty() && !self.ended {
            let looked = std::future::poll_fn(|cx| Poll::Ready(self.poll_read(cx))).await;
            match looked {
                Poll::Ready(Ok(Some(data))) => self.ahead = data,
                // It is told once, and after that the stream would look as if it had ended well.
                Poll::Ready(Err(error)) => self.broken = Some(error),
                Poll::Ready(Ok(None)) | Poll::Pending => {}
            }
        }
        self.ended && self.ahead.is_empty()
    }

    /// Returns the half as it is; nothing may have been put back.
    pub(super) fn into_inner(self) -> RecvStream {
        debug_assert!(self.ahead.is_empty(), "bytes would be lost");
        self.recv
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.ahead))));
        }
        if self.ended {
            return Poll::Ready(Ok(None));
        }
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Err(error));
        }
        let Some(first) = ready!(pin!(self.recv.read_chunk(usize::MAX, true)).poll(cx))? else {
            self.ended = true;
            return Poll::Ready(Ok(None));
        };
        Poll::Ready(Ok(Some(self.with_more(first.bytes, cx))))
    }

    /// Returns `first`, with what has arrived behind it unless it is short.
    fn with_more(&mut self, first: Bytes, cx: &mut Context<'_>) -> Bytes {
        if first.len() < LIKELY_FOLLOWED {
            return first;
        }
        let mut chunks = [const { Bytes::new() }; CHUNKS];
        let read = pin!(self.recv.read_chunks(&mut chunks[1..])).poll(cx);
        match read {
            Poll::Ready(Ok(Some(count))) => {
                chunks[0] = first;
                return join(&chunks[..=count]);
            }
            Poll::Ready(Ok(None)) => self.ended = true,
            Poll::Ready(Err(error)) => self.broken = Some(error),
            Poll::Pending => {}
        }
        first
    }
}

/// Returns chunks of a packet each as one: a copy costs less than a system call for each.
fn join(chunks: &[Bytes]) -> Bytes {
    let mut joined = BytesMut::with_capacity(chunks.iter().map(Bytes::len).sum());
    for chunk in chunks {
        joined.extend_from_slice(chunk);
    }
    joined.freeze()
}

impl http_body::Body for Inward {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let read = ready!(this.poll_read(cx)).map_err(|error| broken(&error, &this.recv));
        Poll::Ready(read.transpose().map(|read| read.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ahead.is_empty()
    }
}

fn broken(error: &ReadError, recv: &RecvStream) -> BodyError {
    BodyError::new(match error {
        ReadError::Reset(code) => {
            let stream = u64::from(recv.id());
            format!("stream {stream} canceled by remote with error code {code}")
        }
        ReadError::ConnectionLost(error) => super::describe(error),
        ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected => {
            error.to_string()
        }
    })
}

impl Outward {
    /// Takes over a half to which nothing has been written. `limit` is the longest the edge may
    /// take to accept a chunk.
    pub(super) const fn new(send: SendStream, limit: Option<Duration>) -> Self {
        Self {
            send,
            gone: None,
            limit,
            timer: None,
            ended: false,
        }
    }

    /// Writes a head and what follows it, if that is there already, as one.
    pub(super) async fn send_both(&mut self, head: Bytes, data: Bytes) -> Result<(), OutletError> {
        let mut chunks = [head, data];
        std::future::poll_fn(|cx| self.poll_chunks(cx, &mut chunks)).await
    }

    /// Waits until the edge no longer listens. It may never do so.
    pub(super) async fn gone(&mut self) -> OutletError {
        std::future::poll_fn(|cx| self.poll_gone(cx)).await
    }

    /// Tells the edge that something is missing.
    pub(super) fn reset(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            // Fails only when the edge knows already.
            let _known = self.send.reset(NOTHING_TO_SAY);
        }
    }

    /// Returns the half as it is, for a conversation of its own.
    pub(super) fn into_inner(self) -> Guarded {
        Guarded(self)
    }

    fn poll_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<(), OutletError>> {
        while chunks.iter().any(|chunk| !chunk.is_empty()) {
            let written = pin!(self.send.write_chunks(chunks)).poll(cx);
            match written {
                Poll::Ready(Ok(_)) => self.timer = None,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(refused(&error, &self.send))),
                Poll::Pending => return self.poll_timer(cx),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), OutletError>> {
        let Some(limit) = self.limit else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        self.reset();
        Poll::Ready(Err(OutletError::new(TOO_SLOW)))
    }
}

impl Outlet for Outward {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
        self.poll_chunks(cx, slice::from_mut(data))
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        self.ended = true;
        self.send
            .finish()
            .map_err(|error| OutletError::new(error.to_string()))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<OutletError> {
        let send = &self.send;
        let gone = self.gone.get_or_insert_with(|| watch(send));
        let cause = ready!(gone.as_mut().poll(cx));
        self.gone = None;
        Poll::Ready(OutletError::new(cause))
    }
}

/// Waits until the edge says that it does not listen, or the connection is gone.
fn watch(send: &SendStream) -> Gone {
    let id = u64::from(send.id());
    let stopped = send.stopped();
    Box::pin(async move {
        match stopped.await {
            Ok(Some(code)) => format!("stream {id} canceled by remote with error code {code}"),
            // Everything has arrived: the edge listened to the end.
            Ok(None) => std::future::pending().await,
            Err(error) => error.to_string(),
        }
    })
}

fn refused(error: &WriteError, send: &SendStream) -> OutletError {
    OutletError::new(match error {
        WriteError::Stopped(code) => {
            let stream = u64::from(send.id());
            format!("stream {stream} canceled by remote with error code {code}")
        }
        WriteError::ConnectionLost(error) => super::describe(error),
        WriteError::ClosedStream | WriteError::ZeroRttRejected => error.to_string(),
    })
}

impl Drop for Outward {
    fn drop(&mut self) {
        // The library would finish the stream, and the edge take half an answer for a whole one.
        self.reset();
    }
}

impl std::fmt::Debug for Outward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outward")
            .field("stream", &self.send.id())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// A sending half that is written to as any stream, and reset unless it is shut down.
#[derive(Debug)]
pub(super) struct Guarded(Outward);

impl tokio::io::AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(Pin::new(&mut self.0.send), cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        // Ending twice, or after the edge has gone, changes nothing.
        let _ended = self.0.finish();
        Poll::Ready(Ok(()))
    }
}

/// Chunks taken at once, about 45 KiB of packets.
const CHUNKS: usize = 32;
/// A shorter chunk is a message by itself, as a rule: nobody waits for what it is part of.
const LIKELY_FOLLOWED: usize = 256;
/// §3.10: the code of every reset.
pub(super) const NOTHING_TO_SAY: VarInt = VarInt::from_u32(0);
/// How a write that took too long is told apart.
pub(super) const TOO_SLOW: &str = "write stream timeout";
