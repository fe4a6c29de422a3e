//! A service inside the program that answers instead of a rule.

use std::sync::Arc;

use adit_exchange::{Proxy, Refusal, Reply, Request};

use crate::metrics::Metrics;
use crate::telling::Telling;

/// Hands a request over, and tells about it.
///
/// # Errors
///
/// Refuses as the service does.
pub(crate) async fn call(
    service: &dyn Proxy,
    request: Request,
    metrics: &Arc<Metrics>,
) -> Result<Reply, Refusal> {
    let telling = Telling::begin_inner(metrics, &request);
    match service.call(request).await {
        Ok(Reply::Response(response)) => Ok(Reply::Response(telling.answered(response))),
        Ok(Reply::Connected(connected)) => Ok(Reply::Connected(telling.connected(connected, None, None))),
        Err(refusal) => {
            telling.failed(&refusal);
            Err(refusal)
        }
    }
}
