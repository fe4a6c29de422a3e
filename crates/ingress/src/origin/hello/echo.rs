//! A WebSocket that says back what it hears.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use adit_exchange::{Body, Connected, Headers};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gate::Gate;
use crate::websocket::acknowledgement;
use crate::websocket::frames::{self, Event, Frames};

/// Bytes that wait to be said back; more are not listened to.
const MAX_WAITING: usize = 64 * 1024;

/// Returns the stream that says back what the visitor whose bytes are `body` says.
pub(crate) fn connected(request: &Headers, body: Body) -> Connected {
    let (gate, body) = Gate::new(body);
    Connected {
        headers: acknowledgement(request),
        body,
        io: Box::new(Echo {
            frames: Frames::default(),
            waiting: BytesMut::new(),
            gate,
            over: false,
            speaker: None,
            listener: None,
        }),
    }
}

struct Echo {
    frames: Frames,
    waiting: BytesMut,
    gate: Gate,
    over: bool,
    /// Whoever waits to say something, and whoever waits to hear it.
    speaker: Option<Waker>,
    listener: Option<Waker>,
}

impl Echo {
    fn hear(&mut self, mut data: &[u8]) {
        while !data.is_empty() && !self.over {
            let mut payload = BytesMut::new();
            let (taken, event) = self.frames.take(data, &mut payload);
            data = &data[taken..];
            self.waiting.extend_from_slice(&payload);
            match event {
                Event::Nothing => {}
                Event::Data { first, length } => self.say_head(first, length),
                Event::Ping(payload) => frames::control(frames::PONG, &payload, &mut self.waiting),
                Event::Close(status) => {
                    frames::control(frames::CLOSE, &status, &mut self.waiting);
                    self.end();
                }
                Event::Violation => self.end(),
            }
        }
    }

    fn say_head(&mut self, first: u8, length: u64) {
        self.waiting.put_u8(first);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(length @ ..=125), _) => self.waiting.put_u8(length),
            (_, Ok(length)) => {
                self.waiting.put_u8(126);
                self.waiting.put_u16(length);
            }
            (_, Err(_)) => {
                self.waiting.put_u8(127);
                self.waiting.put_u64(length);
            }
        }
    }

    fn end(&mut self) {
        self.over = true;
        self.gate.close();
    }
}

impl AsyncRead for Echo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            if self.over {
                return Poll::Ready(Ok(()));
            }
            self.listener = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = self.waiting.len().min(buffer.remaining());
        buffer.put_slice(&self.waiting[..length]);
        self.waiting.advance(length);
        if let Some(speaker) = self.speaker.take() {
            speaker.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Echo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.waiting.len() >= MAX_WAITING {
            self.speaker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let length = data.len().min(MAX_WAITING);
        self.hear(&data[..length]);
        if let Some(listener) = self.listener.take() {
            listener.wake();
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.over = true;
        if let Some(listener) = self.listener.take() {
            listener.wake();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn messages_come_back_as_they_were() {
        let mut io = connected(&Headers::new(), Body::empty()).io;
        // A text message and a close frame, masked with zeros.
        io.write_all(b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8")
            .await
            .expect("heard");
        let mut said = Vec::new();
        io.read_to_end(&mut said).await.expect("said");
        assert_eq!(said, b"\x81\x02hi\x88\x02\x03\xe8");
    }
}
