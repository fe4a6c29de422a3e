//! Sans-IO. Which transport to dial with, and when to try the better one again.

/// The shares of the transports, as the TXT record of `protocol-v2.argotunnel.com` states them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Percentages(Vec<Share>);

/// The share of one transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The name of the transport, in any case.
    pub protocol: String,
    /// Accounts with a smaller hash use it.
    pub percentage: i32,
}
