//! The bytes below HTTP/2, and the two halves of a stream above it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use adit_exchange::BodyError;
use adit_exchange::outlet::{Outlet, OutletError};
use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::heads::Heads;

/// The connection below HTTP/2: has header blocks rewritten, counts signs of life, and puts upstream's first frame in the place of
/// the library's, which says the same in another order and leaves one setting out.
#[derive(Debug)]
pub(super) struct Wire<T> {
    inner: T,
    heard: Arc<AtomicU64>,
    opening: Opening,
    blocked: bool,
    heads: Heads,
}

/// How much of the first frame is still to be written, and to be kept from being written.
#[derive(Debug)]
enum Opening {
    Unsent,
    Sending { rest: &'static [u8], skip: usize },
    Sent,
}

impl<T> Wire<T> {
    /// Wraps a connection of which nothing has been read or written.
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            heard: Arc::default(),
            opening: Opening::Unsent,
            blocked: false,
            heads: Heads::new(),
        }
    }

    /// Returns the count of bytes heard.
    pub(super) fn heard(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.heard)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let ready = this.heads.ready();
            if !ready.is_empty() {
                let count = ready.len().min(buffer.remaining());
                buffer.put_slice(&ready[..count]);
                ready.advance(count);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
            let new = &buffer.filled()[before..];
            this.heard.fetch_add(new.len() as u64, Ordering::Relaxed);
            let passed = this.heads.pass(new);
            if passed == new.len() {
                return Poll::Ready(Ok(()));
            }
            this.heads.take(&new[passed..]);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            match &mut this.opening {
                Opening::Sent => return this.write(cx, data),
                Opening::Unsent => {
                    this.opening = match settings_frame(data) {
                        Some(length) => Opening::Sending {
                            rest: &FIRST_FRAME,
                            skip: length,
                        },
                        None => Opening::Sent,
                    };
                }
                Opening::Sending { rest, skip } => {
                    while !rest.is_empty() {
                        let written = ready!(Pin::new(&mut this.inner).poll_write(cx, rest))?;
                        if written == 0 {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        *rest = &rest[written..];
                    }
                    let skipped = *skip;
                    this.opening = Opening::Sent;
                    return Poll::Ready(Ok(skipped));
                }
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<T: AsyncWrite + Unpin> Wire<T> {
    /// Writes, and takes it for a sign of life when room is made that was not there: in a long
    /// upload the answer to a ping stands behind all of it.
    fn write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, data);
        let was_blocked = std::mem::replace(&mut self.blocked, written.is_pending());
        if was_blocked && written.is_ready() {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
}

/// Returns the length of the settings frame that `data` begins with, if all of it is there.
fn settings_frame(data: &[u8]) -> Option<usize> {
    let header = data.first_chunk::<9>()?;
    let length = HEADER + usize::from(header[1]) * 256 + usize::from(header[2]);
    (header[0] == 0 && header[3] == SETTINGS && header[4] == 0 && data.len() >= length).then_some(length)
}

const HEADER: usize = 9;
const SETTINGS: u8 = 4;

/// §5.1: frames of 1 MiB, any number of streams, headers of 1 MiB and a little, a table of 4 KiB, a
/// window of 1 MiB, no priorities.
pub(super) const FIRST_FRAME: [u8; 45] = [
    0, 0, 36, SETTINGS, 0, 0, 0, 0, 0, //
    0, 5, 0x00, 0x10, 0x00, 0x00, //
    0, 3, 0xff, 0xff, 0xff, 0xff, //
    0, 6, 0x00, 0x10, 0x01, 0x40, //
    0, 1, 0x00, 0x00, 0x10, 0x00, //
    0, 4, 0x00, 0x10, 0x00, 0x00, //
    0, 9, 0x00, 0x00, 0x00, 0x01,
];

/// The half that the edge sends.
#[derive(Debug)]
pub(crate) struct Inward {
    recv: RecvStream,
    unread: Bytes,
    trailers: bool,
}

/// The half that the edge receives. Unless it is finished, dropping it resets the stream.
#[derive(Debug)]
pub(crate) struct Outward {
    send: SendStream<Bytes>,
}

impl Inward {
    /// Takes over a half of which nothing has been read.
    pub(super) const fn new(recv: RecvStream) -> Self {
        Self {
            recv,
            unread: Bytes::new(),
            trailers: false,
        }
    }

    /// Returns whether the edge has ended the stream and nothing is left to read.
    pub(super) fn has_ended(&self) -> bool {
        self.unread.is_empty() && self.recv.is_end_stream()
    }

    /// Reads to the end, unless that is too much.
    pub(super) async fn read_all(&mut self, most: usize) -> Result<Vec<u8>, BodyError> {
        let mut all = Vec::new();
        while let Some(data) = std::future::poll_fn(|cx| self.poll_data(cx)).await {
            let data = data.map_err(|error| broken(&error))?;
            if all.len() + data.len() > most {
                return Err(BodyError::new("http: request body too large"));
            }
            all.extend_from_slice(&data);
        }
        Ok(all)
    }

    /// Takes what is there, and lets the edge send as much again.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        let data = ready!(self.recv.poll_data(cx));
        if let Some(Ok(data)) = &data {
            self.recv.flow_control().release_capacity(data.len())?;
        }
        Poll::Ready(data)
    }
}

impl http_body::Body for Inward {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.trailers {
            match ready!(this.poll_data(cx)) {
                Some(Ok(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Err(error)) => return Poll::Ready(Some(Err(broken(&error)))),
                None => this.trailers = true,
            }
        }
        let trailers = ready!(this.recv.poll_trailers(cx)).map_err(|error| broken(&error))?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }
}

impl AsyncRead for Inward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            match ready!(self.poll_data(cx)) {
                Some(data) => self.unread = data.map_err(io::Error::other)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl Outward {
    /// Takes over a half after its head has been sent.
    pub(super) const fn new(send: SendStream<Bytes>) -> Self {
        Self { send }
    }

    /// Sends all of `data`.
    pub(super) async fn send_all(&mut self, mut data: Bytes) -> Result<(), OutletError> {
        std::future::poll_fn(|cx| self.poll_send(cx, &mut data)).await
    }

    /// Ends the stream with trailers.
    pub(super) fn finish_with(&mut self, trailers: HeaderMap) -> Result<(), OutletError> {
        self.send.send_trailers(trailers).map_err(|error| refused(&error))
    }

    /// Waits until the edge no longer listens. It may never do so.
    pub(super) async fn gone(&mut self) -> OutletError {
        std::future::poll_fn(|cx| self.poll_gone(cx)).await
    }

    /// Tells the edge that something is missing.
    pub(super) fn reset(&mut self) {
        self.send.send_reset(Reason::INTERNAL_ERROR);
    }
}

impl Outlet for Outward {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
        while !data.is_empty() {
            self.send.reserve_capacity(data.len());
            let mut granted = self.send.capacity();
            if granted == 0 {
                granted = match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(granted)) => granted,
                    Some(Err(error)) => return Poll::Ready(Err(refused(&error))),
                    None => return Poll::Ready(Err(OutletError::new(CLOSED))),
                };
            }
            let chunk = data.split_to(granted.min(data.len()));
            if let Err(error) = self.send.send_data(chunk, false) {
                return Poll::Ready(Err(refused(&error)));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&mut self) -> Result<(), OutletError> {
        let finished = self.send.send_data(Bytes::new(), true);
        finished.map_err(|error| refused(&error))
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<OutletError> {
        match ready!(self.send.poll_reset(cx)) {
            Ok(reason) => Poll::Ready(OutletError::new(format!("stream reset: {reason}"))),
            Err(error) => Poll::Ready(refused(&error)),
        }
    }
}

impl AsyncWrite for Outward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // Calls are short and few: the copy is the price of owning them.
        let part = &data[..data.len().min(COPY)];
        self.send.reserve_capacity(part.len());
        let granted = match self.send.capacity() {
            0 => match ready!(self.send.poll_capacity(cx)) {
                Some(granted) => granted.map_err(io::Error::other)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            },
            granted => granted,
        };
        let part = &part[..granted.min(part.len())];
        self.send
            .send_data(Bytes::copy_from_slice(part), false)
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Ending twice, or after the edge has gone, changes nothing.
        let _ended = self.finish();
        Poll::Ready(Ok(()))
    }
}

fn broken(error: &h2::Error) -> BodyError {
    BodyError::new(error.to_string())
}

fn refused(error: &h2::Error) -> OutletError {
    OutletError::new(error.to_string())
}

/// Bytes copied at once.
const COPY: usize = 16 * 1024;
const CLOSED: &str = "http2: stream closed";

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn the_first_frame_is_replaced_whatever_the_pieces() {
        let (near, mut far) = tokio::io::duplex(7);
        let mut wire = Wire::new(near);
        let written = async move {
            // A settings frame of one entry, and what the library writes together with it.
            wire.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\x10\0\0and the rest")
                .await
                .expect("it is taken");
        };
        let mut seen = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut seen), written);
        read.expect("it ends");
        assert_eq!(seen[..45], FIRST_FRAME);
        assert_eq!(&seen[45..], b"and the rest");
    }
}
