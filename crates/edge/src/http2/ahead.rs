//! Reads what is there in one go.
//!
//! TLS asks for 4 KiB at a time, and a call of the system for each would cost more than the copy.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that is read ahead.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    inner: T,
    buffer: Box<[u8]>,
    /// What of the buffer was read, and not yet given away.
    start: usize,
    end: usize,
}

impl<T> Ahead<T> {
    /// Wraps a connection.
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            buffer: vec![0; MOST].into(),
            start: 0,
            end: 0,
        }
    }

    /// Returns the connection.
    pub(crate) const fn get_ref(&self) -> &T {
        &self.inner
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Ahead<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            let mut read = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            (this.start, this.end) = (0, read.filled().len());
        }
        let count = buffer.remaining().min(this.end - this.start);
        buffer.put_slice(&this.buffer[this.start..this.start + count]);
        this.start += count;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Ahead<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

/// Some records of TLS. What has never been used is memory that the system has not given.
const MOST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_between_small_reads() {
        let (near, mut far) = tokio::io::duplex(1000);
        let sent: Vec<u8> = (0..=250).cycle().take(5000).collect();
        let mut ahead = Ahead::new(near);
        let writing = async {
            far.write_all(&sent).await.expect("it is taken");
            drop(far);
        };
        let reading = async {
            let mut seen = Vec::new();
            let mut part = [0; 7];
            while let count @ 1.. = ahead.read(&mut part).await.expect("it is read") {
                seen.extend_from_slice(&part[..count]);
            }
            seen
        };
        let (seen, ()) = tokio::join!(reading, writing);
        assert_eq!(seen, sent);
    }
}
