//! Sans-IO. A request to an API, and the response to it.

use adit_config::Secret;
use adit_dialect::status::words;
use http::Method;

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// To what.
    pub url: String,
    /// The fields, in order; some are secrets.
    pub headers: Vec<(&'static str, Secret<String>)>,
    /// The body, which may hold the secret of a tunnel.
    pub body: Option<Secret<String>>,
}

/// A whole response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What kind of text the body is.
    pub content_type: String,
    /// The body.
    pub body: Secret<Vec<u8>>,
}

impl Request {
    /// Makes a request without a body.
    #[must_use]
    pub fn new(method: Method, url: String, agent: &str) -> Self {
        Self {
            method,
            url,
            headers: vec![("User-Agent", Secret::new(agent.to_owned()))],
            body: None,
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, Secret::new(value.into())));
        self
    }
}

impl Response {
    /// Returns the status with its reason.
    #[must_use]
    pub fn status_text(&self) -> String {
        format!("{}: {}", self.status, words(self.status))
    }

    /// Returns whether the body says that it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let kind = self.content_type.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    }
}
