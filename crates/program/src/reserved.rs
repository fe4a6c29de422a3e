//! Requests for the management host never reach a rule of the user.

use std::sync::Arc;

use adit_admin::Management;
use adit_dialect::hostport;
use adit_exchange::{Answer, Kind, Proxy, Request};
use adit_ingress::Ingress;

/// Answers requests for one host by itself and leaves all others to another proxy.
#[derive(Debug)]
pub(crate) struct Reserved {
    /// The host.
    pub(crate) host: String,
    /// What answers for it.
    pub(crate) management: Management,
    /// What answers for all others.
    pub(crate) others: Arc<Ingress>,
}

impl Proxy for Reserved {
    fn call(&self, request: Request) -> Answer<'_> {
        let is_reserved = request.kind != Kind::Tcp && hostport::host(&request.host) == self.host.as_bytes();
        if is_reserved {
            return Box::pin(self.others.answer_inside(&self.management, request));
        }
        self.others.call(request)
    }
}
