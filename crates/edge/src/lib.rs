//! Finds two data centres, keeps four connections to them, authenticates, and turns streams into exchanges.
//!
//! Three kinds of files: those that decide (pure, they begin with `Sans-IO.`), those that do, and
//! those that tell. `supervisor` decides when to connect and `driver` obeys; `connection` is the
//! life of one connection; `quic` and `http2` share three verbs: dial, accept, stream.

mod addresses;
mod backoff;
mod connection;
pub mod dice;
mod discovery;
pub mod driver;
mod error;
pub mod features;
mod http2;
mod metrics;
pub mod prechecks;
mod pulse;
mod push;
mod quic;
mod register;
mod report;
mod settings;
mod status;
pub mod supervisor;
mod tls;
pub mod transport;
mod tunnel;

pub use driver::Orders;
pub use error::{DialError, Ended, Obstacle, SettingsError};
pub use metrics::Metrics;
pub use settings::{Credentials, Dns, Family, Identity, Protocol, Quic, Settings, Source};
pub use status::{Registered, Status};
pub use supervisor::Outcome;
pub use tls::{Purpose, Roots, Tls};
pub use tunnel::{Herald, LocalConfiguration, Parts, Tunnel};
