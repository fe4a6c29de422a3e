//! Reaches hosts as a client: names, several addresses, proxies, TLS.
//!
//! A [`Dialer`] connects to a host. The [`Environment`] says whether a proxy stands on the way,
//! which is then a [`Detour`]. [`Tls`] is what is spoken over a connection, with those who are
//! trusted. This crate does not know what is asked for.

mod detour;
mod dialer;
mod environment;
mod error;
mod names;
mod tls;
mod verify;

pub use dialer::Dialer;
pub use environment::{Detour, Environment, Kind};
pub use error::Failure;
pub use names::Names;
pub use tls::{Roots, Tls, Trust, error_text};
