//! What the edge and teams are asked, and what they reply.

use std::time::Duration;

use adit_dial::Ask;
use bytes::Bytes;
use http::{Method, Response};

use crate::client::Client;

/// A response.
pub(crate) type Reply = Response<Bytes>;

/// A response's body may not be longer.
pub(crate) const LARGEST: usize = 1 << 20;

impl Client {
    /// Returns a question without a body, from this program.
    pub(crate) fn question<'a>(&'a self, method: Method, url: &'a str, patience: Duration) -> Ask<'a> {
        Ask {
            method,
            url,
            headers: vec![("User-Agent", &self.settings.agent)],
            body: None,
            patience,
            largest: LARGEST,
        }
    }
}

/// Returns a field that is text.
pub(crate) fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers().get(name)?.to_str().ok()
}

/// Returns whether a response sends the client elsewhere.
pub(crate) fn is_redirect(reply: &Reply) -> bool {
    matches!(reply.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}
