//! Sans-IO. Rules on the addresses a SOCKS client may reach (`ipRules`).

use std::fmt;
use std::net::IpAddr;

use adit_dialect::ip::parse_network;

use crate::file::IpRuleWritten;

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
    /// Understands an entry as written; fails with the text that says what is wrong with it.
    pub(crate) fn understand(written: &IpRuleWritten) -> Result<Self, String> {
        let prefix = written.prefix.as_deref().unwrap_or_default();
        if prefix.is_empty() {
            return Err(String::from("no prefix provided"));
        }
        let network = parse_network(prefix)
            .and_then(|(address, length)| Network::new(address, length))
            .ok_or_else(|| format!("unable to parse cidr: {prefix}"))?;
        let mut ports = written.ports.clone();
        ports.sort_unstable();
        let port = |port: &i64| match u16::try_from(*port) {
            Ok(port @ 1..) => Ok(port),
            _ => Err(format!("invalid port {port}, needs to be between 1 and 65535")),
        };
        Ok(Self {
            network: Some(network),
            ports: ports.iter().map(port).collect::<Result<_, _>>()?,
            allow: written.allow,
        })
    }

    /// Returns whether this rule speaks about `address` and `port`.
    #[must_use]
    pub fn matches(&self, address: IpAddr, port: u16) -> bool {
        self.network.is_some_and(|network| network.contains(address))
            && (self.ports.is_empty() || self.ports.binary_search(&port).is_ok())
    }
}

impl Network {
    /// Makes a network of an address and the length of its prefix, clearing the host bits; nothing
    /// if the length is impossible. A network of mapped IPv4 addresses is one of IPv4.
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
        Some(match address.to_canonical() {
            mapped @ IpAddr::V4(_) if address.is_ipv6() => Self {
                address: mapped,
                length: length.saturating_sub(96),
            },
            IpAddr::V4(_) | IpAddr::V6(_) => Self { address, length },
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_addresses() {
        let rows = [
            ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "1.2.3.4", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "10.200.0.1", true),
            ("fd00::/8", "fd12::1", true),
        ];
        for (network, address, expected) in rows {
            let (base, length) = parse_network(network).expect("is a network");
            let network = Network::new(base, length).expect("has a possible length");
            let address = address.parse().expect("is an address");
            assert_eq!(network.contains(address), expected, "{network} {address}");
        }
    }

    #[test]
    fn the_smallest_bad_port_is_named() {
        let written = IpRuleWritten {
            prefix: Some("10.0.0.0/8".into()),
            ports: vec![70000, 80, -1],
            allow: true,
        };
        let problem = IpRule::understand(&written).expect_err("has bad ports");
        assert_eq!(problem, "invalid port -1, needs to be between 1 and 65535");
    }
}
