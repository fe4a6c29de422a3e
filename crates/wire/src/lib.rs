//! Sans-IO. Turns bytes on an edge connection into values and back.
//!
//! Bytes arrive in an [`Intake`]; each kind of value has a `take` that removes itself from the front
//! once it is complete and leaves what follows. [`preamble`] tells streams apart, [`connect`] is the
//! head of a data stream in both directions, [`headers`] gives such a head its HTTP meaning, [`h2`]
//! does the same for the HTTP/2 transport. [`rpc`] is the envelope of calls, whose contents are
//! [`registration`], [`session`] and [`configuration`].
//!
//! Cap'n Proto is read and written here without its library: the two messages that every request
//! pays for are then slices of what arrived and one exact buffer of what leaves, and one bound on
//! memory holds for every message. Tests compare with the library in both directions.

mod builder;
pub mod configuration;
pub mod connect;
pub mod error;
pub mod frame;
pub mod h2;
pub mod headers;
mod intake;
pub mod preamble;
mod reader;
pub mod registration;
pub mod rpc;
pub mod session;

pub use builder::{Content, Slot};
pub use connect::{ConnectRequest, ConnectResponse, ConnectionType, Metadata};
pub use error::{DecodeError, EncodeError, HeadError};
pub use frame::Message;
pub use intake::Intake;
pub use rpc::Payload;
