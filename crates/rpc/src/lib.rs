//! Makes and answers Cap'n Proto calls over one byte stream.
//!
//! [`client`] is what a connector asks of the edge, [`server`] what the edge asks of a connector;
//! [`far`] is the edge's end of both, for the edge on 127.0.0.1. Every one is a conversation over
//! a reader and a writer: a future that its owner runs, and that ends when either side leaves.
//!
//! The rules of the protocol are one pure machine, `vat.rs`, and not the library `capnp-rpc`. The
//! library cannot say what upstream is recorded to say (its reasons for refusing a method, for a
//! question id that is used twice and for leaving are fixed texts, and its question ids are not
//! recycled last-freed-first), it holds what is not `Send` and so needs a thread of its own, and it
//! bounds neither open questions nor what it queues. No capability crosses here but the main
//! interface, which leaves little enough to be read in one sitting, and to be fuzzed. Tests let both
//! talk to each other.

pub mod client;
mod conversation;
pub mod error;
pub mod far;
#[cfg(test)]
mod recorded;
pub mod server;
mod vat;

pub use client::Registration;
pub use error::{CallError, Ended, Retry};
pub use server::{ConfigurationManager, Exports, SessionManager, serve};
