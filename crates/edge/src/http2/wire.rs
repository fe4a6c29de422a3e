//! The bytes below HTTP/2.
//!
//! The library writes frame by frame, and every stream that has something to say makes it write. What
//! it writes is gathered here and leaves in one piece when all tasks that are ready have had their turn:
//! a record of TLS and a call of the system for each frame would cost more than all else.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Buf;
use h2::StreamId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::heads::Heads;
use super::rewrite::Head;

/// The connection below HTTP/2: has header blocks taken apart, counts signs of life, and puts upstream's
/// first frame in the place of the library's, which says the same in another order and leaves one
/// setting out.
#[derive(Debug)]
pub(super) struct Wire<T>(Arc<Mutex<Below<T>>>);

/// Sends what has gathered.
#[derive(Debug)]
pub(super) struct Sending<T>(Arc<Mutex<Below<T>>>);

/// Hands out what waits of requests.
#[derive(Debug)]
pub(super) struct Claims<T>(Arc<Mutex<Below<T>>>);

#[derive(Debug)]
struct Below<T> {
    inner: T,
    heard: Arc<AtomicU64>,
    heads: Heads,
    opening: Opening,
    gathered: Gathered,
    /// Why what was gathered could not be sent; the library has to be told.
    failed: Option<io::Error>,
    is_blocked: bool,
}

/// What the library has written and the connection has not taken.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    sent: usize,
    /// Whether something was handed over that may not have left.
    unflushed: bool,
    /// Whether somebody sends what gathers, so that the library need not be obeyed when it asks.
    is_awaited: bool,
    /// Whether the others have had their turn.
    has_waited: bool,
}

/// How much of the first frame is still to be written, and to be kept from being written.
#[derive(Debug)]
enum Opening {
    Unsent,
    Skip(usize),
    Sent,
}

impl<T> Wire<T> {
    /// Wraps a connection of which nothing has been read or written.
    pub(super) fn new(inner: T) -> Self {
        Self(Arc::new(Mutex::new(Below {
            inner,
            heard: Arc::default(),
            heads: Heads::new(),
            opening: Opening::Unsent,
            gathered: Gathered::default(),
            failed: None,
            is_blocked: false,
        })))
    }

    /// Returns the count of bytes heard.
    pub(super) fn heard(&self) -> Arc<AtomicU64> {
        Arc::clone(&below(&self.0).heard)
    }

    /// Returns the sender of what gathers. Until it is polled for the first time nothing gathers.
    pub(super) fn sending(&self) -> Sending<T> {
        Sending(Arc::clone(&self.0))
    }

    /// Returns where what waits of requests is to be had.
    pub(super) fn claims(&self) -> Claims<T> {
        Claims(Arc::clone(&self.0))
    }
}

impl<T> Claims<T> {
    /// Takes what waits of the request on a stream, which has just been accepted.
    pub(super) fn take(&self, stream: StreamId) -> Option<Head> {
        below(&self.0).heads.claim(stream.as_u32())
    }
}

impl<T: AsyncWrite + Unpin> Sending<T> {
    /// Sends what has gathered, once all other tasks that are ready now have had their turn.
    ///
    /// To be called by the task that polls the library, whenever that has nothing more to do.
    pub(super) fn poll(&self, cx: &mut Context<'_>) {
        let below = &mut *below(&self.0);
        below.gathered.is_awaited = true;
        if below.gathered.is_empty() {
            return;
        }
        if !below.gathered.has_waited {
            // The task goes behind the others.
            below.gathered.has_waited = true;
            cx.waker().wake_by_ref();
            return;
        }
        if let Poll::Ready(Err(error)) = below.poll_flush(cx) {
            below.failed = Some(error);
            below.gathered = Gathered::default();
            cx.waker().wake_by_ref();
        }
    }
}

impl Gathered {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    fn room(&self) -> usize {
        MOST.saturating_sub(self.bytes.len())
    }

    /// Takes as much as there is room for.
    fn take(&mut self, data: &[u8]) -> usize {
        let count = self.room().min(data.len());
        self.bytes.extend_from_slice(&data[..count]);
        count
    }
}

impl<T: AsyncWrite + Unpin> Below<T> {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        match self.opening {
            Opening::Sent => {}
            Opening::Unsent => {
                self.opening = match settings_frame(data) {
                    Some(length) => {
                        self.gathered.bytes.extend_from_slice(&FIRST_FRAME);
                        Opening::Skip(length)
                    }
                    None => Opening::Sent,
                };
                return self.poll_write(cx, data);
            }
            Opening::Skip(length) => {
                self.opening = Opening::Sent;
                return Poll::Ready(Ok(length));
            }
        }
        if self.gathered.room() == 0 {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(self.gathered.take(data)))
    }

    /// Hands over all that has gathered.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gathered.sent < self.gathered.bytes.len() {
            let rest = &self.gathered.bytes[self.gathered.sent..];
            let written = Pin::new(&mut self.inner).poll_write(cx, rest);
            // In a long upload the answer to a ping stands behind all of it: it counts as a sign of
            // life when room is made that was not there.
            let was_blocked = std::mem::replace(&mut self.is_blocked, written.is_pending());
            if was_blocked && written.is_ready() {
                self.heard.fetch_add(1, Ordering::Relaxed);
            }
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.sent += written;
            self.gathered.unflushed = true;
        }
        self.gathered.bytes.clear();
        self.gathered.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Hands over all that has gathered, and waits until it has left.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.gathered.unflushed = false;
        self.gathered.has_waited = false;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *below(&self.0);
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
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        below(&self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut parts = parts.iter().filter(|part| !part.is_empty());
        let Some(first) = parts.next() else {
            return Poll::Ready(Ok(0));
        };
        let below = &mut *below(&self.0);
        let mut taken = ready!(below.poll_write(cx, first))?;
        if taken == first.len() {
            taken += parts.map(|part| below.gathered.take(part)).sum::<usize>();
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let below = &mut *below(&self.0);
        match below.failed.take() {
            Some(error) => Poll::Ready(Err(error)),
            None if below.gathered.is_awaited => Poll::Ready(Ok(())),
            None => below.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let below = &mut *below(&self.0);
        ready!(below.poll_flush(cx))?;
        Pin::new(&mut below.inner).poll_shutdown(cx)
    }
}

/// All handles belong to one task: nobody ever waits, and a panic ends that task.
fn below<T>(shared: &Mutex<Below<T>>) -> MutexGuard<'_, Below<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the length of the settings frame that `data` begins with, if all of it is there.
fn settings_frame(data: &[u8]) -> Option<usize> {
    let header = data.first_chunk::<9>()?;
    let length = HEADER + usize::from(header[1]) * 256 + usize::from(header[2]);
    (header[0] == 0 && header[3] == SETTINGS && header[4] == 0 && data.len() >= length).then_some(length)
}

/// Bytes that gather at most: some records of TLS, full ones.
const MOST: usize = 64 * 1024;
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    async fn turn(sending: &Sending<DuplexStream>) {
        poll_fn(|cx| {
            sending.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn the_first_frame_is_replaced_whatever_the_pieces() {
        let (near, mut far) = tokio::io::duplex(7);
        let mut wire = Wire::new(near);
        let written = async move {
            // A settings frame of one entry, and what the library writes together with it.
            wire.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\x10\0\0and the rest")
                .await
                .expect("it is taken");
            wire.flush().await.expect("it is sent");
        };
        let mut seen = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut seen), written);
        read.expect("it ends");
        assert_eq!(seen[..45], FIRST_FRAME);
        assert_eq!(&seen[45..], b"and the rest");
    }

    #[tokio::test]
    async fn what_gathers_leaves_in_one_piece_after_a_turn_of_the_others() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(near);
        let sending = wire.sending();
        turn(&sending).await;
        for part in [&b"one "[..], b"two "] {
            wire.write_all(part).await.expect("it is taken");
            wire.flush().await.expect("it need not be sent");
            turn(&sending).await;
        }
        let mut seen = [0; 64];
        let count = far.read(&mut seen).await.expect("it is sent");
        assert_eq!(&seen[..count], b"one two ");
    }

    #[tokio::test]
    async fn whatever_does_not_fit_waits() {
        let (near, mut far) = tokio::io::duplex(1000);
        let mut wire = Wire::new(near);
        let sending = wire.sending();
        let all: Vec<u8> = (0..=250).cycle().take(3 * MOST + 5).collect();
        let written = async {
            wire.write_all(&all).await.expect("it is taken");
            wire.shutdown().await.expect("it is sent");
        };
        let mut written = std::pin::pin!(written);
        let both = poll_fn(|cx| {
            let done = written.as_mut().poll(cx);
            sending.poll(cx);
            done
        });
        let mut seen = Vec::new();
        let (read, ()) = tokio::join!(far.read_to_end(&mut seen), both);
        read.expect("it ends");
        assert!(seen == all, "every byte arrives, in order");
    }

    #[tokio::test]
    async fn the_library_is_told_that_nothing_can_be_sent() {
        let (near, far) = tokio::io::duplex(64);
        let mut wire = Wire::new(near);
        let sending = wire.sending();
        turn(&sending).await;
        drop(far);
        wire.write_all(b"lost").await.expect("it is taken");
        for _ in 0..2 {
            turn(&sending).await;
        }
        wire.flush().await.expect_err("it is told");
    }
}
