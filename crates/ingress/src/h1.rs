//! HTTP/1.1 towards origins: a small client whose bytes are ours to the last one.
//!
//! [`request`] writes a head, [`answer`] reads one, [`chunks`] undoes chunked coding, all without
//! I/O; [`upload`] sends a request and [`exchange`] carries one request and its answer over a
//! connection.

pub(crate) mod answer;
pub(crate) mod chunks;
pub(crate) mod exchange;
pub(crate) mod fields;
pub(crate) mod request;
pub(crate) mod upload;
