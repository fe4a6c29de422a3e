//! Sans-IO. The order in which addresses of one name are worth trying (RFC 6724, as far as a
//! connector can notice).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address, and the one packets to it would come from; none when there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) address: IpAddr,
    pub(crate) source: Option<IpAddr>,
}

/// Sorts the best first; equals keep the order of the resolver.
pub(crate) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by_key(|candidate| std::cmp::Reverse(worth(*candidate)));
}

/// Reachable before unreachable, then a source of the same kind, then the kind preferred.
fn worth(candidate: Candidate) -> (bool, bool, u8) {
    let (label, precedence) = policy(candidate.address);
    let same = candidate.source.is_some_and(|source| policy(source).0 == label);
    (candidate.source.is_some(), same, precedence)
}

/// The default policy table, §2.1: label and precedence.
fn policy(address: IpAddr) -> (u8, u8) {
    let address = match address.to_canonical() {
        IpAddr::V4(_) => return (4, 35),
        IpAddr::V6(address) => address,
    };
    match address.segments() {
        _ if address.is_loopback() => (0, 50),
        [0x2002, ..] => (2, 30),
        [0x2001, 0, ..] => (5, 5),
        [first, ..] if first & 0xfe00 == 0xfc00 => (13, 3),
        [first, ..] if first & 0xffc0 == 0xfec0 => (11, 1),
        [0x3ffe, ..] => (12, 1),
        _ => (1, 40),
    }
}

/// Returns the address that a socket binds to when any will do.
pub(crate) const fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_that_works_comes_first() {
        let check = |given: &[(&str, &str)], expected: &[&str]| {
            let parse = |text: &str| text.parse::<IpAddr>().ok();
            let mut candidates: Vec<_> = given
                .iter()
                .map(|(address, source)| Candidate {
                    address: parse(address).expect("an address"),
                    source: parse(source),
                })
                .collect();
            sort(&mut candidates);
            let sorted: Vec<_> = candidates.iter().map(|c| c.address.to_string()).collect();
            assert_eq!(sorted, expected);
        };
        // Both families: IPv6, each in the order of the resolver.
        check(
            &[
                ("198.41.192.7", "192.0.2.1"),
                ("2606:4700:a0::7", "2a00::1"),
                ("198.41.192.27", "192.0.2.1"),
                ("2606:4700:a0::1", "2a00::1"),
            ],
            &[
                "2606:4700:a0::7",
                "2606:4700:a0::1",
                "198.41.192.7",
                "198.41.192.27",
            ],
        );
        // No route for one of them.
        check(
            &[("2606:4700:a0::7", ""), ("198.41.192.7", "192.0.2.1")],
            &["198.41.192.7", "2606:4700:a0::7"],
        );
        check(
            &[("198.41.192.7", ""), ("2606:4700:a0::7", "2a00::1")],
            &["2606:4700:a0::7", "198.41.192.7"],
        );
        // A private IPv6 address is no way to the world while there is another.
        check(
            &[("2606:4700:a0::7", "fd00::1"), ("198.41.192.7", "192.0.2.1")],
            &["198.41.192.7", "2606:4700:a0::7"],
        );
        check(
            &[("127.0.0.1", "127.0.0.1"), ("::1", "::1")],
            &["::1", "127.0.0.1"],
        );
    }
}
