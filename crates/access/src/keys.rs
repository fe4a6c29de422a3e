//! Sans-IO. The public keys of a team, and whether one of them made a signature.

use adit_dialect::json::{Document, Value};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::error::JwtError;
use crate::jwt::{Jwt, decoded};

/// The public keys of a team.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Keys {
    /// Reads a set of keys; keys of other kinds are left out.
    ///
    /// # Errors
    ///
    /// Fails with what is wrong with the text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let document = Document::parse(text).map_err(|error| error.to_string())?;
        let keys = document.root().get("keys").ok_or("there are no keys in it")?;
        Ok(Self(keys.items().filter_map(key).collect()))
    }

    /// Returns whether there is no key.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Looks whether one of the keys signed a token.
    ///
    /// # Errors
    ///
    /// Fails when the token names no key of the set or another key signed it.
    pub(crate) fn verify(&self, token: &Jwt) -> Result<(), JwtError> {
        let id = token
            .key_id
            .as_deref()
            .filter(|id| !id.is_empty())
            .ok_or(JwtError::NoKey)?;
        let unknown = || JwtError::UnknownKey(adit_dialect::quote::quote(id));
        let key = self.0.iter().find(|key| key.id == id).ok_or_else(unknown)?;
        let public = RsaPublicKeyComponents {
            n: &key.modulus,
            e: &key.exponent,
        };
        public
            .verify(
                &RSA_PKCS1_2048_8192_SHA256,
                token.signed.as_bytes(),
                &token.signature,
            )
            .map_err(|_| JwtError::Signature)
    }
}

fn key(value: Value<'_>) -> Option<Key> {
    let text = |name| value.get(name).and_then(Value::as_str);
    if text("kty")? != "RSA" {
        return None;
    }
    Some(Key {
        id: text("kid")?.into_owned(),
        modulus: decoded(&text("n")?)?,
        exponent: decoded(&text("e")?)?,
    })
}
