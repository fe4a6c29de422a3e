//! A body whose beginning was looked at before it was decided what to do with it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use adit_exchange::{Body, BodyError};
use bytes::{Bytes, BytesMut};
use http_body::Frame;

/// What a look at a body showed.
#[derive(Debug)]
pub(crate) enum Seen {
    /// There is none.
    End,
    /// There is one; this is all of it.
    Data(Body),
    /// Nothing has come yet.
    Silence(Body),
}

/// Looks whether `body` has bytes, waiting for at most `limit`.
pub(crate) async fn look(mut body: Body, limit: Option<Duration>) -> Seen {
    let first = match limit {
        None => poll_fn(|cx| Poll::Ready(next(&mut body, cx))).await,
        Some(limit) => {
            let first = poll_fn(|cx| match next(&mut body, cx) {
                Poll::Pending => Poll::Pending,
                ready @ Poll::Ready(_) => Poll::Ready(ready),
            });
            tokio::time::timeout(limit, first).await.unwrap_or(Poll::Pending)
        }
    };
    match first {
        Poll::Pending => Seen::Silence(body),
        Poll::Ready(None) => Seen::End,
        Poll::Ready(Some(first)) => Seen::Data(Body::stream(Ahead {
            first: Some(first),
            rest: body,
        })),
    }
}

/// Reads `body` to its end if it has at most `limit` bytes; else gives nothing.
pub(crate) async fn collect(mut body: Body, limit: usize) -> Result<Option<Bytes>, BodyError> {
    let mut collected = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        if collected.len() + data.len() > limit {
            return Ok(None);
        }
        collected.extend_from_slice(&data);
    }
    Ok(Some(collected.freeze()))
}

/// Returns the next chunk that is not empty.
fn next(body: &mut Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
    loop {
        let polled = body.poll_data(cx);
        let is_empty = matches!(&polled, Poll::Ready(Some(Ok(data))) if data.is_empty());
        if !is_empty {
            return polled;
        }
    }
}

struct Ahead {
    first: Option<Result<Bytes, BodyError>>,
    rest: Body,
}

impl http_body::Body for Ahead {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first.map(Frame::data)));
        }
        http_body::Body::poll_frame(Pin::new(&mut self.rest), cx)
    }
}
