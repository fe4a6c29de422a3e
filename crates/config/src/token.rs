//! Sans-IO. The token that carries the credentials of a tunnel in one word.

use adit_dialect::json::Writer;
use adit_dialect::{Base64Error, JsonError, base64};

use crate::credentials::{Credentials, Names};
use crate::secret::Secret;

/// A tunnel token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Credentials);

/// Why a text is no token; users are told only that it is none, lest parts of it are shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no base64.
    #[error(transparent)]
    Base64(#[from] Base64Error),
    /// It does not carry the right JSON text.
    #[error(transparent)]
    Json(#[from] JsonError),
}

const NAMES: Names = Names {
    structure: "connection.TunnelToken",
    account_tag: "a",
    secret: "s",
    tunnel_id: "t",
    endpoint: "e",
};

impl TokenError {
    /// The text that users are told.
    pub const TOLD: &str = "Provided Tunnel token is not valid.";
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// Fails when the text is no base64 or does not carry the right JSON text.
    pub fn read(text: &str) -> Result<Self, TokenError> {
        let json = Secret::new(base64::decode(text)?);
        Ok(Self(Credentials::read_as(&NAMES, json.expose())?))
    }

    /// Returns the credentials that the token carries.
    #[must_use]
    pub fn into_credentials(self) -> Credentials {
        self.0
    }

    /// Returns the text of the token.
    #[must_use]
    pub fn write(&self) -> Secret<String> {
        let credentials = &self.0;
        let mut out = Writer::verbatim();
        out.begin_object();
        out.key(NAMES.account_tag).string(&credentials.account_tag);
        credentials.write_secret(out.key(NAMES.secret));
        out.key(NAMES.tunnel_id).string(credentials.tunnel_id.to_string());
        if !credentials.endpoint.is_empty() {
            out.key(NAMES.endpoint).string(&credentials.endpoint);
        }
        out.end_object();
        let json = Secret::new(out.finish());
        Secret::new(base64::encode(json.expose()))
    }
}
