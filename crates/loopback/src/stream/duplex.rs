//! Both directions of a stream as one, for calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Both directions of a stream to a connector.
#[derive(Debug)]
pub(crate) enum Duplex {
    /// Over QUIC.
    Quic(quinn::SendStream, quinn::RecvStream),
    /// Over HTTP/2: a request body and a response body.
    Http2 {
        outgoing: h2::SendStream<Bytes>,
        incoming: h2::RecvStream,
        /// Bytes that have arrived and are not yet read.
        rest: Bytes,
    },
}

impl AsyncRead for Duplex {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(_, stream) => AsyncRead::poll_read(Pin::new(stream), cx, buf),
            Self::Http2 { incoming, rest, .. } => {
                if rest.is_empty() {
                    let Some(chunk) = ready!(incoming.poll_data(cx)) else {
                        return Poll::Ready(Ok(()));
                    };
                    *rest = chunk.map_err(io::Error::other)?;
                    let released = incoming.flow_control().release_capacity(rest.len());
                    released.map_err(io::Error::other)?;
                }
                let part = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..part]);
                rest.advance(part);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Quic(stream, _) => AsyncWrite::poll_write(Pin::new(stream), cx, data),
            Self::Http2 { outgoing, .. } => {
                outgoing.reserve_capacity(data.len());
                let Some(capacity) = ready!(outgoing.poll_capacity(cx)) else {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                };
                let part = capacity.map_err(io::Error::other)?.min(data.len());
                let sent = outgoing.send_data(Bytes::copy_from_slice(&data[..part]), false);
                sent.map_err(io::Error::other)?;
                Poll::Ready(Ok(part))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Quic(stream, _) => AsyncWrite::poll_shutdown(Pin::new(stream), cx),
            Self::Http2 { outgoing, .. } => {
                Poll::Ready(outgoing.send_data(Bytes::new(), true).map_err(io::Error::other))
            }
        }
    }
}
