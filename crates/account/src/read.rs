//! Sans-IO. The values that objects of the API are made of.

use std::net::IpAddr;

use adit_config::{Network, Secret};
use adit_dialect::json::{Decoder, Value};
use adit_dialect::{JsonError, ip};

use crate::Id;

/// A value that is read over what is there.
pub trait Read: Default {
    /// What upstream calls a list of such values.
    const LIST: &'static str = "";

    /// Reads a value; `null` changes nothing, unless nothing is a value of its own.
    ///
    /// # Errors
    ///
    /// Fails for a text that is no such value.
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError>;
}

/// Says which fields of an object there are, and what each fills. The object, and what stands in a
/// list of them, go by upstream's names.
macro_rules! object {
    ($object:ty, $name:literal, $list:literal, { $($field:literal => $target:ident $(by $read:path)?,)+ }) => {
        impl $crate::read::Read for $object {
            const LIST: &'static str = concat!($list, $name);

            fn read(
                &mut self,
                decoder: &mut adit_dialect::json::Decoder,
                value: adit_dialect::json::Value<'_>,
            ) -> Result<(), adit_dialect::JsonError> {
                decoder.object(value, $name, &[$($field),+], |decoder, field, value| {
                    match field {
                        $($field => $crate::read::object!(@read self.$target, decoder, value $(, $read)?),)+
                        _ => Ok(()),
                    }
                })
            }
        }
    };
    (@read $target:expr, $decoder:ident, $value:ident) => {
        $crate::read::Read::read(&mut $target, $decoder, $value)
    };
    (@read $target:expr, $decoder:ident, $value:ident, $read:path) => {
        $read($decoder, $value, &mut $target)
    };
}
pub(crate) use object;

/// Reads a value from nothing.
pub(crate) fn fresh<T: Read>(decoder: &mut Decoder, value: Value<'_>) -> Result<T, JsonError> {
    let mut target = T::default();
    target.read(decoder, value)?;
    Ok(target)
}

impl Read for String {
    const LIST: &'static str = "[]string";

    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        decoder.string(value, self);
        Ok(())
    }
}

impl Read for Secret<String> {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        *self = Self::new(fresh(decoder, value)?);
        Ok(())
    }
}

impl Read for bool {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        decoder.boolean(value, self);
        Ok(())
    }
}

impl Read for i64 {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        decoder.integer(value, "int", self);
        Ok(())
    }
}

impl Read for Id {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        if let Some(text) = decoder.text(value, "uuid.UUID") {
            *self = Self::parse(&text).map_err(|error| JsonError::Value(error.to_string()))?;
        }
        Ok(())
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        decoder.list(value, T::LIST, self, |decoder, value, item| {
            item.read(decoder, value)
        })
    }
}

impl<T: Read> Read for Option<T> {
    fn read(&mut self, decoder: &mut Decoder, value: Value<'_>) -> Result<(), JsonError> {
        *self = None;
        if value.is_null() {
            return Ok(());
        }
        self.insert(T::default()).read(decoder, value)
    }
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
