//! Sans-IO. An account: where its API is and what opens it.

use adit_config::Secret;
use adit_dialect::json::Writer;
use adit_dialect::url::Url;
use http::Method;

use crate::certificate::OriginCertificate;
use crate::error::Error;
use crate::request::Request;

/// An account, as its API knows it.
#[derive(Clone, Debug)]
pub struct Account {
    base: String,
    tag: String,
    zone: String,
    token: Secret<String>,
    agent: String,
}

/// The API of the region for American authorities.
pub const FED_API: &str = "https://api.fed.cloudflare.com/client/v4";

impl Account {
    /// Takes the account of a certificate at an API.
    ///
    /// # Errors
    ///
    /// Fails when the address of the API is missing or is no URL.
    pub fn new(certificate: &OriginCertificate, api: &str, agent: &str) -> Result<Self, Error> {
        let api = if certificate.is_fed() { FED_API } else { api };
        if api.is_empty() {
            let text = "An api-url was not provided for the Cloudflare API client";
            return Err(Error::Address(text.into()));
        }
        let account = Self {
            base: api.strip_suffix('/').unwrap_or(api).to_owned(),
            tag: certificate.account.clone(),
            zone: certificate.zone.clone(),
            token: certificate.token.clone(),
            agent: agent.to_owned(),
        };
        let endpoint = account.of_account("cfd_tunnel");
        Url::parse(endpoint.as_str())
            .map_err(|error| Error::Address(format!("failed to create account level endpoint: {error}")))?;
        Ok(account)
    }

    /// Returns the tag of the account.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Returns the URL of something that belongs to the account.
    pub(crate) fn of_account(&self, path: &str) -> String {
        format!("{}/accounts/{}/{path}", self.base, self.tag)
    }

    /// Returns the URL of something that belongs to the zone.
    pub(crate) fn of_zone(&self, path: &str) -> String {
        format!("{}/zones/{}/{path}", self.base, self.zone)
    }

    /// Makes a request with the right of the account.
    pub(crate) fn request(&self, method: Method, url: &str) -> Request {
        Request::new(method, url.to_owned(), &self.agent)
            .header("Authorization", format!("Bearer {}", self.token.expose()))
            .header("Accept", "application/json;version=1")
    }

    /// Makes a request that carries a JSON object.
    pub(crate) fn send(&self, method: Method, url: &str, fill: impl FnOnce(&mut Writer)) -> Request {
        let mut json = Writer::new();
        json.begin_object();
        fill(&mut json);
        json.end_object();
        let mut request = self
            .request(method, url)
            .header("Content-Type", "application/json");
        request.body = Some(Secret::new(json.finish()));
        request
    }
}
