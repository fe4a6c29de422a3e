//! The only two-way copy in the program: edge ⇄ origin.
//!
//! Both directions run in one future and each may end before the other: the end of one is passed
//! on as a half-close and the other is drained. An idle splice holds no buffer: bytes from the
//! origin are read into a scratch buffer of the thread and leave it in the same poll.

mod sides;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::outlet::OutletError;
use crate::{Body, BodyError, Io, Outlet};
use sides::{Side, Sides};

/// Why a two-way stream ended before both sides had finished.
#[derive(Debug, thiserror::Error)]
pub enum SpliceError {
    /// The bytes from the edge broke off.
    #[error("downstream->upstream copy: {0}")]
    Edge(#[source] BodyError),
    /// The edge takes no more bytes.
    #[error("upstream->downstream copy: {0}")]
    Outlet(#[source] OutletError),
    /// Writing to the origin failed.
    #[error("downstream->upstream copy: {0}")]
    Write(#[source] std::io::Error),
    /// Reading from the origin failed.
    #[error("upstream->downstream copy: {0}")]
    Read(#[source] std::io::Error),
}

/// Copies `body` to `io` and `io` to `outlet` until both directions have ended.
///
/// # Errors
///
/// Returns the first failure of either direction; the other is abandoned.
pub async fn splice(body: Body, mut io: Box<dyn Io>, outlet: &mut dyn Outlet) -> Result<(), SpliceError> {
    let mut upstream = Upstream {
        body,
        pending: Bytes::new(),
        is_stuck: false,
        state: Flow::Moving,
    };
    let mut downstream = Downstream {
        pending: Bytes::new(),
        is_stuck: false,
        state: Flow::Moving,
    };
    let mut sides = None;
    poll_fn(|cx| {
        let sides = Sides::of(&mut sides, cx);
        let (edge, origin) = (sides.edge.has_news(), sides.origin.has_news());
        let mut has_told = false;
        if edge || upstream.is_stuck {
            has_told = upstream.go_on(sides, &mut io)?;
        }
        // What an origin was told may be all it takes to make it speak: frames are answered, and
        // handshakes go on, without anything arriving.
        if origin || has_told || downstream.is_stuck {
            downstream.go_on(sides, &mut io, outlet)?;
        }
        if edge && downstream.waits_for_origin() {
            downstream.look_for_edge(&sides.edge, outlet)?;
        }
        if upstream.state == Flow::Closed && downstream.state == Flow::Closed {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// Visitor → origin.
struct Upstream {
    body: Body,
    pending: Bytes,
    /// Whether it waits for the origin to take something.
    is_stuck: bool,
    state: Flow,
}

/// Origin → visitor.
struct Downstream {
    pending: Bytes,
    /// Whether it waits for the edge to take something.
    is_stuck: bool,
    state: Flow,
}

#[derive(PartialEq, Eq)]
enum Flow {
    Moving,
    Closing,
    Closed,
}

impl Upstream {
    /// Moves what there is, until a side has to be waited for; returns whether the origin was told
    /// anything.
    fn go_on(&mut self, sides: &Sides, io: &mut Box<dyn Io>) -> Result<bool, SpliceError> {
        let mut io = Pin::new(io);
        let mut has_told = false;
        self.is_stuck = false;
        let origin = &mut sides.origin.context();
        while self.state == Flow::Moving {
            if self.pending.is_empty() {
                match self.body.poll_data(&mut sides.edge.context()) {
                    Poll::Pending => {
                        // What was written must not wait in a TLS buffer while the visitor is silent.
                        let flushed = io.as_mut().poll_flush(origin).map_err(SpliceError::Write)?;
                        self.is_stuck = flushed.is_pending();
                        return Ok(has_told);
                    }
                    Poll::Ready(Some(data)) => self.pending = data.map_err(SpliceError::Edge)?,
                    Poll::Ready(None) => self.state = Flow::Closing,
                }
                continue;
            }
            match io
                .as_mut()
                .poll_write(origin, &self.pending)
                .map_err(SpliceError::Write)?
            {
                Poll::Pending => {
                    self.is_stuck = true;
                    return Ok(has_told);
                }
                Poll::Ready(0) => return Err(SpliceError::Write(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    self.pending.advance(written);
                    has_told = true;
                }
            }
        }
        if self.state == Flow::Closing {
            // An origin that has gone already cannot be told; what it said is still drained.
            let told: Poll<Result<(), std::io::Error>> = io.poll_shutdown(origin);
            self.is_stuck = told.is_pending();
            if told.is_ready() {
                self.state = Flow::Closed;
                has_told = true;
            }
        }
        Ok(has_told)
    }
}

impl Downstream {
    /// Moves what there is, until a side has to be waited for.
    fn go_on(
        &mut self,
        sides: &Sides,
        io: &mut Box<dyn Io>,
        outlet: &mut dyn Outlet,
    ) -> Result<(), SpliceError> {
        self.is_stuck = false;
        while self.state == Flow::Moving {
            if self.pending.is_empty() {
                match poll_read(&mut sides.origin.context(), io).map_err(SpliceError::Read)? {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(read) if read.is_empty() => {
                        outlet.finish().map_err(SpliceError::Outlet)?;
                        self.state = Flow::Closed;
                        return Ok(());
                    }
                    Poll::Ready(read) => self.pending = read,
                }
            }
            let sent = outlet.poll_send(&mut sides.edge.context(), &mut self.pending);
            if sent.map_err(SpliceError::Outlet)?.is_pending() {
                self.is_stuck = true;
                return Ok(());
            }
        }
        Ok(())
    }

    fn waits_for_origin(&self) -> bool {
        self.state == Flow::Moving && !self.is_stuck
    }

    /// Fails if nobody at the edge listens any more.
    fn look_for_edge(&self, edge: &Side, outlet: &mut dyn Outlet) -> Result<(), SpliceError> {
        match outlet.poll_gone(&mut edge.context()) {
            Poll::Ready(gone) => Err(SpliceError::Outlet(gone)),
            Poll::Pending => Ok(()),
        }
    }
}

/// Bytes read from an origin at once.
const SCRATCH: usize = 64 * 1024;

/// Bytes from which on the buffer itself is handed over instead of a copy: at most half of it is
/// empty then.
const WORTH_A_BUFFER: usize = SCRATCH / 2;

thread_local! {
    static BUFFER: RefCell<BytesMut> = RefCell::default();
}

/// Reads what is there, holding no buffer while nothing is.
///
/// Empty bytes mean the end. A copy of a few bytes out of the scratch buffer costs less than a buffer
/// for every idle stream; when there are many, the buffer goes with them.
///
/// # Errors
///
/// Fails as the origin's stream does.
pub fn poll_read(cx: &mut Context<'_>, io: &mut (impl AsyncRead + Unpin)) -> Poll<std::io::Result<Bytes>> {
    // Taken, not borrowed: a stream may be layered over one that reads the same way.
    let mut buffer = BUFFER.take();
    buffer.reserve(SCRATCH);
    let polled = pin!(io.read_buf(&mut buffer)).poll(cx);
    let filled = if buffer.len() < WORTH_A_BUFFER {
        let filled = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        filled
    } else {
        std::mem::take(&mut buffer).freeze()
    };
    BUFFER.set(buffer);
    polled.map_ok(|_| filled)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;

    struct Edge(mpsc::Sender<Bytes>);

    impl Outlet for Edge {
        fn poll_send(&mut self, _: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<(), OutletError>> {
            let sent = self.0.try_send(data.split_off(0));
            Poll::Ready(sent.map_err(|error| OutletError::new(error.to_string())))
        }

        fn finish(&mut self) -> Result<(), OutletError> {
            let sent = self.0.try_send(Bytes::new());
            sent.map_err(|error| OutletError::new(error.to_string()))
        }

        fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<OutletError> {
            Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_half_close_does_not_cut_the_other_direction() {
        let (near, mut far) = tokio::io::duplex(64);
        let (sender, mut edge) = mpsc::channel(64);
        let spliced = async {
            let mut outlet = Edge(sender);
            splice(Body::full("question"), Box::new(near), &mut outlet).await
        };
        let origin = async {
            let mut question = String::new();
            far.read_to_string(&mut question)
                .await
                .expect("the question ends");
            assert_eq!(question, "question");
            far.write_all(&[7; 1000]).await.expect("the answer is taken");
            drop(far);
        };
        let (result, ()) = tokio::join!(spliced, origin);
        result.expect("both directions end");
        let mut answer = Vec::new();
        while let Ok(chunk) = edge.try_recv() {
            answer.extend_from_slice(&chunk);
        }
        assert_eq!(answer, [7; 1000]);
    }
}
