//! Matches a request to a rule, top to bottom, and carries it to the origin.
//!
//! Read [`router`] first, then `proxy.rs`, which is the way of a request, and `origin/http.rs`,
//! which is where most requests go. This crate does not know how a request arrived.

mod connection;
mod dial;
mod error;
mod framing;
mod gunzip;
mod h1;
mod headers;
mod incoming;
mod live;
mod lookahead;
mod metrics;
mod origin;
mod pattern;
mod pool;
mod prefixed;
mod proxy;
mod resolve;
pub mod router;
mod telling;
mod tls;

pub use error::{Failure, StartError};
pub use headers::Tag;
pub use metrics::Metrics;
pub use proxy::{Ingress, Settings};
pub use resolve::{Lookup, Resolve, System};
pub use router::Router;
pub use tls::Roots;
