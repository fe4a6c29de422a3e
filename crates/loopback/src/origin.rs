//! Small origins for tests and demonstrations, each on a free port of 127.0.0.1.

mod multiplexed;
mod page;
mod raw;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub use multiplexed::{Asked, multiplexed};
pub use page::{Page, pattern, sha256};
pub use raw::{Raw, Script, raw};

use crate::error::Error;
use crate::ports;
use crate::tasks::Tasks;

/// What an origin shall be like.
#[derive(Clone, Debug, Default)]
#[must_use = "an origin begins to be with `run`"]
pub struct Builder {
    routes: BTreeMap<String, Page>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// An HTTP/1.1 origin that runs until it is dropped.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    log: Arc<Log>,
    tasks: Tasks,
}

#[derive(Debug)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    count: watch::Sender<usize>,
}

/// A request that an origin has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The target, as the request line has it.
    pub target: String,
    /// The header fields, in order, with names in lower case.
    pub headers: Vec<(String, Bytes)>,
}

/// Returns a builder of an origin. What it has no page for it answers with 404.
pub fn http() -> Builder {
    Builder::default()
}

impl Builder {
    /// Adds a page. `*` is the page for every other path.
    pub fn route(mut self, path: &str, page: impl Into<Page>) -> Self {
        self.routes.insert(path.to_owned(), page.into());
        self
    }

    /// Adds a header field to every answer.
    pub fn field(mut self, name: &'static str, value: &'static str) -> Self {
        let field = (HeaderName::from_static(name), HeaderValue::from_static(value));
        self.fields.push(field);
        self
    }

    /// Starts the origin.
    ///
    /// # Errors
    ///
    /// Fails when there is no free port.
    pub async fn run(self) -> Result<Origin, Error> {
        self.run_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts the origin at a given address.
    ///
    /// # Errors
    ///
    /// Fails when the address is not free.
    #[expect(clippy::unused_async, reason = "a socket can be opened inside a runtime only")]
    pub async fn run_at(self, address: SocketAddr) -> Result<Origin, Error> {
        let listener = ports::tcp(address)?;
        let address = listener
            .local_addr()
            .map_err(|source| Error::Listen { address, source })?;
        let tasks = Tasks::default();
        let log = Arc::new(Log {
            seen: Mutex::default(),
            count: watch::Sender::new(0),
        });
        tasks.start(serve(listener, Arc::new(self), Arc::clone(&log), tasks.clone()));
        Ok(Origin { address, log, tasks })
    }
}

impl Origin {
    /// Returns where the origin listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address as a service is written in a configuration.
    #[must_use]
    pub fn service(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests seen so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.log
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until this many requests have been seen, and returns them in order.
    pub async fn saw(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.log.count.subscribe();
        // The sender lives as long as `self`, so this ends with enough requests only.
        let _enough = seen.wait_for(|seen| *seen >= count).await;
        self.seen()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

impl Log {
    fn note(&self, parts: &http::request::Parts) {
        let headers = parts.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.as_str().to_owned(), Bytes::copy_from_slice(value.as_bytes())));
        let seen = Seen {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            headers: headers.collect(),
        };
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(seen);
        self.count.send_modify(|count| *count += 1);
    }
}

async fn serve(listener: TcpListener, origin: Arc<Builder>, log: Arc<Log>, tasks: Tasks) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ports::PAUSE).await;
            continue;
        };
        let (origin, log) = (Arc::clone(&origin), Arc::clone(&log));
        let own = tasks.clone();
        tasks.start(serve_connection(stream, origin, log, own));
    }
}

async fn serve_connection(stream: TcpStream, origin: Arc<Builder>, log: Arc<Log>, tasks: Tasks) {
    // Events must leave one by one.
    let _set = stream.set_nodelay(true);
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let origin = Arc::clone(&origin);
        let (log, tasks) = (Arc::clone(&log), tasks.clone());
        async move {
            let (parts, body) = request.into_parts();
            log.note(&parts);
            let request = http::Request::from_parts(parts, body);
            let routes = &origin.routes;
            let page = routes
                .get(request.uri().path())
                .or_else(|| routes.get("*"))
                .cloned();
            let page = page.unwrap_or(Page::Status(404));
            let mut response = page::answer(page, request, &tasks).await;
            for (name, value) in &origin.fields {
                response.headers_mut().append(name.clone(), value.clone());
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).half_close(true);
    let served = server
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to an origin has failed");
    }
}
