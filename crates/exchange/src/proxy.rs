//! The contract between the edge side and whatever answers requests.

use std::future::Future;
use std::pin::Pin;

use crate::{Refusal, Reply, Request};

/// What [`Proxy::call`] returns: dropping it cancels the request.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send + 'a>>;

/// Answers one request that came down the tunnel.
///
/// It returns instead of writing: the transport acknowledges when it holds a [`Reply`], so a
/// request is answered exactly once, and a two-way stream only after its origin has connected.
pub trait Proxy: Send + Sync + 'static {
    /// Carries `request` to its destination and returns the reply.
    fn call(&self, request: Request) -> Answer<'_>;
}
