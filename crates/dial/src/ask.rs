//! One request and its whole response. Redirects are not followed: a request may carry a secret,
//! and another place has no right to it.

use std::time::Duration;

use adit_config::Secret;
use adit_dialect::url::Url;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::way::{Place, Way};

/// What is asked.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What is to be done.
    pub method: Method,
    /// To what.
    pub url: &'a str,
    /// The fields, in order.
    pub headers: Vec<(&'static str, &'a str)>,
    /// What is sent along, which may hold a secret.
    pub body: Option<&'a Secret<String>>,
    /// For how long the whole may take.
    pub patience: Duration,
    /// How long the body of the response may be.
    pub largest: usize,
}

/// Why there was no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{verb} \"{url}\": {reason}")]
pub struct TransportError {
    /// What was to be done, as it is written in a sentence.
    pub verb: String,
    /// To what.
    pub url: String,
    /// What stood in the way.
    pub reason: String,
    /// Whether the response was not there in time.
    pub is_late: bool,
}

/// Why a response came too late, as messages have it.
const LATE: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// The reason that tells of a body that is too long.
pub const TOO_LARGE: &str = "the response is too long";

impl Way {
    /// Sends a request and returns the whole response.
    ///
    /// # Errors
    ///
    /// Fails when there is none in time.
    pub async fn ask(&self, ask: &Ask<'_>) -> Result<Response<Bytes>, TransportError> {
        let outcome = timeout(ask.patience, self.exchange(ask)).await;
        let is_late = outcome.is_err();
        let outcome = outcome.unwrap_or_else(|_| Err(LATE.into()));
        outcome.map_err(|reason| TransportError {
            is_late,
            ..ask.failed(reason)
        })
    }

    async fn exchange(&self, ask: &Ask<'_>) -> Result<Response<Bytes>, String> {
        let url = Url::parse(ask.url).map_err(|error| error.to_string())?;
        let (host, port, is_sealed) = place(&url)?;
        let place = Place {
            host: &host,
            port,
            name: is_sealed.then_some(&*host),
            verified: true,
        };
        let stream = self.open(&place).await.map_err(|failure| failure.cause)?;
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let request = ask.request(&url)?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ask.largest).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    TOO_LARGE.into()
                } else {
                    error.to_string()
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        // Once the exchange is over, the connection has nothing more to say.
        let driver = async {
            drop(connection.await);
            std::future::pending().await
        };
        tokio::select! {
            response = exchange => response,
            never = driver => never,
        }
    }
}

impl Ask<'_> {
    /// Returns the error of a response that cannot be used for this reason.
    #[must_use]
    pub fn failed(&self, reason: String) -> TransportError {
        TransportError {
            verb: capitalised(self.method.as_str()),
            url: self.url.to_owned(),
            reason,
            is_late: false,
        }
    }

    fn request(&self, url: &Url<'_>) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&*url.request_target())
            .header(HOST, url.host());
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        if self.body.is_none() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            request = request.header(CONTENT_LENGTH, 0);
        }
        let body = self
            .body
            .map(|body| Bytes::copy_from_slice(body.expose().as_bytes()));
        let request = request.body(Full::new(body.unwrap_or_default()));
        request.map_err(|error| error.to_string())
    }
}

/// Returns whom a URL speaks of: host, port, and whether it is reached over TLS.
fn place(url: &Url<'_>) -> Result<(String, u16, bool), String> {
    let is_sealed = match url.scheme() {
        "https" => true,
        "http" => false,
        other => return Err(format!("unsupported protocol scheme \"{other}\"")),
    };
    let host = String::from_utf8_lossy(url.hostname()).into_owned();
    if host.is_empty() {
        return Err("http: no Host in request URL".into());
    }
    let port = match std::str::from_utf8(url.port()) {
        Ok("") => Some(if is_sealed { 443 } else { 80 }),
        Ok(digits) => digits.parse().ok(),
        Err(_) => None,
    };
    let port = port.ok_or_else(|| "dial tcp: address: invalid port".to_owned())?;
    Ok((host, port, is_sealed))
}

/// Returns why there was no response, as messages have it.
fn broken(error: hyper::Error) -> String {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return "EOF".into();
    }
    error.to_string()
}

/// Returns a method as messages write it.
fn capitalised(method: &str) -> String {
    let (first, rest) = method.split_at(1);
    format!("{first}{}", rest.to_lowercase())
}
