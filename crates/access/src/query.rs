//! Sans-IO. The query of a URL, read and written as upstream does it: sorted by name.

use std::collections::BTreeMap;
use std::fmt;

/// Names and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<Vec<u8>, Vec<Vec<u8>>>);

impl Query {
    /// Reads a query; what is no pair is left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for pair in text
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'))
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if let (Some(name), Some(value)) = (unescape(name), unescape(value)) {
                query.0.entry(name).or_default().push(value);
            }
        }
        query
    }

    /// Gives a name one value, instead of those it has.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), vec![value.into()]);
    }
}

impl fmt::Display for Query {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self
            .0
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        for (index, (name, value)) in pairs.enumerate() {
            let before = if index == 0 { "" } else { "&" };
            write!(out, "{before}{}={}", escape(name), escape(value))?;
        }
        Ok(())
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            other => other,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    let digit = char::from(digit).to_digit(16)?;
    u8::try_from(digit).ok()
}

fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
