//! The origin's end of a two-way stream.

use std::fmt;

use tokio::io::{AsyncRead, AsyncWrite};

/// A two-way byte stream to an origin.
///
/// Shutting down the write half tells the origin that the visitor has finished; reading goes on.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

impl fmt::Debug for dyn Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}
