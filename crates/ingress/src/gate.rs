//! A body that can be ended from the other side of a splice.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use adit_exchange::{Body, BodyError};
use bytes::Bytes;
use http_body::Frame;
use tokio::time::{Sleep, sleep};

/// How long a direction may be silent once the other has ended.
///
/// A stream that is half closed and forgotten must not stay for ever.
pub(crate) const LINGER: Duration = Duration::from_secs(60);

/// Ends the body it belongs to.
#[derive(Debug)]
pub(crate) struct Gate(Arc<Mutex<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    state: State,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The other direction has ended: silence ends this one.
    Lingering,
    Closed,
}

impl Gate {
    /// Returns a gate in `body`, and the body behind it.
    pub(crate) fn new(body: Body) -> (Self, Body) {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let gated = Body::stream(Gated {
            body,
            shared: Arc::clone(&shared),
            silence: None,
        });
        (Self(shared), gated)
    }

    /// Ends the body.
    pub(crate) fn close(&self) {
        self.enter(State::Closed);
    }

    /// Lets the body end after a long silence.
    pub(crate) fn linger(&self) {
        self.enter(State::Lingering);
    }

    fn enter(&self, state: State) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.state == State::Closed {
            return;
        }
        shared.state = state;
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Gated {
    body: Body,
    shared: Arc<Mutex<Shared>>,
    silence: Option<Pin<Box<Sleep>>>,
}

impl Gated {
    fn state(&self, cx: &Context<'_>) -> State {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.state == State::Open
            && !shared
                .waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            shared.waker = Some(cx.waker().clone());
        }
        shared.state
    }
}

impl http_body::Body for Gated {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let state = this.state(cx);
        if state == State::Closed {
            return Poll::Ready(None);
        }
        let frame = http_body::Body::poll_frame(Pin::new(&mut this.body), cx);
        if frame.is_ready() {
            this.silence = None;
            return frame;
        }
        if state == State::Lingering {
            let silence = this.silence.get_or_insert_with(|| Box::pin(sleep(LINGER)));
            if silence.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }
}
