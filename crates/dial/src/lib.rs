//! Reaches hosts as a client: names, several addresses, proxies, TLS, a request and its response.
//!
//! A [`Dialer`] connects to a host. The [`Environment`] says whether a proxy stands on the way,
//! which is then a [`Detour`]. [`Tls`] is what is spoken over a connection, with those who are
//! trusted. A [`Way`] is all of it in one, and there is something to [`Ask`] at its end. This crate
//! does not know what is asked for.

mod ask;
mod detour;
mod dialer;
mod environment;
mod error;
mod names;
mod tls;
mod verify;
mod way;

pub use ask::{Ask, TOO_LARGE, TransportError};
pub use detour::TO_THE_PROXY;
pub use dialer::Dialer;
pub use environment::{Detour, Environment, Kind};
pub use error::Failure;
pub use http::Method;
pub use names::Names;
pub use tls::{Roots, Tls, Trust, error_text};
pub use way::{Connection, Place, Way};
