//! Sans-IO. The keys that Access signs with, and how often they may be asked for.

use std::time::{Duration, Instant};

use adit_dialect::json::Document;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::Value;

use super::token::{Token, decode};

/// Requests for keys that may follow each other at once.
const BURST: u32 = 5;

/// Time after which another request is allowed.
const REFILL: Duration = Duration::from_secs(10);

/// A set of public keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    name: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Keys {
    /// Reads the keys that an issuer publishes.
    ///
    /// # Errors
    ///
    /// Fails with the text that says why they cannot be read.
    pub(crate) fn read(status: u16, kind: &str, body: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(body);
        if status != 200 {
            let reason = adit_dialect::status::words(status);
            return Err(format!("oidc: get keys failed: {status} {reason} {text}"));
        }
        Document::parse(body).map_err(|error| {
            format!(
                "oidc: failed to decode keys: got Content-Type = {kind}, but could not unmarshal as JSON: {error} {text}"
            )
        })?;
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let keys = parsed["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Key::read);
        Ok(Self(keys.collect()))
    }

    /// Returns whether one of the keys has signed `token`.
    pub(crate) fn have_signed(&self, token: &Token) -> bool {
        let named = |key: &&Key| token.key.as_ref().is_none_or(|name| *name == key.name);
        self.0.iter().filter(named).any(|key| key.has_signed(token))
    }
}

impl Key {
    fn read(key: &Value) -> Option<Self> {
        let text = |name: &str| key[name].as_str();
        (text("kty") == Some("RSA")).then_some(())?;
        Some(Self {
            name: text("kid").unwrap_or_default().to_owned(),
            modulus: decode(text("n")?).ok()?,
            exponent: decode(text("e")?).ok()?,
        })
    }

    fn has_signed(&self, token: &Token) -> bool {
        let key = RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        };
        let verified = key.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            token.signed.as_bytes(),
            &token.signature,
        );
        verified.is_ok()
    }
}

/// Allows a few requests at once and then one every now and then, so that forged tokens do not
/// become a flood of requests for keys.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    since: Option<Instant>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            left: BURST,
            since: None,
        }
    }
}

impl Allowance {
    /// Returns whether a request may be made now, and counts it.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let gained = now.duration_since(since).as_secs() / REFILL.as_secs();
        if gained > 0 {
            self.left =
                u32::try_from(gained).map_or(BURST, |gained| self.left.saturating_add(gained).min(BURST));
            self.since = Some(now);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_allowed_in_bursts_and_then_one_by_one() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        let mut allowed = |seconds: u64| allowance.take(start + Duration::from_secs(seconds));
        assert!((0..5).all(|_| allowed(0)));
        assert!(!allowed(0) && !allowed(9));
        assert!(allowed(10) && !allowed(11) && allowed(20));
        assert!((0..5).all(|_| allowed(1000)) && !allowed(1000));
    }
}
