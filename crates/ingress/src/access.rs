//! Lets only those visitors in whom Access has let in: their requests carry a signed token.

pub(crate) mod fetch;
pub(crate) mod keys;
pub(crate) mod token;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use adit_config::Access;
use adit_exchange::Headers;

use self::keys::{Allowance, Keys};
use self::token::Token;

/// The field that carries the token.
const TOKEN: &str = "Cf-Access-Jwt-Assertion";

/// Gets what an issuer publishes.
pub(crate) trait Fetch: fmt::Debug + Send + Sync {
    /// Gets the keys of `issuer`: status, content type and body.
    fn keys<'a>(&'a self, issuer: &'a str) -> Fetched<'a>;
}

/// What [`Fetch::keys`] returns.
pub(crate) type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Published, String>> + Send + 'a>>;

/// What an issuer published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
}

/// Checks the tokens of one rule.
#[derive(Debug)]
pub(crate) struct Validator {
    issuer: String,
    audiences: Vec<String>,
    fetch: Arc<dyn Fetch>,
    keys: Mutex<Arc<Keys>>,
    /// Whoever fetches keys has this; others wait for what they bring.
    fetching: tokio::sync::Mutex<Allowance>,
}

/// Why a visitor is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The visitor may not.
    Forbidden(String),
    /// It cannot be told.
    Unverified(String),
}

impl Validator {
    /// Returns the validator of a demand.
    pub(crate) fn new(access: &Access, fetch: Arc<dyn Fetch>) -> Self {
        Self {
            issuer: access.issuer(),
            audiences: access.audiences.clone(),
            fetch,
            keys: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Checks the token of a request.
    ///
    /// # Errors
    ///
    /// Says why its visitor is not let in.
    pub(crate) async fn check(&self, headers: &Headers) -> Result<(), Denial> {
        let sent = headers.get(TOKEN).filter(|token| !token.is_empty());
        let Some(sent) = sent else {
            return Err(Denial::Forbidden("no access token in request".into()));
        };
        let token = Token::read(&String::from_utf8_lossy(sent)).map_err(Denial::Unverified)?;
        self.verify(&token)
            .await
            .map_err(|text| Denial::Unverified(format!("failed to verify signature: {text}")))?;
        token
            .check(&self.issuer, SystemTime::now())
            .map_err(Denial::Unverified)?;
        let wanted = |audience: &String| self.audiences.contains(audience);
        if !token.audiences().iter().any(wanted) {
            let named = token.audiences().join(" ");
            return Err(Denial::Forbidden(format!("Invalid token in jwt: [{named}]")));
        }
        Ok(())
    }

    async fn verify(&self, token: &Token) -> Result<(), String> {
        const UNVERIFIED: &str = "failed to verify id token signature";
        let known = self.known();
        if known.have_signed(token) {
            return Ok(());
        }
        let mut allowance = self.fetching.lock().await;
        let newer = self.known();
        if !Arc::ptr_eq(&known, &newer) && newer.have_signed(token) {
            return Ok(());
        }
        if !allowance.take(Instant::now()) {
            return Err(UNVERIFIED.into());
        }
        let fetched = self.fetch.keys(&self.issuer).await;
        let read = fetched.and_then(|got| Keys::read(got.status, &got.kind, &got.body));
        let keys = Arc::new(read.map_err(|text| format!("fetching keys {text}"))?);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        if keys.have_signed(token) {
            Ok(())
        } else {
            Err(UNVERIFIED.into())
        }
    }

    fn known(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests;
