//! The body of an answer whose end is told.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use adit_exchange::{Body, BodyError, Class, Refusal};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::telling::Telling;

/// A body that tells when it is complete, and when it breaks off.
pub(crate) struct Told {
    body: Body,
    status: u16,
    length: i64,
    /// Nothing once the end was told.
    telling: Option<Telling>,
}

impl Told {
    /// Returns `body` as one whose end is told.
    pub(crate) fn body(body: Body, telling: Telling, status: u16, length: i64) -> Body {
        if http_body::Body::is_end_stream(&body) {
            // Nobody asks an empty body for its end.
            telling.complete(status, length);
            return Body::empty();
        }
        Body::stream(Self {
            body,
            status,
            length,
            telling: Some(telling),
        })
    }

    fn ended(&mut self) {
        if let Some(telling) = self.telling.take() {
            telling.complete(self.status, self.length);
        }
    }
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut self.body), cx));
        match &frame {
            None => self.ended(),
            Some(Err(error)) => {
                if let Some(telling) = self.telling.take() {
                    telling.failed(&Refusal::new(Class::Protocol, error.message.clone()));
                }
            }
            // Whoever sees that nothing follows does not ask again.
            Some(Ok(_)) if http_body::Body::is_end_stream(&self.body) => self.ended(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}
