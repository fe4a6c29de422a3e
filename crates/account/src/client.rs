//! Sends requests and returns whole responses.

use std::io::Read;
use std::time::Duration;

use adit_config::Secret;
use adit_dial::{Ask, Environment, TransportError, Way};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::answer::{Call, Next, Pages};
use crate::error::Error;
use crate::request::{Request, Response};

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Client(Way);

/// How long a call of the API may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A response may not be larger.
const LARGEST: usize = 16 << 20;

impl Client {
    /// Makes a client that goes through the proxies that the environment names.
    #[must_use]
    pub fn new(environment: Environment) -> Self {
        Self(Way::new(environment))
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
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (*name, value.expose().as_str()));
        let ask = Ask {
            method: request.method.clone(),
            url: &request.url,
            headers: headers.chain([("Accept-Encoding", "gzip")]).collect(),
            body: request.body.as_ref(),
            patience: PATIENCE,
            largest: LARGEST,
        };
        let response = self.0.ask(&ask).await?;
        let text = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let mut body = Secret::new(response.body().to_vec());
        if text(CONTENT_ENCODING.as_str()).is_some_and(|kind| kind.eq_ignore_ascii_case("gzip")) {
            body = unpack(body.expose()).map_err(|reason| ask.failed(reason))?;
        }
        Ok(Response {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE.as_str()).unwrap_or_default(),
            body,
        })
    }
}

fn unpack(packed: &[u8]) -> Result<Secret<Vec<u8>>, String> {
    let mut bytes = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(packed).take(LARGEST as u64);
    reader
        .read_to_end(&mut bytes)
        .map_err(|error| format!("gzip: {error}"))?;
    Ok(Secret::new(bytes))
}
