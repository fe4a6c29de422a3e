//! Carries one request and its answer over a connection: both directions move at the same time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use adit_exchange::splice::poll_read;
use adit_exchange::{Body, BodyError, Class, Headers};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::PollSender;

use super::answer::{Answer, Framed, Head, Reader};
use super::chunks::{Decoder, Piece};
use super::upload::{Broken, Upload};
use crate::connection::Connection;
use crate::pool::Pool;
use adit_dial::Failure;

/// How long an answer without a body waits for the rest of its request to be sent, so that the
/// connection stays usable.
const UPLOAD_GRACE: Duration = Duration::from_millis(50);

/// What comes in front of a cause that lies in the protocol.
const BROKEN: &str = "net/http: HTTP/1.x transport connection broken: ";

/// A request on its way over a connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) connection: Connection,
    pub(crate) upload: Upload,
    reader: Reader,
    uploading: bool,
}

/// An exchange that brought no answer.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) failure: Failure,
    /// Whether the origin closed the connection without a byte of an answer.
    pub(crate) unanswered: bool,
    /// What was sent until then.
    pub(crate) upload: Upload,
}

impl Exchange {
    /// Returns the exchange of `upload` over `connection`.
    pub(crate) fn new(connection: Connection, upload: Upload, head_only: bool) -> Self {
        Self {
            connection,
            upload,
            reader: Reader::new(head_only),
            uploading: true,
        }
    }

    /// Sends the request until the head of its answer is there.
    pub(crate) async fn answer(mut self) -> Result<(Answer, Self), Box<Lost>> {
        match poll_fn(|cx| self.poll_answer(cx)).await {
            Ok(answer) => {
                self.settle(&answer).await;
                Ok((answer, self))
            }
            Err(failure) => Err(Box::new(Lost {
                failure,
                unanswered: self.reader.is_untouched(),
                upload: self.upload,
            })),
        }
    }

    /// Returns the connection and what was read of the protocol it has switched to.
    pub(crate) fn switched(self) -> (Connection, Bytes) {
        (self.connection, self.reader.buffer.freeze())
    }

    /// Returns the body of `answer`; at its end the connection goes back to `pool`.
    pub(crate) fn into_body(self, answer: &Answer, pool: Arc<Pool>) -> Body {
        let uploading = self.uploading;
        let mut download = Download {
            left: match answer.body {
                Framed::Length(length) => length,
                Framed::None | Framed::Chunked | Framed::UntilClose | Framed::Switched => 0,
            },
            framed: answer.body,
            decoder: Decoder::default(),
            reusable: answer.reusable,
            exchange: Some(self),
            pool,
        };
        if answer.body == Framed::None {
            download.finish();
            return Body::empty();
        }
        if uploading {
            Body::stream(Pumped::start(download))
        } else {
            Body::stream(download)
        }
    }

    /// Lets an answer without a body wait until its request is sent, within bounds.
    async fn settle(&mut self, answer: &Answer) {
        if !self.uploading || answer.body == Framed::Switched {
            return;
        }
        if answer.reusable {
            self.upload.go_on();
        } else {
            self.upload.hold_back();
        }
        let sent = poll_fn(|cx| self.poll_upload(cx));
        if answer.body == Framed::None && answer.reusable {
            // Not sent in time: the connection is not reused, which is all that depends on it.
            drop(tokio::time::timeout(UPLOAD_GRACE, sent).await);
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failure>> {
        loop {
            if let Poll::Ready(Err(failure)) = self.poll_upload(cx) {
                return Poll::Ready(Err(failure));
            }
            let read = match ready!(poll_read(cx, &mut self.connection.io)) {
                Ok(read) => read,
                Err(error) => return Poll::Ready(Err(self.read_failure(&error))),
            };
            if read.is_empty() {
                return Poll::Ready(Err(self.closed()));
            }
            append(&mut self.reader.buffer, read);
            if let Some(answer) = self.read_heads()? {
                return Poll::Ready(Ok(answer));
            }
        }
    }

    fn read_heads(&mut self) -> Result<Option<Answer>, Failure> {
        let broken = |text: String| Failure::new(Class::Protocol, format!("{BROKEN}{text}"));
        while let Some(head) = self.reader.read().map_err(broken)? {
            match head {
                Head::Informational(100) => self.upload.go_on(),
                Head::Informational(_) => {}
                Head::Final(answer) => return Ok(Some(answer)),
            }
        }
        Ok(None)
    }

    /// Drives the request; ready when it is sent or given up.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if !self.uploading {
            return Poll::Ready(Ok(()));
        }
        let sent = ready!(self.upload.poll(cx, &mut self.connection.io));
        self.uploading = false;
        Poll::Ready(match sent {
            Ok(()) => Ok(()),
            // The origin may have answered before it stopped listening: reading tells.
            Err(Broken::Connection(error)) => {
                tracing::debug!(error = %error, "an origin took no more of a request");
                self.upload.stop();
                Ok(())
            }
            Err(Broken::Length(failure)) => Err(failure),
            Err(Broken::Body(error)) => {
                let text = format!("readfrom {}: {error}", self.connection.ends);
                Err(Failure::new(Class::Request, text))
            }
        })
    }

    fn closed(&mut self) -> Failure {
        if self.reader.is_untouched() {
            return Failure::new(Class::Reset, "EOF");
        }
        // What stands in an unfinished line may be wrong already.
        self.reader.buffer.extend_from_slice(b"\n");
        match self.read_heads() {
            Err(failure) => failure,
            Ok(_) => Failure::new(Class::Protocol, format!("{BROKEN}unexpected EOF")),
        }
    }

    fn read_failure(&self, error: &io::Error) -> Failure {
        let text = self.connection.ends.read_error(error);
        if self.reader.is_untouched() {
            Failure::new(Class::Reset, text)
        } else {
            Failure::new(Class::Reset, format!("{BROKEN}{text}"))
        }
    }
}

/// The body of an answer, while it arrives.
struct Download {
    framed: Framed,
    left: u64,
    decoder: Decoder,
    reusable: bool,
    /// Nothing once the end was reached.
    exchange: Option<Exchange>,
    pool: Arc<Pool>,
}

impl Download {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = ready!(self.poll_piece(cx));
        if matches!(next, None | Some(Err(_))) {
            self.exchange = None;
        }
        Poll::Ready(next)
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Some(exchange) = &mut self.exchange else {
                return Poll::Ready(None);
            };
            match self.framed {
                Framed::Chunked => match self.decoder.next(&mut exchange.reader.buffer) {
                    Err(text) => return Poll::Ready(Some(Err(BodyError::new(text)))),
                    Ok(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Piece::End(trailers)) => return Poll::Ready(self.end(trailers)),
                    Ok(Piece::Starved) => {}
                },
                Framed::Length(_) if !exchange.reader.buffer.is_empty() => {
                    let data = exchange.reader.buffer.split().freeze();
                    return Poll::Ready(Some(Ok(self.counted(data))));
                }
                Framed::UntilClose if !exchange.reader.buffer.is_empty() => {
                    let data = exchange.reader.buffer.split().freeze();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Framed::Length(_) if self.left == 0 => return Poll::Ready(self.end(Headers::new())),
                Framed::None | Framed::Switched => return Poll::Ready(None),
                Framed::Length(_) | Framed::UntilClose => {}
            }
            if exchange.poll_upload(cx).ready_and(|sent| sent.is_err()) {
                exchange.upload.stop();
            }
            match ready!(poll_read(cx, &mut exchange.connection.io)) {
                Err(error) => {
                    let text = exchange.connection.ends.read_error(&error);
                    return Poll::Ready(Some(Err(BodyError::new(text))));
                }
                Ok(read) if read.is_empty() && self.framed == Framed::UntilClose => return Poll::Ready(None),
                Ok(read) if read.is_empty() => {
                    return Poll::Ready(Some(Err(BodyError::new("unexpected EOF"))));
                }
                Ok(read) => append(&mut exchange.reader.buffer, read),
            }
        }
    }

    /// Takes what belongs to the body off `data`.
    fn counted(&mut self, mut data: Bytes) -> Frame<Bytes> {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        if left < data.len() {
            // What follows the end is nobody's: the connection is not reused.
            data.truncate(left);
            self.reusable = false;
        }
        self.left -= data.len() as u64;
        if self.left == 0 {
            self.finish();
        }
        Frame::data(data)
    }

    fn end(&mut self, trailers: Headers) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.finish();
        let trailers = trailer_map(trailers);
        (!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers)))
    }

    /// Gives the connection back if it may serve another request.
    fn finish(&mut self) {
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        if self.reusable && exchange.upload.is_done() && exchange.reader.buffer.is_empty() {
            self.pool.put(exchange.connection);
        }
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.exchange.is_none()
    }
}

/// A body whose request is still being sent: a task moves both, so that a visitor who reads
/// nothing before everything is written still gets through.
struct Pumped {
    frames: mpsc::Receiver<Result<Frame<Bytes>, BodyError>>,
    /// Dropping it stops the exchange.
    _task: JoinSet<()>,
}

impl Pumped {
    fn start(download: Download) -> Self {
        let (sender, frames) = mpsc::channel(1);
        let mut task = JoinSet::new();
        task.spawn(pump(download, PollSender::new(sender)));
        Self { frames, _task: task }
    }
}

async fn pump(mut download: Download, mut sender: PollSender<Result<Frame<Bytes>, BodyError>>) {
    poll_fn(|cx| {
        loop {
            match sender.poll_reserve(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {
                    if let Some(exchange) = &mut download.exchange
                        && exchange.poll_upload(cx).ready_and(|sent| sent.is_err())
                    {
                        exchange.upload.stop();
                    }
                    return Poll::Pending;
                }
            }
            let Some(frame) = ready!(download.poll_next(cx)) else {
                return Poll::Ready(());
            };
            if sender.send_item(frame).is_err() {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

impl http_body::Body for Pumped {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.frames.poll_recv(cx)
    }
}

/// Appends without a copy where nothing is waiting.
fn append(buffer: &mut BytesMut, read: Bytes) {
    if !buffer.is_empty() {
        buffer.extend_from_slice(&read);
        return;
    }
    *buffer = read
        .try_into_mut()
        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
}

/// Turns trailers into the form in which they travel; what cannot travel is left behind.
fn trailer_map(trailers: Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(trailers.len());
    for trailer in trailers {
        let name = HeaderName::from_bytes(&trailer.name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(trailer.value)) {
            map.append(name, value);
        }
    }
    map
}

trait ReadyAnd<T> {
    /// Returns whether the value is there and `is` says so.
    fn ready_and(self, is: impl FnOnce(T) -> bool) -> bool;
}

impl<T> ReadyAnd<T> for Poll<T> {
    fn ready_and(self, is: impl FnOnce(T) -> bool) -> bool {
        match self {
            Self::Ready(value) => is(value),
            Self::Pending => false,
        }
    }
}
