//! Which tunnel to run, and what proves that it is ours.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use adit_config::token::TokenError;
use adit_config::{Credentials, Token, TunnelId};

use crate::commands::Call;
use crate::commands::account::{certificate, lookup};
use crate::failure::Failure;
use crate::files;
use adit_dialect::errno;

/// A tunnel and the right to run it.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The credentials.
    pub(crate) credentials: Credentials,
    /// Whether they came in a token, whose rules come from the edge.
    pub(crate) by_token: bool,
    /// The name of a tunnel that was made for the moment.
    pub(crate) quick_host: Option<String>,
}

/// Where credentials are said to stand when they come as text.
const CONTENTS: &str = "TUNNEL_CRED_CONTENTS";

/// Where systemd hands over secrets, and what a token is called there.
const HANDED: &str = "CREDENTIALS_DIRECTORY";
const HANDED_TOKEN: &str = "token";

/// A credentials file may not be larger.
const LARGEST: u64 = 1 << 20;

/// Finds out which tunnel to run.
///
/// # Errors
///
/// Fails when no tunnel is named, and when its credentials are missing or wrong.
pub(crate) fn find(call: &Call<'_>) -> Result<Identity, Failure> {
    let handed = || reference(call).is_none().then(|| handed_token(call)).flatten();
    if let Some(token) = token(call)?.or_else(handed) {
        let read = Token::read(&token).map_err(|_| usage(call, TokenError::TOLD))?;
        call.log.control.hide(&token);
        return Ok(Identity {
            credentials: read.into_credentials(),
            by_token: true,
            quick_host: None,
        });
    }
    let Some(reference) = reference(call) else {
        let name = &call.program.name;
        let text = format!(
            "\"{name} tunnel run\" requires the ID or name of the tunnel to run as the last command line argument or \
             in the configuration file."
        );
        return Err(usage(call, &text));
    };
    let tunnel = lookup::tunnel(call, &reference)
        .map_err(|reason| Failure::new(format!("error parsing tunnel ID: {reason}")))?;
    Ok(Identity {
        credentials: credentials(call, tunnel)?,
        by_token: false,
        quick_host: None,
    })
}

/// Returns a failure of the command line of `tunnel run`.
pub(crate) fn usage(call: &Call<'_>, text: &str) -> Failure {
    Failure::arguments(text, &call.program.name, "tunnel run")
}

fn token(call: &Call<'_>) -> Result<Option<String>, Failure> {
    if let Some(token) = call.options.some_text("token") {
        return Ok(Some(token));
    }
    let Some(path) = call.options.some_text("token-file") else {
        return Ok(None);
    };
    let text = read(Path::new(&path)).map_err(|error| {
        let verb = if error.kind() == io::ErrorKind::IsADirectory {
            "read"
        } else {
            "open"
        };
        usage(
            call,
            &format!(
                "Failed to read token file: {verb} {path}: {}",
                errno::text(&error)
            ),
        )
    })?;
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    Ok(Some(token).filter(|token| !token.is_empty()))
}

/// Returns the token that systemd hands over.
fn handed_token(call: &Call<'_>) -> Option<String> {
    let folder = call.options.environment_text(HANDED)?;
    let text = read(&Path::new(folder).join(HANDED_TOKEN)).ok()?;
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    Some(token).filter(|token| !token.is_empty())
}

fn reference(call: &Call<'_>) -> Option<String> {
    let argument = call.options.arguments.first().cloned();
    let reference = argument.unwrap_or_else(|| call.configuration.file().tunnel.clone());
    Some(reference).filter(|reference| !reference.is_empty())
}

/// Returns the credentials of a tunnel, from where the user says or where they usually are.
///
/// # Errors
///
/// Fails when there are none, or they are wrong.
pub(crate) fn credentials(call: &Call<'_>, tunnel: TunnelId) -> Result<Credentials, Failure> {
    let mut credentials = find_credentials(call, tunnel)?;
    // Old files do not name their tunnel.
    credentials.tunnel_id = tunnel;
    Ok(credentials)
}

fn find_credentials(call: &Call<'_>, tunnel: TunnelId) -> Result<Credentials, Failure> {
    let options = &call.options;
    if let Some(contents) = options.some_text("credentials-contents") {
        return parse(call, CONTENTS, contents.as_bytes());
    }
    if let Some(given) = options.some_text("credentials-file") {
        let path = files::expand(options, &given);
        let shown = path.display().to_string();
        // A pipe is as good as a file.
        if !path.exists() || path.is_dir() {
            let text = format!("Tunnel credentials file '{shown}' doesn't exist or is not a file");
            return Err(Failure::new(text));
        }
        return load(call, &path);
    }
    let beside = certificate::path(call).and_then(|path| path.parent().map(Path::to_owned));
    let name = format!("{tunnel}.json");
    let handed = options.environment_text(HANDED).map(PathBuf::from);
    let places = beside
        .into_iter()
        .chain(files::directories(options))
        .chain(handed);
    let mut paths = places.map(|place| place.join(&name));
    let Some(path) = paths.find(|path| path.is_file()) else {
        return Err(Failure::new("tunnel credentials file not found"));
    };
    load(call, &path)
}

fn load(call: &Call<'_>, path: &Path) -> Result<Credentials, Failure> {
    let shown = path.display().to_string();
    let text = read(path).map_err(|error| {
        let reason = errno::text(&error);
        Failure::new(format!(
            "couldn't read tunnel credentials from {shown}: open {shown}: {reason}"
        ))
    })?;
    parse(call, &shown, &text)
}

fn parse(call: &Call<'_>, source: &str, text: &[u8]) -> Result<Credentials, Failure> {
    let credentials = Credentials::read_from(source, text).map_err(|error| {
        if let Err(detail) = Credentials::read(text)
            && Path::new(source)
                .extension()
                .is_none_or(|extension| extension != "pem")
        {
            tracing::error!(
                "The credentials file at {source} contained invalid JSON. This is the file as it was found."
            );
            tracing::error!("Invalid JSON when parsing credentials file: {detail}");
        }
        Failure::new(error.problem)
    })?;
    let secret = adit_dialect::base64::encode(credentials.secret.expose());
    call.log.control.hide(&secret);
    Ok(credentials)
}

/// Reads a file of credentials.
///
/// # Errors
///
/// Fails as the system does.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = io::Read::take(fs::File::open(path)?, LARGEST);
    io::Read::read_to_end(&mut file, &mut text)?;
    Ok(text)
}
