//! `tunnel delete` and `tunnel cleanup`: remove tunnels, or what is left of their connections.

use std::path::PathBuf;

use adit_account::Id;

use super::lookup;
use super::session::{self, Session};
use crate::commands::Call;
use crate::failure::Failure;
use crate::files;
use adit_dialect::errno;

/// Deletes the tunnels that the user names.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    if call.options.arguments.is_empty() {
        let text = format!(
            "\"{name} tunnel delete\" requires at least 1 argument, the ID or name of the tunnel to delete."
        );
        return Err(Failure::arguments(text, name, "tunnel delete"));
    }
    let session = session::open(call)?;
    for id in lookup::tunnels(&session, &call.options.arguments)? {
        delete(call, &session, id)?;
    }
    Ok(())
}

fn delete(call: &Call<'_>, session: &Session, id: Id) -> Result<(), Failure> {
    let unknown = |error| {
        Failure::new(format!(
            "Can't get tunnel information. Please check tunnel id: {id}: {error}"
        ))
    };
    let tunnel = session.call(session.account.tunnel(id)).map_err(unknown)?;
    if !tunnel.deleted_at.is_none() {
        return Err(Failure::new(format!("Tunnel {id} has already been deleted")));
    }
    session
        .call(session.account.delete_tunnel(id, call.options.switch("force")))
        .map_err(|error| Failure::new(format!("Error deleting tunnel {id}: {error}")))?;
    if let Some(path) = credentials(call, session, id)
        && let Err(error) = std::fs::remove_file(&path)
    {
        let path = path.display();
        let reason = errno::text(&error);
        tracing::info!(
            "Tunnel {id} was deleted, but we could not remove its credentials file  {path}: remove {path}: {reason}. \
             Consider deleting this file manually."
        );
    }
    Ok(())
}

/// Returns the credentials file of a tunnel, if there is one.
fn credentials(call: &Call<'_>, session: &Session, id: Id) -> Option<PathBuf> {
    if let Some(given) = call.options.some_text("credentials-file") {
        let path = files::expand(&call.options, &given);
        return path.is_file().then_some(path);
    }
    let places = std::iter::once(session.directory().to_owned()).chain(files::directories(&call.options));
    let mut paths = places.map(|place| place.join(format!("{id}.json")));
    paths.find(|path| path.is_file())
}

/// Returns the only connector whose connections are removed, if there is one.
fn connector(call: &Call<'_>) -> Result<Option<Id>, Failure> {
    let Some(text) = call.options.some_text("connector-id") else {
        return Ok(None);
    };
    let id = Id::parse(&text).map_err(|error| {
        Failure::new(format!(
            "{text} is not a valid client ID (must be a UUID): {error}"
        ))
    })?;
    Ok(Some(id))
}

/// Removes the connections of the tunnels that the user names.
pub(crate) fn clean_up(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    if call.options.arguments.is_empty() {
        let text = format!(
            "\"{name} tunnel cleanup\" requires at least 1 argument, the IDs of the tunnels to cleanup connections."
        );
        return Err(Failure::arguments(text, name, "tunnel cleanup"));
    }
    let arguments = &call.options.arguments;
    if arguments.iter().all(|text| Id::parse(text).is_ok()) {
        // Nobody has to be asked before.
        connector(call)?;
    }
    let session = session::open(call)?;
    let tunnels = lookup::tunnels(&session, arguments)?;
    let connector = connector(call)?;
    let only = connector
        .map(|id| format!(" for connector-id {id}"))
        .unwrap_or_default();
    for id in tunnels {
        tracing::info!("Cleanup connection for tunnel {id}{only}");
        if let Err(error) = session.call(session.account.clean_up(id, connector)) {
            tracing::error!("Error cleaning up connections for tunnel {id}, error :{error}");
        }
    }
    Ok(())
}
