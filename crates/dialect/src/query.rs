//! Sans-IO. The query of a URL, written sorted by name.

use std::collections::BTreeMap;
use std::fmt;

/// Names and their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<Vec<u8>, Vec<Vec<u8>>>);

impl Query {
    /// Reads a query; what is no pair is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
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
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), vec![value.into()]);
    }

    /// Gives a name one more value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.0.entry(name.into()).or_default().push(value.into());
        self
    }

    /// Gives a name one more value, if there is one.
    #[must_use]
    pub fn maybe(self, name: &str, value: Option<impl Into<Vec<u8>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Returns a URL that has no query with this one.
    #[must_use]
    pub fn behind(&self, url: &str) -> String {
        if self.0.is_empty() {
            return url.to_owned();
        }
        format!("{url}?{self}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped() {
        let query = Query::default()
            .with("name", "al pha")
            .maybe("never", None::<String>)
            .with("exclude_prefix", "z&é");
        assert_eq!(query.behind("/x"), "/x?exclude_prefix=z%26%C3%A9&name=al+pha");
        assert_eq!(Query::default().behind("/x"), "/x");
    }

    #[test]
    fn queries_are_read_back() {
        for (text, expected) in [
            ("n=a+b%26", "n=a+b%26"),
            ("n=%zz&b=1", "b=1"),
            ("n=%4&b=1", "b=1"),
            ("z&a=é&a=2", "a=%C3%A9&a=2&z="),
            ("a=1;b=2&c=3", "c=3"),
        ] {
            assert_eq!(Query::parse(text).to_string(), expected, "{text}");
        }
    }
}
