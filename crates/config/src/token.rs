//! Sans-IO. The token that carries the credentials of a tunnel in one word.

use crate::credentials::Credentials;

/// A tunnel token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Credentials);

impl Token {
    /// Returns the credentials that the token carries.
    #[must_use]
    pub fn into_credentials(self) -> Credentials {
        self.0
    }
}
