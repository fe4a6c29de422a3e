//! What an open stream holds of its connection: it keeps a draining connection alive, and it counts
//! the bytes of a connection that has been ordered to end after so many.

use std::sync::Arc;

use crate::link::Link;

/// One open stream of a connection.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Link>);

impl Lease {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        link.stream_opened();
        Arc::new(Self(link))
    }

    /// Counts bytes that pass in either direction.
    pub(crate) fn spend(&self, bytes: usize) {
        self.0.spend(bytes);
    }

    /// Notes that the connector broke a rule on this stream.
    pub(crate) fn violated(&self, rule: &str) {
        self.0.violated(rule);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.stream_closed();
    }
}
