//! Asks the account's API for tunnels, routes and networks, and says what the answers mean.
//!
//! What is asked and what an answer means is decided without I/O: a [`Call`] is a request and the
//! way to read its response, [`Pages`] are several of them. [`Client`] alone touches the network.
//! What a user is shown is a [`Tree`] (JSON, YAML) or a [`Table`].
//!
//! Read [`account`] first, then [`tunnels`], and [`answer`] for what can go wrong.

pub mod account;
pub mod answer;
pub mod boxed;
pub mod certificate;
pub mod client;
pub mod error;
pub mod login;
pub mod moment;
pub mod names;
pub mod networks;
pub mod quick;
pub mod read;
pub mod request;
pub mod routes;
pub mod table;
pub mod tree;
pub mod tunnels;
mod yaml;

pub use account::Account;
pub use adit_config::TunnelId as Id;
pub use adit_dial::TransportError;
pub use answer::{Call, Pages};
pub use certificate::OriginCertificate;
pub use client::Client;
pub use error::{CertificateError, Error};
pub use http::Method;
pub use moment::Moment;
pub use request::{Request, Response};
pub use table::Table;
pub use tree::Tree;
