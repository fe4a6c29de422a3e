//! The server that answers questions on a local address.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::page::Page;
use crate::routes::{Desk, Question};

/// Answers questions on a local address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    desk: Desk,
}

/// How long a request may take to arrive.
const READ: Duration = Duration::from_secs(10);

/// How long answers in flight may take once the server stops.
const DRAIN: Duration = Duration::from_secs(15);

/// Connections at the same time. The server has no authentication and may stand open to a
/// network; this bounds what anyone can make it hold.
const CONNECTIONS: usize = 256;

/// A longer body travels in chunks.
const WHOLE: usize = 2048;

impl Server {
    /// Returns a server on this listener.
    ///
    /// # Errors
    ///
    /// Fails when the listener has no address or cannot be used by the runtime.
    pub fn new(listener: std::net::TcpListener, desk: Desk) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            address,
            desk,
        })
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, then finishes the answers in flight.
    pub async fn run(self, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = stop.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Without a free place the connection is closed at once.
            if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
                let serving = serve(stream, self.desk.clone(), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
        }
        drop(self.listener);
        // What is not done by then is cut off with the set.
        let rest = async { while connections.join_next().await.is_some() {} };
        let drained = timeout(DRAIN, rest).await;
        tracing::debug!(all = drained.is_ok(), "metrics server drained");
    }
}

/// Between two attempts to accept when the system is short of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

async fn serve(stream: TcpStream, desk: Desk, stop: CancellationToken) {
    let service = service_fn(move |request| {
        let response = answer(&desk, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "metrics connection ended");
    }
}

fn answer(desk: &Desk, request: &Request<Incoming>) -> Response<Content> {
    let page = desk.answer(Question {
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        gzip: takes_gzip(request),
    });
    response(page, request.method() == Method::HEAD)
}

fn takes_gzip(request: &Request<Incoming>) -> bool {
    let values = request.headers().get_all(ACCEPT_ENCODING);
    let texts = values.iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let refused = parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0"));
        name.eq_ignore_ascii_case("gzip") && !refused
    })
}

fn response(page: Page, head: bool) -> Response<Content> {
    let mut response = Response::new(Content {
        whole: head || (!page.streamed && page.body.len() <= WHOLE),
        bytes: Some(page.body).filter(|bytes| !bytes.is_empty()),
    });
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in page.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// The body of an answer, in one piece.
struct Content {
    bytes: Option<Bytes>,
    /// Whether its length is told beforehand.
    whole: bool,
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(_) if !self.whole => SizeHint::new(),
            bytes => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
