//! Header fields in order, with the spelling and the bytes they came with.

use bytes::Bytes;

/// An ordered list of header fields.
///
/// Origins may depend on spelling and order, and values may hold any byte, so neither is folded
/// away here. Look-ups ignore the case of ASCII letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name as it is spelled.
    pub name: Bytes,
    /// The value, any bytes.
    pub value: Bytes,
}

impl Headers {
    /// Returns an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns an empty list with room for `capacity` fields.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// Adds a field behind all others.
    pub fn append(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.0.push(Header {
            name: name.into(),
            value: value.into(),
        });
    }

    /// Removes all fields called `name` and adds this one.
    pub fn set(&mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) {
        let name = name.into();
        self.remove(&name);
        self.append(name, value);
    }

    /// Removes all fields called `name`.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.0.retain(|header| !header.is(name));
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.0.retain(keep);
    }

    /// Returns the first value of the field called `name`.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Bytes> {
        let name = name.as_ref();
        self.0
            .iter()
            .find(|header| header.is(name))
            .map(|header| &header.value)
    }

    /// Returns all values of the fields called `name`, in order.
    pub fn all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a Bytes> {
        self.0
            .iter()
            .filter(move |header| header.is(name))
            .map(|header| &header.value)
    }

    /// Returns whether there is a field called `name`.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Returns the fields in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Header> {
        self.0.iter()
    }

    /// Returns the fields in order, to be changed in place.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Header> {
        self.0.iter_mut()
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Header {
    /// Returns whether this field is called `name`, whatever the case of its letters.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl<N: Into<Bytes>, V: Into<Bytes>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(name, value)| Header {
                    name: name.into(),
                    value: value.into(),
                })
                .collect(),
        )
    }
}

impl IntoIterator for Headers {
    type Item = Header;
    type IntoIter = std::vec::IntoIter<Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = &'a Header;
    type IntoIter = std::slice::Iter<'a, Header>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_and_order_survive() {
        let mut headers: Headers = [("X-One", "1"), ("x_two", "2"), ("X-ONE", "3")]
            .into_iter()
            .collect();
        headers.set("X_Two", "4");
        let seen: Vec<_> = headers.iter().map(|h| (&h.name[..], &h.value[..])).collect();
        assert_eq!(
            seen,
            [(&b"X-One"[..], &b"1"[..]), (b"X-ONE", b"3"), (b"X_Two", b"4")]
        );
        assert_eq!(headers.get("x-one").map(|v| &v[..]), Some(&b"1"[..]));
        assert_eq!(headers.all(b"X-one").count(), 2);
    }
}
