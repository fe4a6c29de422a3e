//! Sans-IO. Messages that only the holder of a key can open.

use base64::DecodeError;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use crypto_box::aead::Aead;
use crypto_box::{PublicKey, SalsaBox, SecretKey};

/// Bytes of a nonce, which stand before the message.
const NONCE: usize = 24;

/// Bytes of a key.
const KEY: usize = 32;

/// A key pair that lives for one login.
pub(crate) struct Pair(SecretKey);

impl Pair {
    /// Makes a pair of 32 random bytes.
    pub(crate) fn of(random: [u8; KEY]) -> Self {
        Self(SecretKey::from(random))
    }

    /// Returns the public key as it stands in links.
    pub(crate) fn public(&self) -> String {
        URL_SAFE.encode(self.0.public_key().as_bytes())
    }

    /// Opens a message that the holder of `sender` sealed.
    ///
    /// # Errors
    ///
    /// Fails with the text that users know.
    pub(crate) fn open(&self, sender: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        let message: Vec<u8> = message
            .iter()
            .copied()
            .filter(|byte| !b"\r\n".contains(byte))
            .collect();
        let message = STANDARD.decode(message).map_err(|error| refused(&error))?;
        let sender = URL_SAFE.decode(sender).map_err(|error| refused(&error))?;
        // Shorter keys are filled with zeros, longer ones cut.
        let mut key = [0; KEY];
        for (to, from) in key.iter_mut().zip(sender) {
            *to = from;
        }
        let Some((nonce, sealed)) = message.split_at_checked(NONCE) else {
            return Err("message is too short to contain a nonce".into());
        };
        if sealed.is_empty() {
            return Err("message is too short to contain a nonce".into());
        }
        let lid = SalsaBox::new(&PublicKey::from(key), &self.0);
        lid.decrypt(nonce.into(), sealed)
            .map_err(|_| "failed to decrypt message".into())
    }
}

fn refused(error: &DecodeError) -> String {
    let at = match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. } => *at,
        DecodeError::InvalidLength(length) => *length,
        DecodeError::InvalidPadding => 0,
    };
    format!("illegal base64 data at input byte {at}")
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pair")
    }
}
