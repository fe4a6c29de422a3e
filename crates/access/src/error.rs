//! What goes wrong on the way to an application.

use adit_dial::TransportError;
use thiserror::Error;

/// Why an application cannot be reached, or its token not be had. Texts are those users know.
#[derive(Debug, Error)]
pub enum Error {
    /// No URL was given.
    #[error("no input provided")]
    NoInput,
    /// The URL cannot be read.
    #[error("failed to parse as URL: {0}")]
    Url(String),
    /// The URL has no host.
    #[error("failed to parse Host")]
    NoHost,
    /// The host cannot be a name.
    #[error("invalid Host provided")]
    InvalidHost,
    /// The argument is no absolute URL; the text says why.
    #[error("{0}")]
    Argument(String),
    /// A request had no response.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The application could not be asked what it is.
    #[error("failed to get app info: {0}")]
    AppInfo(#[source] TransportError),
    /// Nobody vouches for an application there.
    #[error("failed to find Access application at {0}")]
    NoApplication(String),
    /// What vouches for the application cannot be believed.
    #[error("{0}")]
    Metadata(#[from] MetadataError),
    /// The keys of the team cannot be had.
    #[error("metadata JWT verification failed: {0}")]
    Keys(String),
    /// There is no token in the cache.
    #[error("{0}")]
    Cache(#[from] CacheError),
    /// Signing in failed.
    #[error("Could not create access request: failed to run transfer service: {0}")]
    Transfer(String),
    /// What signing in gave is not understood.
    #[error("Could not create access request: failed to marshal transfer service response: {0}")]
    Transferred(String),
    /// The edge does not take a fresh token.
    #[error("failed to verify token")]
    Unverified,
    /// The organisation's token opens nothing here.
    #[error("response from {0} did not contain app token")]
    NoAppToken(String),
    /// Another process keeps a lock for too long.
    #[error("timed out waiting for lock file {0}")]
    LockTimeout(String),
    /// The edge does not speak WebSocket here.
    #[error("websocket: bad handshake")]
    Handshake,
    /// The WebSocket broke.
    #[error("{0}")]
    Stream(String),
    /// The place to connect to instead is not understood.
    #[error("invalid connection override: {0}")]
    Override(String),
    /// A file cannot be read or written.
    #[error("{0}")]
    File(String),
    /// The listener cannot be opened.
    #[error("failed to start forwarding server: {0}")]
    Listener(String),
    /// The key cannot be made.
    #[error("cannot make a key")]
    Key,
    /// The token names someone else than the team as its issuer.
    #[error("the token was issued by {0}, not by the application's team")]
    Issuer(String),
    /// The certificate authority refuses.
    #[error("{status}: {message}")]
    Signing {
        /// The status that the answer's text states.
        status: i64,
        /// The reason.
        message: String,
    },
    /// The certificate authority's answer is not understood.
    #[error("{0}")]
    Answer(String),
}

/// Why what vouches for an application is not believed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MetadataError {
    /// It is no signed token.
    #[error("failed to parse metadata JWT: {0}")]
    Parse(#[from] JwtError),
    /// It names a team outside the domain of teams.
    #[error("metadata JWT auth_domain validation failed: {0}")]
    Domain(String),
    /// Nobody known has signed it.
    #[error("metadata JWT verification failed: failed to verify metadata JWT signature: {0}")]
    Signature(JwtError),
    /// It is about another host.
    #[error("metadata JWT hostname \"{claimed}\" does not match request host \"{asked}\"")]
    Hostname {
        /// The host it is about.
        claimed: String,
        /// The host that was asked.
        asked: String,
    },
    /// It does not say that there is an application.
    #[error("metadata JWT type \"{0}\" is not match")]
    Type(String),
    /// It names no application.
    #[error("metadata JWT aud is empty")]
    Audience,
    /// It does not say when it was signed.
    #[error("metadata JWT iat is missing or invalid")]
    Issued,
    /// It was signed long ago.
    #[error("metadata JWT is older than 24h0m0s")]
    Old,
    /// It was signed in the future.
    #[error("metadata JWT is more than 5m0s in the future")]
    Future,
}

/// Why a text is no token, or not one that was signed with a known key.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JwtError {
    /// It does not have three parts.
    #[error("go-jose/go-jose: compact JWS format must have three parts")]
    Parts,
    /// A part is not what it must be.
    #[error("malformed {0} of the token")]
    Malformed(&'static str),
    /// It is signed in a way that is not allowed.
    #[error("unexpected signature algorithm {found}; expected [\"{wanted}\"]")]
    Algorithm {
        /// How it is signed.
        found: String,
        /// How it must be signed.
        wanted: &'static str,
    },
    /// It does not name the key.
    #[error("the token names no key")]
    NoKey,
    /// It names a key that nobody knows.
    #[error("the team has no key {0}")]
    UnknownKey(String),
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// The audience is of a wrong type.
    #[error("aud field is not a string or an array of strings")]
    Audience,
}

/// Why there is no token in the cache.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CacheError {
    /// The file cannot be read.
    #[error("{0}")]
    File(String),
    /// The file holds no token.
    #[error("{0}")]
    Token(#[from] JwtError),
    /// The token is for another application.
    #[error("cached token audience does not include expected application audience {0}")]
    Audience(String),
    /// The token is of the past.
    #[error("the token has expired")]
    Expired,
}
