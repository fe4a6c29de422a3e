//! A byte stream that can be closed from outside, in good order.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The wish to close a stream.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    wished: AtomicBool,
    reader: AtomicWaker,
}

impl Closing {
    /// Closes the stream.
    pub(crate) fn close(&self) {
        self.wished.store(true, Ordering::Release);
        self.reader.wake();
    }

    fn is_wished(&self, cx: &Context<'_>) -> bool {
        self.reader.register(cx.waker());
        self.wished.load(Ordering::Acquire)
    }
}

/// A stream that says goodbye to the peer and ends for the reader when it is told to close.
#[derive(Debug)]
pub(super) struct Closable<S> {
    closing: Arc<Closing>,
    stream: S,
}

impl<S> Closable<S> {
    pub(super) const fn new(closing: Arc<Closing>, stream: S) -> Self {
        Self { closing, stream }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Closable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.closing.is_wished(cx) {
            return Pin::new(&mut self.stream).poll_shutdown(cx);
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Closable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
