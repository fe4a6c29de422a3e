//! Gets keys where issuers publish them, over the same client as any origin.

use std::time::Duration;

use adit_config::{HttpOrigin as Place, OriginRequest, Scheme};
use adit_exchange::{Arrival, Body, Framing, Headers, Kind, Reply, Request};

use super::{Fetch, Fetched, Published};
use crate::incoming::Incoming;
use crate::lookahead::collect;
use crate::origin::World;
use crate::origin::http::HttpOrigin;

/// Where issuers publish their keys.
const PATH: &str = "/cdn-cgi/access/certs";

/// Bytes that a set of keys may have; real ones have a few thousand.
const MAX_KEYS: usize = 1 << 20;

/// How long it may take to get them.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Gets the keys of one issuer.
#[derive(Debug)]
pub(crate) struct OverHttps {
    origin: HttpOrigin,
    host: String,
}

impl OverHttps {
    /// Returns the way to `issuer`, which is a URL.
    ///
    /// # Errors
    ///
    /// Fails as the client does.
    pub(crate) fn new(issuer: &str, world: &World<'_>) -> Result<Self, String> {
        let host = issuer.strip_prefix("https://").unwrap_or(issuer).to_owned();
        let place = Place {
            scheme: Scheme::Https,
            authority: host.clone(),
            display: issuer.to_owned(),
        };
        let origin = HttpOrigin::tcp(&place, &OriginRequest::new(), world)?;
        Ok(Self { origin, host })
    }

    async fn get(&self) -> Result<Published, String> {
        let request = Request {
            kind: Kind::Http,
            method: "GET".into(),
            destination: PATH.into(),
            host: self.host.clone().into(),
            headers: Headers::new(),
            framing: Framing::Ended,
            body: Body::empty(),
            arrival: Arrival::default(),
        };
        let failed = |text: String| format!("oidc: get keys failed {text}");
        let incoming = Incoming::read(request, &[]).map_err(|refusal| failed(refusal.message))?;
        let reply = self
            .origin
            .call(incoming)
            .await
            .map_err(|refusal| failed(refusal.message))?;
        let Reply::Response(response) = reply else {
            return Err(failed("the protocol was changed".into()));
        };
        let kind = response
            .headers
            .get("Content-Type")
            .map(|kind| String::from_utf8_lossy(kind).into_owned());
        let body = collect(response.body, MAX_KEYS).await;
        let body = body.map_err(|error| format!("unable to read response body: {error}"))?;
        Ok(Published {
            status: response.status,
            kind: kind.unwrap_or_default(),
            body: body
                .ok_or_else(|| failed(format!("more than {MAX_KEYS} bytes")))?
                .to_vec(),
        })
    }
}

impl Fetch for OverHttps {
    fn keys<'a>(&'a self, _: &'a str) -> Fetched<'a> {
        Box::pin(async move {
            let got = tokio::time::timeout(TIMEOUT, self.get()).await;
            got.unwrap_or_else(|_| Err("oidc: get keys failed: timed out".into()))
        })
    }
}
