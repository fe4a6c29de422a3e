//! Reaches, as a user, applications behind Access and the live log of a connector.
//!
//! An [`Address`] is where an application is. The [`Client`] asks the edge which [`Application`]
//! stands there, and has a token for it: from the cache, from the token of the organisation, or
//! from a login in the browser. A [`Carrier`] carries TCP to it inside a WebSocket. A [`live::Live`]
//! is the log of a connector far away.
//!
//! Read `address` first, then `client`, and `application` for what is believed and why.

mod address;
mod application;
mod carrier;
mod certificate;
mod client;
mod error;
mod exchange;
mod folder;
mod jwt;
mod keys;
mod link;
pub mod live;
mod lock;
mod login;
mod metadata;
mod relay;
mod sealed;
pub mod store;
mod tap;
mod web;

pub use address::Address;
pub use adit_config::Secret;
pub use adit_dial::TransportError;
pub use carrier::{Carrier, Options};
pub use client::{Application, Client, Settings};
pub use error::{CacheError, Error, JwtError, MetadataError};
pub use jwt::Jwt;
pub use relay::Websocket;
pub use tap::{Tap, Tapped};

#[cfg(test)]
mod tests;
