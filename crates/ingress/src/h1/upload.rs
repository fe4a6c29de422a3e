//! Sends a request: its head, then its body as it arrives.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::{Body, BodyError, Class, Io};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::AsyncWrite;
use tokio::time::Sleep;

use super::request::Sent;
use crate::headers;
use adit_dial::Failure;

/// How long an origin may be silent after `Expect: 100-continue` before the body follows anyway.
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The sending half of one request.
#[derive(Debug)]
pub(crate) struct Upload {
    pending: Pending,
    body: Body,
    framing: Sent,
    /// Trailers that may follow the body.
    trailers: Vec<Bytes>,
    /// Bytes of the body that were taken so far.
    taken: u64,
    state: State,
    /// Bytes handed to the connection so far.
    written: u64,
}

#[derive(Debug)]
enum State {
    /// The head is written, then the body waits.
    Expecting,
    /// The body waits until the origin wants it.
    Waiting(Pin<Box<Sleep>>),
    /// Head and body are sent.
    Sending,
    /// The last bytes are being written.
    Ending,
    /// Everything is sent.
    Done,
    /// The body is not sent to its end.
    Stopped,
}

/// Why sending ended early.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The connection takes no more.
    Connection(io::Error),
    /// The body is not as long as was declared.
    Length(Failure),
    /// The body broke off.
    Body(BodyError),
}

impl Upload {
    /// Returns the upload of a request whose head has these bytes.
    ///
    /// With `expects` the body waits until the origin asks for it, at most a second.
    pub(crate) fn new(head: Bytes, body: Body, framing: Sent, expects: bool) -> Self {
        let has_body = !matches!(framing, Sent::None | Sent::Zero);
        Self {
            pending: Pending {
                head,
                ..Pending::default()
            },
            body,
            framing,
            trailers: Vec::new(),
            taken: 0,
            state: if expects && has_body {
                State::Expecting
            } else {
                State::Sending
            },
            written: 0,
        }
    }

    /// Lets trailers with these names follow the body.
    pub(crate) fn with_trailers(mut self, names: &[Bytes]) -> Self {
        self.trailers = names.to_vec();
        self
    }

    /// Returns whether the connection has not taken a single byte.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.written == 0
    }

    /// Returns whether the whole request is sent.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Lets the body follow: the origin wants it.
    pub(crate) fn go_on(&mut self) {
        if matches!(self.state, State::Expecting | State::Waiting(_)) {
            self.state = State::Sending;
        }
    }

    /// Keeps a body that still waits from being sent.
    pub(crate) fn hold_back(&mut self) {
        if matches!(self.state, State::Expecting | State::Waiting(_)) {
            self.stop();
        }
    }

    /// Sends no more.
    pub(crate) fn stop(&mut self) {
        self.state = State::Stopped;
        self.pending = Pending::default();
    }

    /// Gives the body back, less what was taken of it.
    pub(crate) fn into_body(self) -> Body {
        self.body
    }

    /// Returns whether nothing of the body was taken.
    pub(crate) const fn is_body_untouched(&self) -> bool {
        self.taken == 0
    }

    /// Sends what can be sent now; ready when there is nothing left to do.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, io: &mut Box<dyn Io>) -> Poll<Result<(), Broken>> {
        loop {
            let filled = self.poll_fill(cx)?;
            if !self.pending.is_empty() {
                ready!(self.poll_write(cx, io)).map_err(Broken::Connection)?;
                continue;
            }
            if filled.is_pending() {
                ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(Broken::Connection)?;
                return Poll::Pending;
            }
            match &self.state {
                State::Expecting => {
                    self.state = State::Waiting(Box::pin(tokio::time::sleep(CONTINUE_TIMEOUT)));
                }
                State::Ending => {
                    ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(Broken::Connection)?;
                    self.state = State::Done;
                }
                State::Done | State::Stopped => return Poll::Ready(Ok(())),
                State::Waiting(_) | State::Sending => {}
            }
        }
    }

    /// Takes the next of the body if there is room for it; pending while the body is silent.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        if let State::Waiting(timer) = &mut self.state {
            if timer.as_mut().poll(cx).is_pending() {
                return Ok(Poll::Pending);
            }
            self.state = State::Sending;
        }
        if !matches!(self.state, State::Sending) || self.pending.has_data() {
            return Ok(Poll::Ready(()));
        }
        match self.framing {
            Sent::None | Sent::Zero => self.state = State::Ending,
            Sent::Length(length) => return self.fill_length(cx, length),
            Sent::Chunked => return self.fill_chunk(cx),
            Sent::Raw => match self.body.poll_data(cx) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(None) => self.state = State::Ending,
                Poll::Ready(Some(data)) => {
                    self.pending.data = data.map_err(Broken::Body)?;
                    self.taken += self.pending.data.len() as u64;
                }
            },
        }
        Ok(Poll::Ready(()))
    }

    fn fill_length(&mut self, cx: &mut Context<'_>, length: u64) -> Result<Poll<()>, Broken> {
        if self.taken > length {
            return Err(self.wrong_length(length));
        }
        let data = match self.body.poll_data(cx) {
            Poll::Pending if self.taken == length => {
                self.state = State::Ending;
                return Ok(Poll::Ready(()));
            }
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(None) if self.taken == length => {
                self.state = State::Ending;
                return Ok(Poll::Ready(()));
            }
            Poll::Ready(None) => return Err(self.wrong_length(length)),
            Poll::Ready(Some(data)) => data.map_err(Broken::Body)?,
        };
        let room = length - self.taken;
        self.taken += data.len() as u64;
        self.pending.data = match usize::try_from(room) {
            Ok(room) if room < data.len() => data.slice(..room),
            Ok(_) | Err(_) => data,
        };
        Ok(Poll::Ready(()))
    }

    fn fill_chunk(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Broken> {
        let frame = match http_body::Body::poll_frame(Pin::new(&mut self.body), cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(None) => {
                self.end_chunks(&HeaderMap::new());
                return Ok(Poll::Ready(()));
            }
            Poll::Ready(Some(frame)) => frame.map_err(Broken::Body)?,
        };
        match frame.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                self.taken += data.len() as u64;
                self.pending.chunk(data);
            }
            Err(frame) => self.end_chunks(&frame.into_trailers().unwrap_or_default()),
        }
        Ok(Poll::Ready(()))
    }

    fn end_chunks(&mut self, trailers: &HeaderMap) {
        let mut end = BytesMut::from(&b"0\r\n"[..]);
        for name in &self.trailers {
            let Ok(known) = http::HeaderName::from_bytes(name) else {
                continue;
            };
            for value in trailers.get_all(known) {
                for part in [&headers::canonical(name)[..], b": ", value.as_bytes(), b"\r\n"] {
                    end.put_slice(part);
                }
            }
        }
        end.put_slice(b"\r\n");
        self.pending.tail = end.freeze();
        self.state = State::Ending;
    }

    fn wrong_length(&self, length: u64) -> Broken {
        let taken = self.taken;
        Broken::Length(Failure::new(
            Class::Request,
            format!(
                "net/http: HTTP/1.x transport connection broken: http: ContentLength={length} with Body length {taken}"
            ),
        ))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, io: &mut Box<dyn Io>) -> Poll<io::Result<()>> {
        let written = ready!(self.pending.poll_write(cx, io))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written += written as u64;
        self.pending.advance(written);
        Poll::Ready(Ok(()))
    }
}

/// Bytes on their way into the connection: a chunk is written in one go with what frames it, and
/// the head together with the first of the body when that is already there.
#[derive(Debug, Default)]
struct Pending {
    head: Bytes,
    lead: Lead,
    data: Bytes,
    tail: Bytes,
}

/// The line in front of a chunk.
#[derive(Debug, Default)]
struct Lead {
    bytes: [u8; 18],
    start: usize,
    end: usize,
}

impl Pending {
    fn chunk(&mut self, data: Bytes) {
        let mut bytes = [0; 18];
        let mut rest = &mut bytes[..];
        write!(rest, "{:x}\r\n", data.len()).expect("sixteen digits and a line end fit");
        let end = 18 - rest.len();
        self.lead = Lead { bytes, start: 0, end };
        self.data = data;
        self.tail = Bytes::from_static(b"\r\n");
    }

    const fn has_data(&self) -> bool {
        !self.data.is_empty() || !self.tail.is_empty() || self.lead.start < self.lead.end
    }

    const fn is_empty(&self) -> bool {
        self.head.is_empty() && !self.has_data()
    }

    fn poll_write(&self, cx: &mut Context<'_>, io: &mut Box<dyn Io>) -> Poll<io::Result<usize>> {
        let lead = &self.lead.bytes[self.lead.start..self.lead.end];
        let parts = [&self.head[..], lead, &self.data, &self.tail];
        if io.is_write_vectored() {
            return Pin::new(io).poll_write_vectored(cx, &parts.map(IoSlice::new));
        }
        let first = parts
            .into_iter()
            .find(|part| !part.is_empty())
            .unwrap_or_default();
        Pin::new(io).poll_write(cx, first)
    }

    fn advance(&mut self, mut written: usize) {
        let step = written.min(self.head.len());
        self.head.advance(step);
        written -= step;
        let step = written.min(self.lead.end - self.lead.start);
        self.lead.start += step;
        written -= step;
        let step = written.min(self.data.len());
        self.data.advance(step);
        self.tail.advance(written - step);
    }
}
