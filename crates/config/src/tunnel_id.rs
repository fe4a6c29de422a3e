//! Sans-IO. The identity of a tunnel.

use std::fmt;

use uuid::Uuid;

/// Identifies a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(Uuid);

/// Why a text names no tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelIdError {
    /// No form of identity has this many bytes.
    #[error("invalid UUID length: {0}")]
    Length(usize),
    /// The text is as long as an identity with a prefix, but has another prefix.
    #[error("invalid urn prefix: {0}")]
    Prefix(String),
    /// A character is out of place.
    #[error("invalid UUID format")]
    Format,
}

impl TunnelId {
    /// Reads an identity: with or without dashes, in braces, or behind `urn:uuid:`; in any case.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, TunnelIdError> {
        let bytes = text.as_bytes();
        let dashed = match bytes.len() {
            36 => bytes,
            45 if bytes[..9].eq_ignore_ascii_case(b"urn:uuid:") => &bytes[9..],
            45 => {
                let prefix = adit_dialect::quote::quote(&bytes[..9]);
                return Err(TunnelIdError::Prefix(prefix));
            }
            // What the braces are does not matter.
            38 => &bytes[1..37],
            32 => bytes,
            length => return Err(TunnelIdError::Length(length)),
        };
        Uuid::try_parse_ascii(dashed)
            .map(Self)
            .map_err(|_| TunnelIdError::Format)
    }

    /// The identity that stands for none: all zeros.
    pub const NIL: Self = Self(Uuid::nil());

    /// Makes an identity of its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns whether this is [`TunnelId::NIL`].
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_nil()
    }

    /// Returns the underlying value.
    #[must_use]
    pub const fn uuid(&self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TunnelId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}
