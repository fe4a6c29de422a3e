//! A service inside the program that answers for a host of its own.

use std::fmt;
use std::sync::Arc;

use adit_dialect::hostport;
use adit_exchange::{Proxy, Refusal, Reply, Request};

use crate::metrics::Metrics;
use crate::telling::Telling;

/// A service inside the program.
pub(crate) struct Inner {
    host: Box<[u8]>,
    proxy: Arc<dyn Proxy>,
}

impl Inner {
    /// Returns the service that answers for `host`.
    pub(crate) fn new(host: &str, proxy: Arc<dyn Proxy>) -> Self {
        Self {
            host: host.as_bytes().into(),
            proxy,
        }
    }

    /// Returns whether requests for `host`, with or without a port, are for this service.
    pub(crate) fn answers(&self, host: &[u8]) -> bool {
        hostport::host(host) == &self.host[..]
    }

    /// Hands a request over, and tells about it.
    ///
    /// # Errors
    ///
    /// Refuses as the service does.
    pub(crate) async fn call(&self, request: Request, metrics: &Arc<Metrics>) -> Result<Reply, Refusal> {
        let telling = Telling::begin_inner(metrics, &request);
        match self.proxy.call(request).await {
            Ok(Reply::Response(response)) => Ok(Reply::Response(telling.answered(response))),
            Ok(Reply::Connected(connected)) => Ok(Reply::Connected(telling.connected(connected, None, None))),
            Err(refusal) => {
                telling.failed(&refusal);
                Err(refusal)
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = String::from_utf8_lossy(&self.host);
        out.debug_struct("Inner")
            .field("host", &host)
            .finish_non_exhaustive()
    }
}
