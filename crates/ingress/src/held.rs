//! A two-way stream that is in progress as long as it exists.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use adit_exchange::{Connected, Io};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::flows::Flow;
use crate::gate::{Gate, LINGER};
use crate::telling::Telling;

/// A stream with everything that ends with it.
pub(crate) struct Held {
    io: Box<dyn Io>,
    telling: Telling,
    /// When its connection was begun, until the edge has acknowledged it.
    dialed: Option<Instant>,
    flow: Option<Flow>,
    gate: Gate,
    /// Whether the visitor has ended, and the silence of the origin since.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Whether the origin took too long to accept what it was sent.
    stuck: bool,
}

impl Held {
    /// Returns `connected` with everything that ends with it.
    pub(crate) fn hold(
        connected: Connected,
        telling: Telling,
        dialed: Option<Instant>,
        flow: Option<Flow>,
    ) -> Connected {
        let (gate, body) = Gate::new(connected.body);
        Connected {
            headers: connected.headers,
            body,
            io: Box::new(Self {
                io: connected.io,
                telling,
                dialed,
                flow,
                gate,
                lingering: None,
                stuck: false,
            }),
        }
    }

    /// The edge looks at a stream for the first time when it has acknowledged it.
    fn looked_at(&mut self) {
        if let Some(dialed) = self.dialed.take() {
            self.telling.acknowledged(dialed);
        }
    }

    /// Ends the direction to the origin when it takes no more; what it still says is drained, unless
    /// it has just stopped reading: what it lacks it would never ask for.
    fn written(&mut self, written: io::Result<usize>, all: usize) -> usize {
        written.unwrap_or_else(|error| {
            self.telling
                .say(format_args!("downstream->upstream copy: {error}"));
            self.stuck |= error.kind() == io::ErrorKind::TimedOut;
            self.gate.close();
            all
        })
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.looked_at();
        if self.stuck {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, buffer) {
            if let Err(error) = read {
                // What came before it still reaches the edge, which a broken stream would not.
                self.telling
                    .say(format_args!("upstream->downstream copy: {error}"));
            }
            if buffer.filled().len() == before {
                self.gate.linger();
            } else if let Some(silence) = &mut self.lingering {
                silence.as_mut().reset(tokio::time::Instant::now() + LINGER);
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.lingering {
            // The silence that ends it is told as the end of the origin.
            Some(silence) => silence.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.looked_at();
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, data));
        Poll::Ready(Ok(self.written(written, data.len())))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.looked_at();
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, parts));
        let all = parts.iter().map(|part| part.len()).sum();
        Poll::Ready(Ok(self.written(written, all)))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(cx));
        self.written(flushed.map(|()| 0), 0);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.dialed.is_some() {
            self.telling.unacknowledged();
        } else if self.flow.take().is_some() {
            self.telling.say("tcp proxy stream finished successfully");
        }
    }
}
