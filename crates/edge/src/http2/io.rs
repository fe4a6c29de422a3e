//! The two halves of a stream above HTTP/2.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adit_exchange::BodyError;
use adit_exchange::outlet::{Outlet, OutletError};
use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;
use http_body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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

    /// Sends all of `data` and ends the stream with it.
    pub(super) async fn finish_with_data(&mut self, mut data: Bytes) -> Result<(), OutletError> {
        if data.is_empty() {
            return self.finish();
        }
        std::future::poll_fn(|cx| self.poll_hand_over(cx, &mut data, true)).await
    }

    /// Ends the stream with trailers.
    pub(super) fn finish_with(&mut self, trailers: HeaderMap) -> Result<(), OutletError> {
        self.send.send_trailers(trailers).map_err(|error| refused(&error))
    }

    /// Hands over what there is room for; with the last of it the stream may end.
    fn poll_hand_over(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        ends: bool,
    ) -> Poll<Result<(), OutletError>> {
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
            let sent = self.send.send_data(chunk, ends && data.is_empty());
            if let Err(error) = sent {
                return Poll::Ready(Err(refused(&error)));
            }
        }
        Poll::Ready(Ok(()))
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
        self.poll_hand_over(cx, data, false)
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
