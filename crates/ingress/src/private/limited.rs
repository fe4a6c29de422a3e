//! A stream to an origin that may not take its time to accept what it is sent.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::Io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream with a limit for each write.
pub(crate) struct Limited<S> {
    io: S,
    limit: Duration,
    /// Runs while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: Io> Limited<S> {
    /// Returns `io` with a limit, if there is to be one.
    pub(crate) fn boxed(io: S, limit: Option<Duration>) -> Box<dyn Io> {
        match limit {
            None => Box::new(io),
            Some(limit) => Box::new(Self {
                io,
                limit,
                timer: None,
            }),
        }
    }

    /// Passes on what a write has come to, unless it waits for too long.
    fn watch(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout")))
    }
}

impl<S: Io> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<S: Io> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, data);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_write_that_waits_for_too_long_fails() {
        let (near, _far) = tokio::io::duplex(4);
        let mut near = Limited::boxed(near, Some(Duration::from_millis(1)));
        near.write_all(b"1234").await.expect("there is room");
        let late = near.write_all(b"5").await.expect_err("nobody reads");
        let said = late.to_string();
        assert_eq!(
            (late.kind(), said.as_str()),
            (io::ErrorKind::TimedOut, "i/o timeout")
        );
    }

    #[tokio::test]
    async fn a_write_that_waits_within_the_limit_succeeds() {
        for limit in [None, Some(Duration::from_secs(3600))] {
            let (near, mut far) = tokio::io::duplex(1);
            let mut near = Limited::boxed(near, limit);
            let mut read = [0; 2];
            let (written, read) = tokio::join!(near.write_all(b"12"), far.read_exact(&mut read));
            written.expect("it is read");
            read.expect("it is written");
        }
    }
}
