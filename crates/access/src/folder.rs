//! The folder of the user in which tokens, keys and certificates are kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use adit_dialect::{errno, quote};

use crate::client::Application;
use crate::error::{CacheError, Error};
use crate::jwt::{Jwt, RS256};

/// A file in the folder may not be larger; what is larger is none of ours.
const LARGEST: u64 = 1 << 20;

/// The folder, which need not exist yet.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Returns the folder at `path`.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Returns the path of the token for an application.
    pub(crate) fn application_token(&self, application: &Application) -> PathBuf {
        let Application {
            hostname, audience, ..
        } = application;
        self.file(&format!("{hostname}-{audience}-token").replace(['/', '*'], "-"))
    }

    /// Returns the path of the token of a team.
    pub(crate) fn team_token(&self, team: &str) -> PathBuf {
        self.file(&format!("{team}-org-token"))
    }

    /// Returns the path of the keys of a team.
    pub(crate) fn team_keys(&self, team: &str) -> PathBuf {
        self.file(&format!("{team}-jwks"))
    }

    /// Returns the path of a file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes the folder if it is missing; what it is in must exist.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if self.0.is_dir() {
            return Ok(());
        }
        let made = DirBuilder::new().mode(0o700).create(&self.0);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(refused("mkdir", &self.0, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Reads the valid token of `path`; with an audience, only one for that.
///
/// A token that can never be used again is removed.
pub(crate) fn token(path: &Path, audience: Option<&str>, now: i64) -> Result<String, CacheError> {
    let text = read(path).map_err(|error| CacheError::File(said("open", path, &error)))?;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let token = Jwt::parse(&text, RS256)?;
    let expiry = token.moment("exp")?.unwrap_or_default();
    token.moment("iat")?;
    token.moment("nbf")?;
    let whose = token.audience()?;
    if now > expiry {
        remove(path);
        return Err(CacheError::Expired);
    }
    match audience {
        Some(audience) if !whose.iter().any(|one| one == audience) => {
            remove(path);
            Err(CacheError::Audience(quote::quote(audience)))
        }
        _ => Ok(text),
    }
}

/// Writes a secret so that nobody else can read it, and at once or not at all.
pub(crate) fn write(path: &Path, text: &[u8]) -> Result<(), Error> {
    let told = |error: &io::Error| refused("open", path, error);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let fresh = path.with_file_name(name);
    let mut file = private(&fresh, false).map_err(|error| told(&error))?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(text))
        .and_then(|()| fs::rename(&fresh, path));
    written.map_err(|error| {
        remove(&fresh);
        told(&error)
    })
}

/// Opens a new file that nobody else can read.
pub(crate) fn private(path: &Path, exclusive: bool) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if exclusive {
        options.create_new(true);
    } else {
        options.create(true).truncate(true);
    }
    options.open(path)
}

/// Reads a file of this folder.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(path)?, LARGEST), &mut text)?;
    Ok(text)
}

/// Returns for how long a file has been as it is.
pub(crate) fn age(path: &Path) -> Option<Duration> {
    let changed = fs::metadata(path).ok()?.modified().ok()?;
    Some(SystemTime::now().duration_since(changed).unwrap_or_default())
}

/// Removes a file; one that is not there is as good as removed.
pub(crate) fn remove(path: &Path) {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!(path = %path.display(), %error, "cannot remove"),
    }
}

/// Returns why nothing was done with a file.
pub(crate) fn refused(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::File(said(what, path, error))
}

fn said(what: &str, path: &Path, error: &io::Error) -> String {
    format!("{what} {}: {}", path.display(), errno::text(error))
}
