//! Matches a request to a rule, top to bottom, and carries it to the origin.
//!
//! Read [`router`] first, then `proxy.rs`, which is the way of a request, and `origin/http.rs`,
//! which is where most requests go. This crate does not know how a request arrived.

mod access;
mod connection;
mod error;
mod explain;
mod flows;
mod framing;
mod gate;
mod gunzip;
mod h1;
mod headers;
mod held;
mod incoming;
mod live;
mod lookahead;
mod metrics;
mod origin;
mod pattern;
mod policy;
mod pool;
mod prefixed;
mod private;
mod proxy;
pub mod router;
mod shown;
mod telling;
mod tls;
mod told;
mod trace;
mod websocket;

pub use error::StartError;
pub use flows::{Flow, Flows, TooManyFlows};
pub use headers::Tag;
pub use metrics::Metrics;
pub use proxy::{Ingress, Settings};
pub use router::Router;
