//! The only two-way copy in the program: edge ⇄ origin.
//!
//! Both directions run in one future and each may end before the other: the end of one is passed
//! on as a half-close and the other is drained. An idle splice holds no buffer: bytes from the
//! origin are read into a scratch buffer of the thread and leave it in the same poll.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::outlet::OutletError;
use crate::{Body, BodyError, Io, Outlet};

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
        state: Flow::Moving,
    };
    let mut downstream = Downstream {
        pending: Bytes::new(),
        state: Flow::Moving,
    };
    poll_fn(|cx| {
        let up = upstream.poll(cx, &mut io)?;
        let down = downstream.poll(cx, &mut io, outlet)?;
        if up.is_ready() && down.is_ready() {
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
    state: Flow,
}

/// Origin → visitor.
struct Downstream {
    pending: Bytes,
    state: Flow,
}

#[derive(PartialEq, Eq)]
enum Flow {
    Moving,
    Closing,
    Closed,
}

impl Upstream {
    fn poll(&mut self, cx: &mut Context<'_>, io: &mut Box<dyn Io>) -> Poll<Result<(), SpliceError>> {
        while self.state == Flow::Moving {
            if self.pending.is_empty() {
                // What was written must not wait in a TLS buffer while the visitor is silent.
                match self.body.poll_data(cx) {
                    Poll::Pending => {
                        ready!(Pin::new(&mut *io).poll_flush(cx)).map_err(SpliceError::Write)?;
                        return Poll::Pending;
                    }
                    Poll::Ready(Some(data)) => self.pending = data.map_err(SpliceError::Edge)?,
                    Poll::Ready(None) => self.state = Flow::Closing,
                }
                continue;
            }
            let written =
                ready!(Pin::new(&mut *io).poll_write(cx, &self.pending)).map_err(SpliceError::Write)?;
            if written == 0 {
                return Poll::Ready(Err(SpliceError::Write(std::io::ErrorKind::WriteZero.into())));
            }
            self.pending.advance(written);
        }
        if self.state == Flow::Closing {
            // An origin that has gone already cannot be told; what it said is still drained.
            let _told: Result<(), std::io::Error> = ready!(Pin::new(&mut *io).poll_shutdown(cx));
            self.state = Flow::Closed;
        }
        Poll::Ready(Ok(()))
    }
}

impl Downstream {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut Box<dyn Io>,
        outlet: &mut dyn Outlet,
    ) -> Poll<Result<(), SpliceError>> {
        while self.state == Flow::Moving {
            if self.pending.is_empty() {
                let Poll::Ready(read) = poll_read(cx, io).map_err(SpliceError::Read)? else {
                    if let Poll::Ready(gone) = outlet.poll_gone(cx) {
                        return Poll::Ready(Err(SpliceError::Outlet(gone)));
                    }
                    return Poll::Pending;
                };
                if read.is_empty() {
                    outlet.finish().map_err(SpliceError::Outlet)?;
                    self.state = Flow::Closed;
                    break;
                }
                self.pending = read;
            }
            ready!(outlet.poll_send(cx, &mut self.pending)).map_err(SpliceError::Outlet)?;
        }
        Poll::Ready(Ok(()))
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
