//! The far end of a WebSocket that carries a byte stream: what `access` clients speak.
//!
//! The visitor's frames are taken apart on their way to the origin, and what the origin says is
//! put into frames. Nothing of a message is ever held: payloads pass as they arrive, whatever the
//! length of their message.

pub(crate) mod frames;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::{Body, Connected, Headers, Io};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use self::frames::{Event, Frames};
use crate::gate::Gate;

/// Time between pings.
const PING_INTERVAL: Duration = Duration::from_secs(54);

/// Bytes of an answer in one frame: what other clients of this protocol read at once.
const MAX_FRAME: usize = 16 * 1024;

/// Bytes of control frames that may wait for a visitor who does not read.
const MAX_QUEUED: usize = 4 * 1024;

/// What a key is hashed with to show that a WebSocket was understood.
const ACCEPT: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Returns the stream that carries `io` in frames, for the visitor whose bytes are `body`.
pub(crate) fn connected(request: &Headers, body: Body, io: Box<dyn Io>) -> Connected {
    let (gate, body) = Gate::new(body);
    Connected {
        headers: acknowledgement(request),
        body,
        io: Box::new(WebSocket {
            io,
            frames: Frames::default(),
            payload: BytesMut::new(),
            queued: BytesMut::new(),
            ping: Box::pin(sleep(PING_INTERVAL)),
            gate,
            over: false,
        }),
    }
}

/// Returns the fields that show that the WebSocket was understood, if there was a key.
pub(crate) fn acknowledgement(request: &Headers) -> Headers {
    let Some(key) = request.get("Sec-Websocket-Key").filter(|key| !key.is_empty()) else {
        return Headers::new();
    };
    let mut hashed = key.to_vec();
    hashed.extend_from_slice(ACCEPT.as_bytes());
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &hashed);
    let accept = STANDARD.encode(digest.as_ref());
    [
        ("Connection", "Upgrade"),
        ("Sec-Websocket-Accept", &accept),
        ("Upgrade", "websocket"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// An origin whose bytes travel in frames.
struct WebSocket {
    io: Box<dyn Io>,
    frames: Frames,
    /// Payload on its way to the origin.
    payload: BytesMut,
    /// Frames on their way to the visitor that carry nothing of the origin.
    queued: BytesMut,
    ping: Pin<Box<Sleep>>,
    gate: Gate,
    /// Whether the conversation has ended: by a close frame, or because it made no sense.
    over: bool,
}

impl WebSocket {
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.payload.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.payload))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.payload.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn obey(&mut self, event: Event) {
        match event {
            Event::Nothing | Event::Data { .. } => {}
            Event::Ping(payload) => {
                if self.queued.len() < MAX_QUEUED {
                    frames::control(frames::PONG, &payload, &mut self.queued);
                }
            }
            Event::Close(status) => {
                frames::control(frames::CLOSE, &status, &mut self.queued);
                self.end();
            }
            Event::Violation => self.end(),
        }
    }

    fn end(&mut self) {
        self.over = true;
        self.gate.close();
    }

    /// Reads what the origin says into a frame; nothing at its end.
    fn poll_frame(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut small = [0; SMALL];
        if buffer.remaining() < frames::MAX_HEAD + SMALL {
            let mut read = ReadBuf::new(&mut small);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
            if !read.filled().is_empty() {
                frames::head(frames::BINARY, read.filled().len(), &mut self.queued);
                self.queued.extend_from_slice(read.filled());
            }
            return Poll::Ready(Ok(()));
        }
        let start = buffer.filled().len();
        let space = buffer.initialize_unfilled();
        let end = space.len().min(frames::MAX_HEAD + MAX_FRAME);
        let mut read = ReadBuf::new(&mut space[frames::MAX_HEAD..end]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut read))?;
        let length = read.filled().len();
        if length == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut head = BytesMut::with_capacity(frames::MAX_HEAD);
        frames::head(frames::BINARY, length, &mut head);
        space[..head.len()].copy_from_slice(&head);
        space.copy_within(frames::MAX_HEAD..frames::MAX_HEAD + length, head.len());
        buffer.set_filled(start + head.len() + length);
        Poll::Ready(Ok(()))
    }
}

/// Bytes of an answer that are read when there is hardly room for a frame.
const SMALL: usize = 125;

impl AsyncRead for WebSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.queued.is_empty() {
                let length = this.queued.len().min(buffer.remaining());
                buffer.put_slice(&this.queued[..length]);
                this.queued.advance(length);
                return Poll::Ready(Ok(()));
            }
            if this.over {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            if this.poll_frame(cx, buffer)?.is_ready() {
                if this.queued.is_empty() || buffer.filled().len() > before {
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            ready!(this.ping.as_mut().poll(cx));
            this.ping = Box::pin(sleep(PING_INTERVAL));
            frames::control(frames::PING, &[], &mut this.queued);
        }
    }
}

impl AsyncWrite for WebSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_payload(cx))?;
        if this.over {
            return Poll::Ready(Ok(data.len()));
        }
        let (taken, event) = this.frames.take(data, &mut this.payload);
        this.obey(event);
        // What does not go out now goes out before anything more is taken.
        if let Poll::Ready(Err(error)) = this.poll_payload(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_payload(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_payload(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
