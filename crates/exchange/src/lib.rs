//! One request from the edge and the reply to it: the only thing the edge side and the origin side share.
//!
//! Read [`proxy`] first: it is the whole contract. [`request`] and [`reply`] are what crosses it,
//! [`refusal`] is why there is no reply, [`body`] carries bytes one way and [`splice`] both ways.

pub mod body;
pub mod headers;
pub mod io;
pub mod outlet;
pub mod proxy;
pub mod refusal;
pub mod reply;
pub mod request;
pub mod splice;

pub use body::{Body, BodyError};
pub use headers::{Header, Headers};
pub use io::Io;
pub use outlet::Outlet;
pub use proxy::{Answer, Proxy};
pub use refusal::{Class, Refusal};
pub use reply::{Connected, Reply, Response};
pub use request::{Arrival, Framing, Kind, Request, Transport};
