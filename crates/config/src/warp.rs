//! Sans-IO. Settings of private-network traffic (`warp-routing`).

use crate::duration::Span;
use crate::file::WarpRoutingWritten;

/// Settings of private-network traffic, as meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WarpRouting {
    /// Limit of a TCP dial to a private address.
    pub connect_timeout: Span,
    /// Concurrent TCP and UDP flows; zero is no limit.
    pub max_active_flows: u64,
    /// Keep-alive of private TCP sockets.
    pub tcp_keep_alive: Span,
}

impl WarpRouting {
    /// What holds where nothing is said.
    pub const DEFAULT: Self = Self {
        connect_timeout: Span::from_nanos(5_000_000_000),
        max_active_flows: 0,
        tcp_keep_alive: Span::from_nanos(30_000_000_000),
    };

    /// Fills what is not said.
    #[must_use]
    pub fn meant(written: &WarpRoutingWritten) -> Self {
        let Self {
            connect_timeout,
            max_active_flows,
            tcp_keep_alive,
        } = Self::DEFAULT;
        Self {
            connect_timeout: written.connect_timeout.unwrap_or(connect_timeout),
            max_active_flows: written.max_active_flows.unwrap_or(max_active_flows),
            tcp_keep_alive: written.tcp_keep_alive.unwrap_or(tcp_keep_alive),
        }
    }
}

impl Default for WarpRouting {
    fn default() -> Self {
        Self::DEFAULT
    }
}
