//! A Cloudflare edge on 127.0.0.1, with faults to order.
//!
//! It plays everything on the far side of a connector: the DNS answers, the authority, the QUIC and
//! HTTP/2 listeners of two data centres, the registration with its check of credentials, pushed
//! configurations, and the visitors. It is strict: what the protocol forbids is refused with the
//! reason and listed in [`edge::Edge::violations`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use adit_loopback::{edge, request::Request};
//!
//! let edge = edge::new().http2_only().run().await?;
//! // A connector is started with `edge.arguments(path)` here.
//! edge.registered(4).await;
//! let mut answer = edge.visit(Request::get("https://app.example.com/")).await?;
//! assert_eq!(answer.text().await?, "hello");
//!
//! edge.connection(0).vanish();
//! edge.connection(0).returns_within(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Reading order: [`edge`], `edge/builder.rs`, `site.rs` (what an address is), `quic.rs` and
//! `http2.rs` (how connections come in), `control.rs` and `registrar.rs` (how they are let in),
//! `link.rs` and [`stream`] (what passes on them), [`visitor`] and `front.rs` (who asks).

mod answer;
mod area;
pub mod authority;
mod connection;
mod control;
pub mod credentials;
pub mod dns;
pub mod edge;
pub mod error;
pub mod faults;
mod front;
mod gate;
mod http2;
mod lease;
mod link;
pub mod origin;
mod outbound;
mod ports;
mod push;
mod quic;
mod registrar;
pub mod relay;
pub mod request;
mod roster;
mod site;
pub mod stream;
mod tasks;
#[cfg(test)]
mod tests;
mod tls;
mod violations;
pub mod visitor;

pub use answer::Head;
pub use area::Area;
pub use connection::{Connection, Late};
pub use link::{Prepared, Transport};
pub use push::Pushed;
pub use roster::{Arrival, Refused, Registration, State};
