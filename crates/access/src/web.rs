//! One request and its whole response. Redirects are never followed here.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::address::Address;
use crate::dial::{Dialer, Target};
use crate::error::TransportError;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a Address,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    /// For how long the whole may take.
    pub(crate) limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A response's body may not be longer.
pub(crate) const LARGEST: usize = 1 << 20;

/// The reason that tells of a body that is longer.
pub(crate) const TOO_LARGE: &str = "the response is too long";

impl Reply {
    /// Returns a field that is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Dialer {
    /// Sends a request and returns the response.
    ///
    /// # Errors
    ///
    /// Fails when there is no whole response in time.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, TransportError> {
        let verb = capitalised(ask.method.as_str());
        let url = ask.address.to_string();
        let limit = ask.limit;
        let exchange = tokio::time::timeout(limit, self.exchange(ask)).await;
        let late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        exchange
            .unwrap_or_else(|_| Err(late.to_owned()))
            .map_err(|reason| TransportError { verb, url, reason })
    }

    async fn exchange(&self, ask: Ask<'_>) -> Result<Reply, String> {
        let channel = self.dial(&Target::of(ask.address)).await?;
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(channel))
            .await
            .map_err(|error| error.to_string())?;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.address.target())
            .header(header::HOST, ask.address.authority());
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(ask.body.unwrap_or_default()));
        let request = request.body(body).map_err(|error| error.to_string())?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| {
                if error.is::<hyper::Error>() {
                    error.to_string()
                } else {
                    TOO_LARGE.into()
                }
            })?;
            Ok(Reply {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        // The connection has nothing to say once the exchange is over.
        let driver = async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            std::future::pending().await
        };
        tokio::select! {
            reply = exchange => reply,
            never = driver => never,
        }
    }
}

/// Returns a method as messages write it.
fn capitalised(method: &str) -> String {
    let (first, rest) = method.split_at(1);
    format!("{first}{}", rest.to_lowercase())
}
