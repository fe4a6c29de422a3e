//! `tunnel create`: makes a tunnel and writes its credentials.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use adit_account::tunnels::{self, Tunnel};
use adit_account::{Error, Id};
use adit_config::{Credentials, Secret};
use adit_dialect::{base64, errno};

use super::session::Session;
use crate::commands::Call;
use crate::failure::Failure;
use crate::files;
use crate::program::print;

/// Bytes of a secret.
const SECRET: usize = 32;

/// Makes the tunnel of the user.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    let [tunnel] = call.options.arguments.as_slice() else {
        let text =
            format!("\"{name} tunnel create\" requires exactly 1 argument, the name of tunnel to create.");
        return Err(Failure::arguments(text, name, "tunnel create"));
    };
    let made = attempt(call, tunnel).map_err(failed)?;
    let shown = super::print_tree(call, || made.tunnel.created_tree());
    if !shown.map_err(|failure| failed(failure.text().to_owned()))? {
        made.tell(name);
    }
    Ok(())
}

/// Makes a tunnel of a name and tells the user.
pub(super) fn create(call: &Call<'_>, name: &str) -> Result<Id, Failure> {
    let made = attempt(call, name).map_err(failed)?;
    made.tell(&call.program.name);
    Ok(made.tunnel.id)
}

/// A new tunnel and where its credentials are.
struct Made {
    tunnel: Tunnel,
    path: PathBuf,
    /// Whether the path was chosen by the program.
    derived: bool,
}

fn failed(reason: String) -> Failure {
    Failure::new(format!("failed to create tunnel: {reason}"))
}

fn attempt(call: &Call<'_>, name: &str) -> Result<Made, String> {
    let session = Session::open(call)
        .map_err(|reason| format!("couldn't create client to talk to Cloudflare Tunnel backend: {reason}"))?;
    let secret = secret(call)?;
    let tunnel = request(&session, name, &secret)
        .map_err(|error| format!("Create Tunnel API call failed: {error}"))?;
    call.log.control.hide(tunnel.token.expose());
    let credentials = tunnel.credentials(&session.account, secret, &session.endpoint);
    let given = call.options.some_text("credentials-file");
    let path = match &given {
        Some(given) => files::expand(&call.options, given),
        None => session.directory().join(format!("{}.json", tunnel.id)),
    };
    if let Err(reason) = write(&path, &credentials) {
        return Err(roll_back(&session, &tunnel, &path, &reason));
    }
    Ok(Made {
        tunnel,
        path,
        derived: given.is_none(),
    })
}

fn request(session: &Session, name: &str, secret: &Secret<Vec<u8>>) -> Result<Tunnel, Error> {
    let wanted = session.account.create_tunnel(name, secret)?;
    let response = session.send(&wanted.request)?;
    tunnels::created(&wanted, &response)
}

/// Returns the secret that the user gave, or a new one.
fn secret(call: &Call<'_>) -> Result<Secret<Vec<u8>>, String> {
    let Some(given) = call.options.some_text("secret") else {
        let mut bytes = vec![0; SECRET];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no random numbers".to_owned())?;
        call.log.control.hide(&base64::encode(&bytes));
        return Ok(Secret::new(bytes));
    };
    call.log.control.hide(&given);
    let bytes = base64::decode(given)
        .map_err(|error| format!("Couldn't decode tunnel secret from base64: {error}"))?;
    if bytes.len() < SECRET {
        return Err(format!(
            "Decoded tunnel secret must be at least {SECRET} bytes long"
        ));
    }
    Ok(Secret::new(bytes))
}

/// Writes credentials to a new file that only its owner can read.
pub(super) fn write(path: &Path, credentials: &Credentials) -> Result<(), String> {
    let shown = path.display();
    if path.symlink_metadata().is_ok() {
        return Err(format!("{shown} already exists"));
    }
    let refused = |error: std::io::Error| format!("open {shown}: {}", errno::text(&error));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(path)
        .map_err(refused)?;
    let text = credentials.write();
    file.write_all(text.expose().as_bytes())
        .map_err(|error| format!("write {shown}: {}", errno::text(&error)))
}

/// Deletes a tunnel whose credentials could not be written; returns what the user is told.
fn roll_back(session: &Session, tunnel: &Tunnel, path: &Path, reason: &str) -> String {
    let Tunnel { name, id, .. } = tunnel;
    let mut lines = vec![
        format!(
            "Your tunnel '{name}' was created with ID {id}. However, cloudflared couldn't write tunnel credentials to \
             {}.",
            path.display()
        ),
        format!("The file-writing error is: {reason}"),
    ];
    match session.call(session.account.delete_tunnel(*id, true)) {
        Ok(()) => lines.push(
            "The tunnel was deleted, because the tunnel can't be run without the credentials file".to_owned(),
        ),
        Err(error) => lines.extend([
            format!(
                "Cloudflared tried to delete the tunnel for you, but encountered an error. You should use `cloudflared \
                 tunnel delete {id}` to delete the tunnel yourself, because the tunnel can't be run without the \
                 tunnelfile."
            ),
            format!("The delete tunnel error is: {error}"),
        ]),
    }
    lines.join("\n")
}

impl Made {
    /// Tells where the credentials are.
    fn tell(&self, program: &str) {
        let Self {
            tunnel,
            path,
            derived,
        } = self;
        let mut text = format!("Tunnel credentials written to {}.", path.display());
        if *derived {
            text.push_str(&format!(
                " {program} chose this file based on where your origin certificate was found."
            ));
        }
        text.push_str(" Keep this file secret. To revoke these credentials, delete the tunnel.\n\n");
        text.push_str(&format!("Created tunnel {} with id {}\n", tunnel.name, tunnel.id));
        print(&text);
    }
}
