//! Sends requests and returns whole responses.
//!
//! Redirects are not followed: a request may carry the secret of a tunnel, and another place has no
//! right to it.

use std::io::Read;
use std::time::Duration;

use adit_config::Secret;
use adit_dialect::url::Url;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::answer::{Call, Next, Pages};
use crate::dial::{self, Proxy, Target};
use crate::error::{Error, TransportError};
use crate::request::{Request, Response};

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Client {
    patience: Duration,
    proxy: Option<Proxy>,
}

/// How long a call of the API may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A response may not be larger.
const LARGEST: usize = 16 << 20;

/// Why a response came too late, as messages have it.
const LATE: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

impl Default for Client {
    fn default() -> Self {
        Self::patient(PATIENCE)
    }
}

impl Client {
    /// Makes a client that waits so long for a whole response.
    #[must_use]
    pub const fn patient(patience: Duration) -> Self {
        Self {
            patience,
            proxy: None,
        }
    }

    /// Reaches every server through a proxy, if one is given.
    #[must_use]
    pub fn through(self, proxy: Option<Proxy>) -> Self {
        Self { proxy, ..self }
    }

    /// Performs a call of the API.
    ///
    /// # Errors
    ///
    /// Fails without a response, and as [`Call::answer`] does.
    pub async fn call<T: Default>(&self, call: Call<T>) -> Result<T, Error> {
        let response = self.send(&call.request).await.map_err(Error::Transport)?;
        call.answer(&response)
    }

    /// Fetches every page of a list.
    ///
    /// # Errors
    ///
    /// Fails with the first page that does.
    pub async fn collect<T>(&self, pages: Pages<T>) -> Result<Vec<T>, Error> {
        let mut pages = pages;
        loop {
            let response = self.send(&pages.request()).await.map_err(Error::Transport);
            match pages.take(response)? {
                Next::More(more) => pages = more,
                Next::All(items) => return Ok(items),
            }
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// Fails without a whole response.
    pub async fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let outcome = timeout(self.patience, exchange(request, self.proxy.as_ref())).await;
        let is_late = outcome.is_err();
        outcome
            .unwrap_or_else(|_| Err(LATE.into()))
            .map_err(|reason| TransportError {
                verb: request.method.verb(),
                url: request.url.clone(),
                reason,
                is_late,
            })
    }
}

async fn exchange(request: &Request, proxy: Option<&Proxy>) -> Result<Response, String> {
    let url = Url::parse(request.url.as_str()).map_err(|error| error.to_string())?;
    let target = target(&url)?;
    let stream = dial::open(&target, proxy).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let wire = build(request, &url)?;
    let mut running = tokio::task::JoinSet::new();
    running.spawn(connection);
    let response = sender.send_request(wire).await.map_err(broken)?;
    receive(response).await
}

/// Returns whom a URL speaks of.
fn target(url: &Url<'_>) -> Result<Target, String> {
    let sealed = match url.scheme() {
        "https" => true,
        "http" => false,
        other => return Err(format!("unsupported protocol scheme \"{other}\"")),
    };
    let host = String::from_utf8_lossy(url.hostname()).into_owned();
    if host.is_empty() {
        return Err("http: no Host in request URL".into());
    }
    let port = match std::str::from_utf8(url.port()) {
        Ok("") => Some(if sealed { 443 } else { 80 }),
        Ok(digits) => digits.parse().ok(),
        Err(_) => None,
    };
    let port = port.ok_or_else(|| "dial tcp: address: invalid port".to_owned())?;
    Ok(Target { host, port, sealed })
}

fn build(request: &Request, url: &Url<'_>) -> Result<hyper::Request<Full<Bytes>>, String> {
    let body = request
        .body
        .as_ref()
        .map(|body| Bytes::copy_from_slice(body.expose().as_bytes()));
    let mut wire = hyper::Request::builder()
        .method(request.method.word())
        .uri(url.request_target().as_ref())
        .header(HOST, url.host());
    for (name, value) in &request.headers {
        wire = wire.header(*name, value.expose());
    }
    wire = wire.header(ACCEPT_ENCODING, "gzip");
    if request.body.is_none() && matches!(request.method.word(), "POST" | "PUT" | "PATCH") {
        wire = wire.header(CONTENT_LENGTH, 0);
    }
    wire.body(Full::new(body.unwrap_or_default()))
        .map_err(|error| error.to_string())
}

async fn receive(response: hyper::Response<Incoming>) -> Result<Response, String> {
    let (head, body) = response.into_parts();
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let whole = Limited::new(body, LARGEST)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let mut bytes = Secret::new(whole.to_bytes().to_vec());
    let is_packed =
        text(&head.headers, "content-encoding").is_some_and(|kind| kind.eq_ignore_ascii_case("gzip"));
    if is_packed {
        bytes = unpack(bytes.expose())?;
    }
    Ok(Response {
        status: head.status.as_u16(),
        content_type: text(&head.headers, CONTENT_TYPE.as_str()).unwrap_or_default(),
        service_key: text(&head.headers, "service-public-key"),
        body: bytes,
    })
}

fn unpack(packed: &[u8]) -> Result<Secret<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(packed).take(LARGEST as u64);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| format!("gzip: {error}"))?;
    Ok(Secret::new(bytes))
}

/// Returns why there was no response, as messages have it.
fn broken(error: hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "EOF".into();
    }
    error.to_string()
}
