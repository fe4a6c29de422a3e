//! Sans-IO. `address:port`, where a host name is never accepted.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use adit_dialect::ip;
use adit_dialect::quote::quote;

/// Reads an address and a port.
///
/// # Errors
///
/// Fails with the text that says what is wrong.
pub(crate) fn parse(text: &[u8]) -> Result<SocketAddr, String> {
    let colon = text
        .iter()
        .rposition(|byte| *byte == b':')
        .ok_or("not an ip:port")?;
    let (host, port) = (&text[..colon], &text[colon + 1..]);
    let (host, bracketed) = match host {
        [] => return Err("no IP".into()),
        [b'[', inner @ .., b']'] => (inner, true),
        [b'[', ..] => return Err("missing ]".into()),
        host => (host, false),
    };
    let port = parse_port(port, text)?;
    let (address, zone) = ip::parse(host).map_err(|error| error.to_string())?;
    let shown = quote(text);
    match address {
        IpAddr::V4(_) if bracketed => Err(format!(
            "invalid ip:port {shown}, square brackets can only be used with IPv6 addresses"
        )),
        IpAddr::V6(_) if !bracketed => Err(format!(
            "invalid ip:port {shown}, IPv6 addresses must be surrounded by square brackets"
        )),
        IpAddr::V6(address) => {
            let scope = zone.map_or(Ok(0), interface)?;
            Ok(SocketAddrV6::new(address, port, 0, scope).into())
        }
        IpAddr::V4(_) => Ok(SocketAddr::new(address, port)),
    }
}

fn parse_port(port: &[u8], text: &[u8]) -> Result<u16, String> {
    if port.is_empty() {
        return Err("no port".into());
    }
    let digits = port.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
    let invalid = || format!("invalid port {} parsing {}", quote(port), quote(text));
    number.filter(|_| digits).ok_or_else(invalid)
}

/// Returns the number of the interface that a zone names.
fn interface(zone: &[u8]) -> Result<u32, String> {
    let unknown = || format!("zone {} names no interface by its number", quote(zone));
    let number = std::str::from_utf8(zone).ok().and_then(|zone| zone.parse().ok());
    number.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use adit_vectors::{File, same};

    use super::*;

    #[test]
    fn addresses_are_read_as_recorded() {
        let Some(file) = File::open("private-addr-port") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("cases") {
            let text = case["text"].as_str().expect("a text");
            let outcome = parse(text.as_bytes()).map(|address| address.to_string());
            let recorded = match case["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(case["canonical"].as_str().expect("a form").to_owned()),
            };
            report.give(&case["text"], same(&outcome, &recorded));
        }
        report.finish();
    }
}
