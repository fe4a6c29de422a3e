//! Why the account's API did not do what it was asked for.

use adit_dial::TransportError;

/// Why a call failed; the texts are those that scripts look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The API's address leads nowhere.
    #[error("{0}")]
    Address(String),
    /// There was no response.
    #[error("REST request failed: {0}")]
    Transport(TransportError),
    /// The response is none of the API's.
    #[error("failed to decode response: {0}")]
    Undecodable(String),
    /// The API tells what is wrong.
    #[error("{0}")]
    Told(String),
    /// The API refuses the call, and tells what is wrong.
    #[error("Failed to {operation}: {told}")]
    Refused {
        /// What was asked for.
        operation: &'static str,
        /// What the API says.
        told: String,
    },
    /// The API says that it failed, and not why.
    #[error("API call failed")]
    Unsuccessful,
    /// The result is not what was asked for.
    #[error("the Cloudflare API response was an unexpected type: {0}")]
    Unexpected(String),
    /// Status 400.
    #[error("incorrect request parameters")]
    BadRequest,
    /// Status 401 or 403.
    #[error("unauthorized")]
    Unauthorized,
    /// Status 404.
    #[error("not found")]
    NotFound,
    /// Status 409 for a new tunnel.
    #[error("tunnel with name already exists")]
    NameTaken,
    /// Any other status.
    #[error("API call to {operation} failed with status {status}")]
    Status {
        /// What was asked for.
        operation: &'static str,
        /// The status with its reason.
        status: String,
    },
    /// One page of a list failed.
    #[error("Error Parsing page {page}: {cause}")]
    Page {
        /// Counted from one.
        page: u64,
        /// What failed.
        cause: Box<Self>,
    },
    /// One page of a list was not delivered.
    #[error("REST request failed: {0}")]
    Undelivered(Box<Self>),
    /// A new tunnel needs a name.
    #[error("tunnel name required")]
    NoName,
    /// A name that reads as an ID could never be used.
    #[error("you cannot use UUIDs as tunnel names")]
    NameIsId,
}

/// Why a text is no origin certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no text.
    #[error("cannot decode empty certificate")]
    Empty,
    /// It holds the right of two accounts.
    #[error("found multiple tokens in the certificate")]
    Several,
    /// It holds something foreign.
    #[error("unknown block {0} in the certificate")]
    Unknown(String),
    /// It holds no right.
    #[error("missing token in the certificate")]
    Missing,
}
