//! Shows what passes between a user and an application, to whoever looks for a fault.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use adit_dialect::quote::quote_ascii;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many reads and writes are shown if nobody says how many.
const DEFAULT: u64 = 10;

/// Shows the first reads and writes of the streams that are put on it.
#[derive(Clone, Debug)]
pub struct Tap {
    host: Arc<str>,
    left: Arc<AtomicU64>,
}

/// A stream of which reads and writes are shown.
#[derive(Debug)]
pub struct Tapped<S> {
    stream: S,
    tap: Tap,
}

impl Tap {
    /// Makes a tap for what is said to a host, for this many reads and writes; zero for the usual
    /// number.
    #[must_use]
    pub fn new(host: &str, count: u64) -> Self {
        Self {
            host: host.into(),
            left: Arc::new(AtomicU64::new(if count == 0 { DEFAULT } else { count })),
        }
    }

    /// Puts a stream on the tap.
    pub fn on<S>(&self, stream: S) -> Tapped<S> {
        Tapped {
            stream,
            tap: self.clone(),
        }
    }

    fn show(&self, direction: &str, bytes: &[u8]) {
        let next = |left: u64| left.checked_sub(1);
        if bytes.is_empty()
            || self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
                .is_err()
        {
            return;
        }
        tracing::debug!(
            host = &*self.host,
            dir = direction,
            count = bytes.len(),
            "{}",
            quote_ascii(bytes)
        );
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tapped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.tap.show("r", &buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tapped<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.tap.show("w", &bytes[..count.min(bytes.len())]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
