//! Where the origin certificate is, and what it says.

use std::path::{Path, PathBuf};

use adit_account::OriginCertificate;
use adit_config::Secret;

use crate::commands::Call;
use crate::files::{self, DIRECTORIES};

/// The name of a certificate in a default directory.
pub(crate) const NAME: &str = "cert.pem";

/// A certificate may not be larger.
const LARGEST: u64 = 1 << 20;

/// A certificate and where it was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) certificate: OriginCertificate,
}

/// Returns the path of the certificate, given or found.
pub(crate) fn path(call: &Call<'_>) -> Option<PathBuf> {
    if let Some(given) = call.options.some_text("origincert") {
        return Some(files::expand(&call.options, &given));
    }
    let mut paths = files::directories(&call.options)
        .into_iter()
        .map(|place| place.join(NAME));
    paths.find(|path| path.is_file())
}

/// Reads the certificate.
///
/// # Errors
///
/// Fails without a usable one; the text and a line of the log tell what to do.
pub(crate) fn find(call: &Call<'_>) -> Result<Found, String> {
    let Some(path) = path(call) else {
        let directories = DIRECTORIES.join(" ");
        tracing::error!(
            originCertPath = "",
            "Cannot determine default origin certificate path. No file {NAME} in [{directories}]. You need to specify \
             the origin certificate path by specifying the origincert option in the configuration file, or set \
             TUNNEL_ORIGIN_CERT environment variable"
        );
        return Err("Error locating origin cert: client didn't specify origincert path".into());
    };
    let shown = path.display().to_string();
    if !path.is_file() {
        let raw = call
            .options
            .some_text("origincert")
            .unwrap_or_else(|| shown.clone());
        tell_missing(&call.program.name, &shown, &raw);
        return Err(format!(
            "Error locating origin cert: cannot find a valid certificate at the path {shown}"
        ));
    }
    let unreadable =
        |_| format!("Can't read origin cert from {shown}: cannot read {shown} to load origin certificate");
    let text = Secret::new(read(&path).map_err(unreadable)?);
    let certificate = OriginCertificate::read(text.expose())
        .map_err(|error| format!("Error decoding origin cert: {error}"))?;
    call.log.control.hide(certificate.token.expose());
    if certificate.account.is_empty() {
        let name = &call.program.name;
        return Err(format!(
            "Origin certificate needs to be refreshed before creating new tunnels.\nDelete {shown} and run \"{name} \
             login\" to obtain a new cert."
        ));
    }
    Ok(Found { path, certificate })
}

fn tell_missing(name: &str, shown: &str, raw: &str) {
    tracing::error!(
        originCertPath = raw,
        "Cannot find a valid certificate for your origin at the path:\n\n    {shown}\n\nIf the path above is wrong, \
         specify the path with the -origincert option.\nIf you don't have a certificate signed by Cloudflare, run the \
         command:\n\n\t{name} login\n"
    );
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = std::io::Read::take(std::fs::File::open(path)?, LARGEST);
    std::io::Read::read_to_end(&mut file, &mut text)?;
    Ok(text)
}
