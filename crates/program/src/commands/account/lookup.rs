//! Which tunnel or virtual network a reference of the user means: an ID, or a name.

use adit_account::tunnels::Filter;
use adit_account::{Id, networks};
use adit_config::Credentials;

use super::session::Session;
use crate::commands::Call;
use crate::failure::Failure;
use crate::{files, identity};

/// Returns the tunnel that a reference means.
///
/// # Errors
///
/// Fails when the account has no such tunnel, or cannot be asked.
pub(crate) fn tunnel(call: &Call<'_>, reference: &str) -> Result<Id, String> {
    if let Some(id) = without_account(call, reference) {
        return Ok(id);
    }
    let session = Session::open(call)?;
    named(&session, reference)
}

/// Returns the tunnel that a reference means, in a conversation that is open.
pub(super) fn tunnel_in(call: &Call<'_>, session: &Session, reference: &str) -> Result<Id, String> {
    without_account(call, reference).map_or_else(|| named(session, reference), Ok)
}

/// Returns the tunnel that a reference means, whatever credentials file there is.
pub(super) fn tunnel_of_account(session: &Session, reference: &str) -> Result<Id, String> {
    Id::parse(reference).or_else(|_| named(session, reference))
}

/// Returns the tunnel of a reference that is an ID, or the tunnel of the credentials file.
fn without_account(call: &Call<'_>, reference: &str) -> Option<Id> {
    if let Ok(id) = Id::parse(reference) {
        return Some(id);
    }
    let path = call.options.some_text("credentials-file")?;
    let text = identity::read(&files::expand(&call.options, &path)).ok()?;
    let credentials = Credentials::read(&text).ok()?;
    Some(credentials.tunnel_id).filter(|id| !id.is_nil())
}

/// Asks the account for the tunnel of a name; the first one counts.
fn named(session: &Session, name: &str) -> Result<Id, String> {
    let found = session.collect(session.account.tunnels(&of_name(name)));
    let found = found.map_err(|error| error.to_string())?;
    let first = found.first().map(|tunnel| tunnel.id);
    first.ok_or_else(|| format!("{name} is neither the ID nor the name of any of your tunnels"))
}

/// Returns the tunnels that several references mean: first those given by ID, then those given by
/// name.
pub(super) fn tunnels(session: &Session, references: &[String]) -> Result<Vec<Id>, Failure> {
    let mut ids: Vec<Id> = references
        .iter()
        .filter_map(|text| Id::parse(text).ok())
        .collect();
    for name in references.iter().filter(|text| Id::parse(text).is_err()) {
        let found = session
            .collect(session.account.tunnels(&of_name(name)))
            .map_err(super::plain)?;
        let [only] = found.as_slice() else {
            let text = format!("there should only be 1 non-deleted Tunnel named {name}");
            return Err(Failure::new(text));
        };
        ids.push(only.id);
    }
    Ok(ids)
}

/// Returns which existing tunnels have a name.
pub(super) fn of_name(name: &str) -> Filter {
    Filter {
        only_existing: true,
        name: Some(name.to_owned()),
        ..Filter::default()
    }
}

/// Returns the virtual network that a reference means.
pub(super) fn network(session: &Session, reference: &str) -> Result<Id, Failure> {
    if let Ok(id) = Id::parse(reference) {
        return Ok(id);
    }
    let filter = networks::Filter {
        name: Some(reference.to_owned()),
        ..networks::Filter::default()
    };
    let found = session
        .call(session.account.networks(&filter))
        .map_err(super::plain)?;
    match found.unwrap_or_default().as_slice() {
        [only] => Ok(only.id),
        _ => {
            let text = format!("there should only be 1 non-deleted virtual network named {reference}");
            Err(Failure::new(text))
        }
    }
}
