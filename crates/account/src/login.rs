//! Sans-IO. Logging in to an account: the page for the browser.

use adit_dialect::query::Query;

/// Where to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The page that the browser opens.
    pub page: String,
    /// What the page is told to leave the certificate at.
    pub callback: String,
}

/// The page of the region for American authorities.
const FED_PAGE: &str = "https://dash.fed.cloudflare.com/argotunnel";

impl Places {
    /// Returns the places for American authorities, whose page leaves certificates at `store`.
    #[must_use]
    pub fn fed(store: &str) -> Self {
        Self {
            page: FED_PAGE.into(),
            callback: store.into(),
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
