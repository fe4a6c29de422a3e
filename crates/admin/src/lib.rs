//! Answers questions about a running connector: metrics, readiness, diagnostics, live log.
//!
//! It changes nothing. What it tells comes from a [`Witness`] that the program implements.
//! `routes.rs` decides which question a path asks and a page is an answer; [`Server`] gives the
//! answers on a local address, and [`Management`] gives some of them through the tunnel, together
//! with the live log of [`Feed`].

mod actor;
mod diagnostics;
mod management;
mod metrics;
mod order;
mod page;
mod process;
mod profile;
mod ready;
mod routes;
mod server;
mod session;
mod snapshot;
mod system;
mod tail;
mod websocket;

pub use management::{Host, Management};
pub use metrics::{Build, count_quick_host};
pub use routes::Desk;
pub use server::Server;
pub use snapshot::{Connection, Facts, Witness};
pub use tail::{Entry, Feed, Kind, Level};
