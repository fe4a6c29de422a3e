//! Sans-IO. A request to an API, and the response to it.

use adit_config::Secret;
use http::{Method, StatusCode};

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
    /// The key of the service that sealed the body, if it did.
    pub service_key: Option<String>,
    /// The body.
    pub body: Secret<Vec<u8>>,
}

/// The query of a URL: names sorted, values escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(&'static str, String)>);

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
        format!("{}: {}", self.status, reason(self.status))
    }

    /// Returns whether the body says that it is JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        let kind = self.content_type.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    }
}

/// Returns the reason phrase of a status code; none for codes that have none.
#[must_use]
pub fn reason(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    match status.map(|status| status.as_u16()) {
        Some(418) => "I'm a teapot",
        _ => status
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
    }
}

impl Query {
    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Adds a value, if there is one.
    #[must_use]
    pub fn maybe(self, name: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Returns the text behind the question mark.
    #[must_use]
    pub fn text(&self) -> String {
        let mut pairs = self.0.clone();
        pairs.sort_by_key(|(name, _)| *name);
        let pairs = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Returns the URL with this query.
    #[must_use]
    pub fn behind(&self, url: &str) -> String {
        if self.0.is_empty() {
            return url.to_owned();
        }
        format!("{url}?{}", self.text())
    }
}

/// Escapes a value of a query: letters, digits and `-_.~` stay, a space becomes `+`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Reads a value of a query; nothing for one that is badly escaped.
#[must_use]
pub fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped() {
        let query = Query::default()
            .with("name", "al pha")
            .maybe("never", None::<String>)
            .with("exclude_prefix", "z&é");
        assert_eq!(query.text(), "exclude_prefix=z%26%C3%A9&name=al+pha");
        assert_eq!(query.behind("/x"), "/x?exclude_prefix=z%26%C3%A9&name=al+pha");
        assert_eq!(Query::default().behind("/x"), "/x");
    }

    #[test]
    fn values_are_read_back() {
        for (text, expected) in [
            ("a+b%26", Some("a b&")),
            ("%zz", None),
            ("%4", None),
            ("é", Some("é")),
        ] {
            assert_eq!(unescape(text).as_deref(), expected, "{text}");
        }
    }
}
