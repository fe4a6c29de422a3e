//! Sans-IO. Signed tokens in their compact form.

use std::borrow::Cow;

use adit_dialect::json::{Document, Kind, Value};
use adit_dialect::quote::quote;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::JwtError;

/// The only way in which tokens of Access are signed.
pub(crate) const RS256: &str = "RS256";

/// A token, taken apart; nothing of it is verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt {
    /// The name of the key, if there is one.
    pub(crate) key_id: Option<String>,
    /// What is signed.
    pub(crate) signed: String,
    /// The signature.
    pub(crate) signature: Vec<u8>,
    claims: String,
}

impl Jwt {
    /// Takes a token apart.
    ///
    /// # Errors
    ///
    /// Fails when it is none, or is not signed in the way that is asked for.
    pub fn parse(text: &str, algorithm: &'static str) -> Result<Self, JwtError> {
        let mut parts = text.trim().split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtError::Parts);
        };
        let read = |part: &str, name| decoded(part).ok_or(JwtError::Malformed(name));
        let head = text_of(read(header, "header")?, "header")?;
        let document = Document::parse(&head).map_err(|_| JwtError::Malformed("header"))?;
        let named = |name| {
            document
                .root()
                .get(name)
                .and_then(Value::as_str)
                .map(Cow::into_owned)
        };
        let found = named("alg").unwrap_or_default();
        if found != algorithm {
            let found = quote(&found);
            let wanted = algorithm;
            return Err(JwtError::Algorithm { found, wanted });
        }
        let body = text_of(read(claims, "claims")?, "claims")?;
        let whole = Document::parse(&body).is_ok_and(|document| document.root().kind() == Kind::Object);
        if !whole {
            return Err(JwtError::Malformed("claims"));
        }
        Ok(Self {
            key_id: named("kid"),
            signed: format!("{header}.{claims}"),
            signature: read(signature, "signature")?,
            claims: body,
        })
    }

    /// Returns a claim that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.claim(name, |value| value.as_str().map(Cow::into_owned))
    }

    /// Returns a text inside a claim.
    #[must_use]
    pub fn text_in(&self, claim: &str, name: &str) -> Option<String> {
        self.claim(claim, |value| value.get(name)?.as_str().map(Cow::into_owned))
    }

    /// Returns a claim that is a moment, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// Fails when the claim is no integer.
    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<i64>, JwtError> {
        let read = |value: Value<'_>| {
            let number = value.as_number().and_then(|number| number.parse().ok());
            Some(number.ok_or(JwtError::Malformed(name)))
        };
        self.claim(name, read).transpose()
    }

    /// Returns for whom the token is.
    ///
    /// # Errors
    ///
    /// Fails when that is neither a text nor several.
    pub(crate) fn audience(&self) -> Result<Vec<String>, JwtError> {
        let one = |value: Value<'_>| value.as_str().map(Cow::into_owned).ok_or(JwtError::Audience);
        let read = |value: Value<'_>| {
            Some(if value.kind() == Kind::Array {
                value.items().map(one).collect()
            } else {
                one(value).map(|text| vec![text])
            })
        };
        self.claim("aud", read).unwrap_or(Err(JwtError::Audience))
    }

    fn claim<T>(&self, name: &str, read: impl FnOnce(Value<'_>) -> Option<T>) -> Option<T> {
        let document = Document::parse(&self.claims).ok()?;
        read(document.root().get(name)?)
    }
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Jwt")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// Decodes a part of a token.
pub(crate) fn decoded(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

fn text_of(bytes: Vec<u8>, name: &'static str) -> Result<String, JwtError> {
    String::from_utf8(bytes).map_err(|_| JwtError::Malformed(name))
}
