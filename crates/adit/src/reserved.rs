//! Requests for the management host never reach a rule of the user.

use std::sync::Arc;

use adit_admin::Management;
use adit_dialect::hostport;
use adit_exchange::{Answer, Kind, Proxy, Request};

/// Answers requests for one host by itself and leaves all others to another proxy.
#[derive(Debug)]
pub(crate) struct Reserved<P> {
    /// The host.
    pub(crate) host: String,
    /// What answers for it.
    pub(crate) management: Management,
    /// What answers for all others.
    pub(crate) others: Arc<P>,
}

impl<P: Proxy> Proxy for Reserved<P> {
    fn call(&self, request: Request) -> Answer<'_> {
        let is_reserved = request.kind != Kind::Tcp && hostport::host(&request.host) == self.host.as_bytes();
        if is_reserved {
            return self.management.call(request);
        }
        self.others.call(request)
    }
}
