//! A stream that becomes usable once hands were shaken.
//!
//! While the handshake lasts its two sides talk through a small pipe; afterwards the stream is the
//! connection that it led to, with nothing in between.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adit_exchange::Io;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tracing::debug;

use super::SocksError;

/// Bytes that wait for either side of a handshake: more than the longest request or answer.
const PIPE: usize = 512;

/// What a handshake leads to: the server's end of the pipe, and the connection.
pub(crate) type Shaken = (DuplexStream, Result<Box<dyn Io>, SocksError>);

/// A stream that begins with a handshake.
pub(crate) struct Shaking {
    client: DuplexStream,
    state: State,
}

enum State {
    Shaking(Pin<Box<dyn Future<Output = Shaken> + Send>>),
    Shaken {
        /// Where what the client said beyond the handshake waits.
        server: Option<DuplexStream>,
        /// What was taken of it.
        early: Bytes,
        io: Box<dyn Io>,
    },
    Over,
}

impl Shaking {
    /// Returns the stream that begins with the handshake that `shake` holds over a pipe.
    pub(crate) fn boxed<F>(shake: impl FnOnce(DuplexStream) -> F) -> Box<dyn Io>
    where
        F: Future<Output = Shaken> + Send + 'static,
    {
        let (client, server) = duplex(PIPE);
        Box::new(Self {
            client,
            state: State::Shaking(Box::pin(shake(server))),
        })
    }

    /// Goes on with the handshake.
    fn shake(&mut self, cx: &mut Context<'_>) {
        let State::Shaking(handshake) = &mut self.state else {
            return;
        };
        let Poll::Ready((server, shaken)) = handshake.as_mut().poll(cx) else {
            return;
        };
        self.state = match shaken {
            Ok(io) => State::Shaken {
                server: Some(server),
                early: Bytes::new(),
                io,
            },
            Err(error) => {
                debug!(error = %error, "Socks stream handler error");
                State::Over
            }
        };
    }

    /// Passes on what the client said beyond the handshake.
    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Shaken { server, early, io } = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        loop {
            while !early.is_empty() {
                let written = ready!(Pin::new(&mut *io).poll_write(cx, early))?;
                early.advance(written);
            }
            let Some(pipe) = server else {
                return Poll::Ready(Ok(()));
            };
            let mut buffer = [0; PIPE];
            let mut read = ReadBuf::new(&mut buffer);
            match Pin::new(pipe).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    *early = Bytes::copy_from_slice(read.filled());
                }
                Poll::Ready(_) | Poll::Pending => *server = None,
            }
        }
    }
}

impl AsyncRead for Shaking {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.shake(cx);
        // Early bytes go out even if the client says nothing more.
        if let Poll::Ready(Err(error)) = this.poll_early(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let answered = Pin::new(&mut this.client).poll_read(cx, buffer)?;
        if answered.is_ready() && buffer.filled().len() > before {
            return Poll::Ready(Ok(()));
        }
        match &mut this.state {
            State::Shaking(_) => Poll::Pending,
            State::Shaken { io, .. } => Pin::new(io).poll_read(cx, buffer),
            State::Over => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Shaking {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.shake(cx);
        ready!(this.poll_early(cx))?;
        match &mut this.state {
            State::Shaking(_) => Pin::new(&mut this.client).poll_write(cx, data),
            State::Shaken { io, .. } => Pin::new(io).poll_write(cx, data),
            State::Over => Poll::Ready(Ok(data.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.shake(cx);
        ready!(this.poll_early(cx))?;
        match &mut this.state {
            State::Shaken { io, .. } => Pin::new(io).poll_flush(cx),
            State::Shaking(_) | State::Over => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.shake(cx);
        ready!(this.poll_early(cx))?;
        match &mut this.state {
            // The end of the client is the end of its request; a connection asked for just before
            // is still made, and told.
            State::Shaking(_) => {
                ready!(Pin::new(&mut this.client).poll_shutdown(cx))?;
                this.shake(cx);
                match &mut this.state {
                    State::Shaking(_) => Poll::Pending,
                    State::Shaken { io, .. } => Pin::new(io).poll_shutdown(cx),
                    State::Over => Poll::Ready(Ok(())),
                }
            }
            State::Shaken { io, .. } => Pin::new(io).poll_shutdown(cx),
            State::Over => Poll::Ready(Ok(())),
        }
    }
}
