//! Sans-IO. Quick tunnels: a tunnel for a moment, without an account.

use adit_config::Credentials;
use adit_dialect::JsonError;
use adit_dialect::json::{self, Decoder, Value};
use adit_dialect::status::words;
use http::Method;

use crate::Id;
use crate::boxed;
use crate::request::{Request, Response};

/// A tunnel that was made for the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickTunnel {
    /// What runs it.
    pub credentials: Credentials,
    /// The name under which visitors find it.
    pub hostname: String,
}

/// Why there is no quick tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuickError {
    /// The response is none of the service's.
    #[error("failed to unmarshal quick Tunnel: {0}")]
    Undecodable(String),
    /// The response holds no tunnel.
    #[error("failed to parse quick Tunnel ID: {0}")]
    NoTunnel(String),
    /// The service says why it gives none.
    #[error("failed to request quick Tunnel: {0}")]
    Refused(String),
}

/// What the response holds.
#[derive(Default)]
struct Read {
    id: String,
    hostname: String,
    account: String,
    secret: Option<Vec<u8>>,
    errors: Vec<(i64, String)>,
}

/// Asks a service for a quick tunnel.
#[must_use]
pub fn request(service: &str, agent: &str) -> Request {
    Request::new(Method::POST, format!("{service}/tunnel"), agent).header("Content-Type", "application/json")
}

/// Returns the tunnel that a response gives.
///
/// # Errors
///
/// Fails when it gives none.
pub fn answer(response: &Response) -> Result<QuickTunnel, QuickError> {
    let read = decode(response.body.expose()).map_err(|error| QuickError::Undecodable(error.to_string()))?;
    let id = match Id::parse(&read.id) {
        Ok(id) => id,
        Err(_) if read.id.is_empty() && !read.errors.is_empty() => {
            return Err(QuickError::Refused(told(response.status, &read.errors)));
        }
        Err(error) => return Err(QuickError::NoTunnel(error.to_string())),
    };
    Ok(QuickTunnel {
        credentials: Credentials::new(read.account, read.secret.unwrap_or_default(), id),
        hostname: read.hostname,
    })
}

impl QuickTunnel {
    /// Returns the lines that show the address.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let url = match &self.hostname {
            url if url.starts_with("https://") => url.clone(),
            name => format!("https://{name}"),
        };
        let lines = [
            "Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):",
            &url,
        ];
        let width = lines.iter().map(|line| line.len()).max().unwrap_or_default();
        let padded = lines.map(|line| format!("{line}{}", " ".repeat(width - line.len())));
        boxed::frame(&padded.each_ref().map(String::as_str), None)
    }
}

/// Returns what of a response that cannot be read may be shown: nothing of one that could hold a
/// secret.
#[must_use]
pub fn excerpt(response: &Response) -> String {
    let text = String::from_utf8_lossy(response.body.expose());
    let could_be_secret = ["result", "secret"]
        .iter()
        .any(|word| text.to_lowercase().contains(word));
    if could_be_secret {
        return "*****".into();
    }
    text.chars().take(LONGEST).collect()
}

/// Characters of a foreign response that are shown.
const LONGEST: usize = 4096;

fn told(status: u16, errors: &[(i64, String)]) -> String {
    let errors = errors
        .iter()
        .map(|(code, message)| format!("code: {code}, reason: {message}"));
    let errors = errors.collect::<Vec<_>>().join("; ");
    format!("{status} {}: {errors}", words(status))
}

fn decode(body: &[u8]) -> Result<Read, JsonError> {
    let mut read = Read::default();
    json::decode(body, |decoder, value| {
        let fields = ["success", "result", "errors"];
        decoder.object(
            value,
            "tunnel.QuickTunnelResponse",
            &fields,
            |decoder, name, value| {
                match name {
                    "success" => decoder.boolean(value, &mut false),
                    "result" => result(decoder, value, &mut read)?,
                    _ => decoder.list(value, "[]tunnel.QuickTunnelError", &mut read.errors, error)?,
                }
                Ok(())
            },
        )
    })?;
    Ok(read)
}

fn result(decoder: &mut Decoder, value: Value<'_>, read: &mut Read) -> Result<(), JsonError> {
    let fields = ["id", "name", "hostname", "account_tag", "secret"];
    decoder.object(value, "tunnel.QuickTunnel", &fields, |decoder, name, value| {
        match name {
            "id" => decoder.string(value, &mut read.id),
            "name" => decoder.string(value, &mut String::new()),
            "hostname" => decoder.string(value, &mut read.hostname),
            "account_tag" => decoder.string(value, &mut read.account),
            _ => decoder.bytes(value, &mut read.secret),
        }
        Ok(())
    })
}

fn error(decoder: &mut Decoder, value: Value<'_>, error: &mut (i64, String)) -> Result<(), JsonError> {
    let fields = ["code", "message"];
    decoder.object(
        value,
        "tunnel.QuickTunnelError",
        &fields,
        |decoder, name, value| {
            match name {
                "code" => decoder.integer(value, "int", &mut error.0),
                _ => decoder.string(value, &mut error.1),
            }
            Ok(())
        },
    )
}
