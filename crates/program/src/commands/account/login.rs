//! `tunnel login`: fetches the certificate of an account, after its owner has logged in with a
//! browser.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use adit_access::store;
use adit_account::OriginCertificate;
use adit_account::login::Places;
use adit_config::Secret;
use adit_dial::{Environment, Way};
use adit_dialect::url::Url;
use adit_dialect::{base64, errno};
use aws_lc_rs::agreement::{PrivateKey, X25519};

use super::certificate::NAME;
use super::session::agent;
use crate::browser;
use crate::commands::Call;
use crate::failure::Failure;
use crate::{files, runtime};

/// Logs in.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let path = place(call)?;
    let shown = path.display().to_string();
    if has_content(&path).map_err(|error| Failure::new(format!("stat {shown}: {}", errno::text(&error))))? {
        tracing::error!(
            "You have an existing certificate at {shown} which login would overwrite.\nIf this is intentional, please \
             move or delete that file then run this command again.\n"
        );
        return Ok(());
    }
    let is_fed = call.options.switch("fedramp");
    let store = store::address(is_fed);
    let places = if is_fed {
        Places::fed(store)
    } else {
        Places {
            page: call.options.text("loginURL"),
            callback: call.options.text("callbackURL"),
        }
    };
    Url::parse(&places.page).map_err(|error| Failure::new(error.to_string()))?;
    let text = fetch(call, &places, store).map_err(|reason| {
        tracing::error!(
            error = reason,
            "Failed to write the certificate.\n\nYour browser will download the certificate instead. You will have to \
             manually\ncopy it to the following path:\n\n{shown}\n"
        );
        Failure::new(reason)
    })?;
    let mut certificate = OriginCertificate::read(text.expose()).map_err(|error| {
        tracing::error!(%error, "failed to decode origin certificate");
        Failure::new(error.to_string())
    })?;
    if is_fed {
        adit_account::certificate::FED.clone_into(&mut certificate.endpoint);
    }
    write(&path, &certificate).map_err(|error| {
        Failure::new(format!(
            "error writing cert to {shown}: open {shown}: {}",
            errno::text(&error)
        ))
    })?;
    tracing::info!(
        "You have successfully logged in.\nIf you wish to copy your credentials to a server, they have been saved \
         to:\n{shown}\n"
    );
    Ok(())
}

/// Returns the path of the certificate, in a directory that exists.
fn place(call: &Call<'_>) -> Result<PathBuf, Failure> {
    let Some(directory) = files::directories(&call.options).into_iter().next() else {
        return Err(Failure::new("there is no home directory for the certificate"));
    };
    if !directory.is_dir() {
        let made = DirBuilder::new().mode(0o700).create(&directory);
        let shown = directory.display();
        made.map_err(|error| Failure::new(format!("mkdir {shown}: {}", errno::text(&error))))?;
    }
    Ok(directory.join(NAME))
}

fn has_content(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Sends the user to the page and waits for what it leaves in the store. Whoever knows the public key
/// can fetch it from there, so its URL is a credential.
fn fetch(call: &Call<'_>, places: &Places, store: &str) -> Result<Secret<Vec<u8>>, String> {
    let key = public_key()?;
    call.log.control.hide(&key);
    browser::visit(&places.url(&key), &call.program.name, "cert");
    let runtime = runtime::start(&call.options).map_err(|failure| failure.text().to_owned())?;
    let way = Way::new(Environment::read(call.options.environment()));
    let (url, agent) = (format!("{store}{key}"), agent(call));
    let reply = runtime.block_on(store::fetch(&way, &url, &agent))?;
    Ok(Secret::new(reply.into_body().to_vec()))
}

/// Returns the public half of a new key, whose secret half nobody needs: whoever knows the public
/// one can fetch the certificate.
fn public_key() -> Result<String, String> {
    let failed = |_| "the system gives no random numbers".to_owned();
    let key = PrivateKey::generate(&X25519).map_err(failed)?;
    let public = key.compute_public_key().map_err(failed)?;
    Ok(base64::encode(public).replace('+', "-").replace('/', "_"))
}

fn write(path: &Path, certificate: &OriginCertificate) -> io::Result<()> {
    let text = certificate.write();
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.expose().as_bytes())
}
