//! An answer to a question, before anyone decides how it travels.

use bytes::Bytes;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The status code.
    pub(crate) status: u16,
    /// The header fields.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Bytes,
    /// Whether the body travels in chunks however short it is.
    pub(crate) streamed: bool,
}

/// What a body of text is.
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

impl Page {
    /// Returns an answer with this body.
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type", kind.to_owned())],
            body: body.into(),
            streamed: false,
        }
    }

    /// Returns a text.
    pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, TEXT, body)
    }

    /// Returns a complaint: a text that no browser may take for anything else.
    pub(crate) fn complaint(status: u16, body: &'static str) -> Self {
        Self::text(status, body).with("X-Content-Type-Options", "nosniff")
    }

    /// Returns what an unknown path gets.
    pub(crate) fn not_found() -> Self {
        Self::complaint(404, "404 page not found\n")
    }

    /// Lets the body travel in chunks.
    pub(crate) const fn streamed(mut self) -> Self {
        self.streamed = true;
        self
    }

    /// Adds a header field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
