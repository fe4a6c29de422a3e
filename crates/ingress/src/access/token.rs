//! Sans-IO. Access tokens: signed claims about a visitor.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adit_dialect::quote::quote;
use serde_json::Value;

use crate::origin::date;

/// The only algorithm that Access signs with.
const ALGORITHM: &str = "RS256";

/// How far in the future a token may say that it begins.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

/// A token as it was sent: nothing in it is believed yet.
#[derive(Debug)]
pub(crate) struct Token {
    /// What was signed.
    pub(crate) signed: String,
    pub(crate) signature: Vec<u8>,
    /// The key that is said to have signed, if one is named.
    pub(crate) key: Option<String>,
    claims: Claims,
}

/// What a token says.
#[derive(Debug)]
struct Claims {
    issuer: String,
    audiences: Vec<String>,
    expires: Option<SystemTime>,
    begins: Option<SystemTime>,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// Fails with the text that says what is malformed.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let text: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        let parts: Vec<&str> = text.split('.').collect();
        let [head, claims, signature] = parts[..] else {
            return Err(malformed(
                "go-jose/go-jose: compact JWS format must have three parts",
            ));
        };
        let decoded = |part: &str| decode(part).map_err(malformed);
        let (head_bytes, claims_bytes, signature) = (decoded(head)?, decoded(claims)?, decoded(signature)?);
        let parsed: Value = serde_json::from_slice(&head_bytes).map_err(malformed)?;
        let algorithm = parsed["alg"].as_str().unwrap_or_default();
        if algorithm != ALGORITHM {
            let shown = quote(algorithm);
            return Err(malformed(format!(
                "unexpected signature algorithm {shown}; expected [\"{ALGORITHM}\"]"
            )));
        }
        let key = parsed["kid"].as_str().filter(|key| !key.is_empty());
        Ok(Self {
            signed: format!("{head}.{claims}"),
            signature,
            key: key.map(str::to_owned),
            claims: Claims::read(&claims_bytes)?,
        })
    }

    /// Checks what the token says about itself, once its signature is known to be good.
    ///
    /// # Errors
    ///
    /// Fails with the text that says what does not hold.
    pub(crate) fn check(&self, issuer: &str, now: SystemTime) -> Result<(), String> {
        let claims = &self.claims;
        if claims.issuer != issuer {
            let (expected, got) = (quote(issuer), quote(&claims.issuer));
            return Err(format!(
                "oidc: id token issued by a different provider, expected {expected} got {got}"
            ));
        }
        match claims.expires {
            Some(expires) if expires > now => {}
            expires => {
                let shown = date::plain(expires.unwrap_or(UNIX_EPOCH));
                return Err(format!("oidc: token is expired (Token Expiry: {shown})"));
            }
        }
        match claims.begins {
            Some(begins) if begins > now + LEEWAY => {
                let (now, begins) = (date::plain(now), date::plain(begins));
                Err(format!(
                    "oidc: current time {now} before the nbf (not before) time: {begins}"
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns for whom the token is.
    pub(crate) fn audiences(&self) -> &[String] {
        &self.claims.audiences
    }
}

impl Claims {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let claims: Value = serde_json::from_slice(bytes)
            .map_err(|error| format!("oidc: failed to unmarshal claims: {error}"))?;
        let audiences = match &claims["aud"] {
            Value::String(one) => vec![one.clone()],
            Value::Array(several) => several
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        let moment = |name: &str| {
            let seconds = claims[name].as_f64().filter(|seconds| *seconds >= 0.0)?;
            UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds.trunc()).ok()?)
        };
        Ok(Self {
            issuer: claims["iss"].as_str().unwrap_or_default().to_owned(),
            audiences,
            expires: moment("exp"),
            begins: moment("nbf"),
        })
    }
}

fn malformed(what: impl std::fmt::Display) -> String {
    format!("oidc: malformed jwt: {what}")
}

/// Decodes base64 in its alphabet for URLs, without padding.
///
/// # Errors
///
/// Fails with the text that says where it is illegal.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let illegal = |at: usize| format!("illegal base64 data at input byte {at}");
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0u32;
    for (at, byte) in text.bytes().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return Err(illegal(at)),
        };
        bits = bits << 6 | u32::from(value);
        if at % 4 == 3 {
            decoded.extend_from_slice(&bits.to_be_bytes()[1..]);
            bits = 0;
        }
    }
    match text.len() % 4 {
        1 => return Err(illegal(text.len() - 1)),
        2 => decoded.extend_from_slice(&(bits << 12).to_be_bytes()[1..2]),
        3 => decoded.extend_from_slice(&(bits << 6).to_be_bytes()[1..3]),
        _ => {}
    }
    Ok(decoded)
}
