//! Sans-IO. Logging in to an account: the page for the browser, and the store that is polled for
//! what the page leaves there.
//!
//! Whoever knows the public key can fetch the certificate, so its URL is a credential.

use std::time::Duration;

use adit_dialect::query::Query;
use http::Method;

use crate::request::{Request, Response};

/// Where to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The page that the browser opens.
    pub page: String,
    /// What the page is told to leave the certificate at.
    pub callback: String,
    /// The store that is polled.
    pub store: &'static str,
}

/// What a poll says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The user has not logged in yet.
    Waiting,
    /// There is nothing yet, without a reason.
    Empty,
    /// This was left.
    Left,
    /// It cannot be waited for.
    Refused(String),
}

/// The store of the public service.
const STORE: &str = "https://login.cloudflareaccess.org/";

/// The store of the region for American authorities.
const FED_STORE: &str = "https://login.fed.cloudflareaccess.org/";

/// Returns the store that pages leave things at.
#[must_use]
pub const fn store(is_fed: bool) -> &'static str {
    if is_fed { FED_STORE } else { STORE }
}

/// The page of the region for American authorities.
const FED_PAGE: &str = "https://dash.fed.cloudflare.com/argotunnel";

/// How long the store is polled in all.
pub const WHOLE: Duration = Duration::from_mins(10);

/// How long one poll may take: the store answers when there is something.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait after a poll that was answered at once.
pub const PAUSE: Duration = Duration::from_secs(1);

impl Places {
    /// Takes the places that a user asks for.
    #[must_use]
    pub fn new(page: String, callback: String, is_fed: bool) -> Self {
        if is_fed {
            return Self {
                page: FED_PAGE.into(),
                callback: FED_STORE.into(),
                store: FED_STORE,
            };
        }
        Self {
            page,
            callback,
            store: STORE,
        }
    }

    /// Returns the URL that the browser opens for a public key.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        with_query(
            &self.page,
            &[("callback", &format!("{}{key}", self.callback)), ("aud", "")],
        )
    }

    /// Asks the store what was left for a public key.
    #[must_use]
    pub fn poll(&self, key: &str, agent: &str) -> Request {
        Request::new(Method::GET, format!("{}{key}", self.store), agent)
    }
}

/// Returns what a response of the store says.
#[must_use]
pub fn polled(response: &Response) -> Poll {
    match response.status {
        200 if response.body.expose().is_empty() => Poll::Empty,
        200 => Poll::Left,
        status @ 500.. => {
            let body = String::from_utf8_lossy(response.body.expose());
            Poll::Refused(format!("error on request {status}: {body}"))
        }
        _ => Poll::Waiting,
    }
}

/// Returns how long to wait before the next poll, if there is one: the first began `since`, the last
/// one took `took`.
#[must_use]
pub fn next(since: Duration, took: Duration) -> Option<Duration> {
    let pause = if took < PAUSE { PAUSE } else { Duration::ZERO };
    (since + pause < WHOLE).then_some(pause)
}

/// Returns why polling ends without anything.
#[must_use]
pub fn gave_up() -> String {
    "Failed to fetch resource".into()
}

/// Returns a URL with values added to its query, or put in the place of those it has; sorted.
#[must_use]
pub fn with_query(url: &str, values: &[(&str, &str)]) -> String {
    let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut query = Query::parse(query);
    for (name, value) in values {
        query.set(name, value);
    }
    format!("{}{fragment}", query.behind(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polling_goes_on_for_ten_minutes_and_in_no_hurry() {
        let seconds = Duration::from_secs_f64;
        let cases = [
            (0.0, 0.0, Some(1.0)),
            (0.9, 0.9, Some(1.0)),
            (1.0, 1.0, Some(0.0)),
            (11.0, 0.1, Some(1.0)),
            (60.0, 60.0, Some(0.0)),
            (598.9, 0.1, Some(1.0)),
            (599.0, 0.1, None),
            (599.9, 60.0, Some(0.0)),
            (600.0, 60.0, None),
        ];
        for (since, took, wanted) in cases {
            let told = next(seconds(since), seconds(took));
            assert_eq!(told, wanted.map(seconds), "{since} {took}");
        }
    }
}
