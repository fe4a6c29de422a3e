//! Where the program listens on this machine.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use adit_dialect::hostport;

use adit_dialect::errno;

/// The default as it stands in the table of flags; whoever writes it means it.
const DEFAULT: &str = "localhost:0";

/// Whether this program is built for containers, whose metrics are asked for from outside.
const IN_CONTAINER: bool = match option_env!("ADIT_RUNTIME") {
    Some(runtime) => matches!(runtime.as_bytes(), b"virtual"),
    None => false,
};

/// The ports that are tried by default, so that tools find an instance.
const KNOWN_PORTS: std::ops::RangeInclusive<u16> = 20_241..=20_245;

/// Opens the listener that a text asks for.
///
/// # Errors
///
/// Fails with upstream's words when the address is none or is taken.
pub(crate) fn open(text: &str) -> Result<TcpListener, String> {
    if text == DEFAULT {
        return open_default().map_err(|reason| format!("failed to bind to address ({text}): {reason}"));
    }
    open_exact(text).map_err(|reason| format!("failed to bind to address ({text}): {reason}"))
}

/// Returns why an address is none, as whoever only listens is told it.
pub(crate) fn as_listener(reason: &str) -> String {
    if reason.starts_with("listen tcp") {
        reason.to_owned()
    } else {
        format!("listen tcp: {reason}")
    }
}

/// Returns the addresses at which a running connector is looked for.
pub(crate) fn known() -> impl Iterator<Item = SocketAddr> {
    KNOWN_PORTS.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Returns the address behind a `host:port` of this machine; the port is 80 if there is none.
///
/// # Errors
///
/// Fails with upstream's words when the host is none.
pub(crate) fn target(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = match hostport::split_str(text) {
        Ok((host, port)) => (host, number(port)?),
        Err(_) => (text, 80),
    };
    let host = match host {
        "" | "0.0.0.0" => Ipv4Addr::LOCALHOST.into(),
        "::" => Ipv6Addr::LOCALHOST.into(),
        _ => address(host).map_err(|reason| format!("dial tcp: {reason}"))?,
    };
    Ok(SocketAddr::new(host, port))
}

fn open_default() -> Result<TcpListener, String> {
    if IN_CONTAINER {
        let opened = KNOWN_PORTS.chain([0]).find_map(|port| everywhere(port).ok());
        return opened.ok_or_else(|| format!("listen tcp {DEFAULT}: bind: no port is free"));
    }
    for address in known() {
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok(listener);
        }
    }
    let any_port = |address: IpAddr| TcpListener::bind((address, 0));
    any_port(Ipv4Addr::LOCALHOST.into())
        .or_else(|_| any_port(Ipv6Addr::LOCALHOST.into()))
        .map_err(|error| format!("listen tcp {DEFAULT}: bind: {}", errno::text(&error)))
}

/// Opens a listener at exactly this address.
///
/// # Errors
///
/// Fails with upstream's words when the address is none or is taken.
pub(crate) fn open_exact(text: &str) -> Result<TcpListener, String> {
    let (host, port) = if text.is_empty() {
        ("", 0)
    } else {
        let (host, port) = hostport::split_str(text).map_err(|error| error.to_string())?;
        (host, number(port)?)
    };
    let bound = match host {
        "" | "0.0.0.0" | "::" => everywhere(port),
        _ => TcpListener::bind(SocketAddr::new(address(host)?, port)),
    };
    bound.map_err(|error| {
        let shown = if host == "0.0.0.0" || !host.is_empty() {
            text.to_owned()
        } else {
            format!(":{port}")
        };
        format!("listen tcp {shown}: bind: {}", errno::text(&error))
    })
}

/// Listens on every address of both families, or of IPv4 where there is no IPv6.
fn everywhere(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            return Err(error);
        }
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
    })
}

fn number(port: &str) -> Result<u16, String> {
    match port.parse::<i64>() {
        Ok(number) => u16::try_from(number).map_err(|_| format!("address {number}: invalid port")),
        Err(_) if port.is_empty() => Ok(0),
        Err(_) => Err(format!("lookup tcp/{port}: unknown port")),
    }
}

/// Returns the address of a host of this machine: literal, `localhost`, or from the hosts file.
fn address(host: &str) -> Result<IpAddr, String> {
    if host == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let named = |line: &str| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    };
    let found: Vec<IpAddr> = hosts.lines().filter_map(named).collect();
    let first = found.iter().find(|address| address.is_ipv4()).or(found.first());
    first
        .copied()
        .ok_or_else(|| format!("lookup {host}: no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_addresses_are_told_in_upstreams_words() {
        let cases = [
            (
                "zz",
                "failed to bind to address (zz): address zz: missing port in address",
            ),
            (
                "127.0.0.1:99999",
                "failed to bind to address (127.0.0.1:99999): address 99999: invalid port",
            ),
            (
                "h.invalid:1",
                "failed to bind to address (h.invalid:1): lookup h.invalid: no such host",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(open(text).unwrap_err(), expected);
        }
    }

    #[test]
    fn a_taken_address_is_told() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = taken.local_addr().unwrap().to_string();
        let expected =
            format!("failed to bind to address ({text}): listen tcp {text}: bind: address already in use");
        assert_eq!(open(&text).unwrap_err(), expected);
    }

    #[test]
    fn an_empty_text_means_every_address() {
        let address = open("").unwrap().local_addr().unwrap();
        assert!(address.ip().is_unspecified());
        let address = open("localhost:00").unwrap().local_addr().unwrap();
        assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    }
}
