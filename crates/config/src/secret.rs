//! Sans-IO. Values that must not be seen: not in logs, not in panics, not in memory afterwards.

use std::fmt;

/// Holds a value that is redacted in `Debug`, has no `Display`, and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Wipe>(T);

/// Overwrites its own content.
pub trait Wipe {
    /// Overwrites the content with zeros.
    fn wipe(&mut self);
}

impl<T: Wipe> Secret<T> {
    /// Keeps `value` from sight.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Shows the value to code that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe + Default> Default for Secret<T> {
    fn default() -> Self {
        Self(T::default())
    }
}

impl<T: Wipe> fmt::Debug for Secret<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<secret>")
    }
}

impl<T: Wipe> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        self.fill(0);
        std::hint::black_box(self.as_ptr());
    }
}

impl Wipe for String {
    fn wipe(&mut self) {
        let mut bytes = std::mem::take(self).into_bytes();
        bytes.wipe();
    }
}

impl<T: Wipe> Wipe for Option<T> {
    fn wipe(&mut self) {
        if let Some(value) = self {
            value.wipe();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(String::from("canary"));
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(secret.expose(), "canary");
    }

    #[test]
    fn wiping_leaves_zeros() {
        let mut bytes = b"canary".to_vec();
        bytes.wipe();
        assert_eq!(bytes, [0; 6]);
    }
}
