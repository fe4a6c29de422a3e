//! Sans-IO. The values that objects of the API are made of.

use std::net::IpAddr;

use adit_config::Network;
use adit_dialect::json::{Decoder, Value};
use adit_dialect::{JsonError, ip};

use crate::Id;

/// Reads an identity; `null` changes nothing.
pub(crate) fn id(decoder: &mut Decoder, value: Value<'_>, target: &mut Id) -> Result<(), JsonError> {
    if let Some(text) = decoder.text(value, "uuid.UUID") {
        *target = Id::parse(&text).map_err(|error| JsonError::Value(error.to_string()))?;
    }
    Ok(())
}

/// Reads an address; an empty text is none.
pub(crate) fn address(
    decoder: &mut Decoder,
    value: Value<'_>,
    target: &mut Option<IpAddr>,
) -> Result<(), JsonError> {
    let Some(text) = decoder.text(value, "net.IP") else {
        return Ok(());
    };
    *target = match text.as_ref() {
        "" => None,
        text => {
            Some(plain_address(text).ok_or_else(|| JsonError::Value(format!("invalid IP address: {text}")))?)
        }
    };
    Ok(())
}

/// Reads the range of a route.
pub(crate) fn network(
    decoder: &mut Decoder,
    value: Value<'_>,
    target: &mut Option<Network>,
) -> Result<(), JsonError> {
    let Some(text) = decoder.text(value, "string") else {
        return Ok(());
    };
    let read = cidr(&text)
        .map_err(|error| JsonError::Value(format!("error parsing invalid network from backend: {error}")))?;
    *target = Some(read);
    Ok(())
}

/// Reads a range of addresses; host bits are cleared.
///
/// # Errors
///
/// Tells that the text is no range.
pub fn cidr(text: &str) -> Result<Network, String> {
    ip::parse_network(text)
        .and_then(|(address, length)| Network::new(address, length))
        .ok_or_else(|| format!("invalid CIDR address: {text}"))
}

/// Reads an address without a zone.
#[must_use]
pub fn plain_address(text: &str) -> Option<IpAddr> {
    match ip::parse(text.as_bytes()) {
        Ok((address, None)) => Some(address.to_canonical()),
        Ok((_, Some(_))) | Err(_) => None,
    }
}
