//! Sans-IO. Rules on the addresses a SOCKS client may reach (`ipRules`).

use std::fmt;
use std::net::IpAddr;

/// One entry of `ipRules`, as meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpRule {
    /// The addresses; nothing for an entry that could not be understood, which matches nothing.
    pub network: Option<Network>,
    /// The ports, ascending; empty for every port.
    pub ports: Vec<u16>,
    /// Whether a match is let through.
    pub allow: bool,
}

/// A range of addresses that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

impl IpRule {
    /// Returns whether this rule speaks about `address` and `port`.
    #[must_use]
    pub fn matches(&self, address: IpAddr, port: u16) -> bool {
        self.network.is_some_and(|network| network.contains(address))
            && (self.ports.is_empty() || self.ports.binary_search(&port).is_ok())
    }
}

impl Network {
    /// Makes a network of an address and the length of its prefix, clearing the host bits;
    /// nothing if the length is impossible.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if length <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) if length <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { address, length })
    }

    /// Returns whether `address` lies in the network; an IPv4 address mapped into IPv6 counts as
    /// IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && Self::new(address, self.length).is_some_and(|network| network == self)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.length)
    }
}
