//! `tunnel --name`: makes, routes and runs a tunnel in one step.

use adit_account::Id;

use super::session::Session;
use super::{create, lookup};
use crate::commands::Call;
use crate::failure::Failure;
use crate::identity::{self, Identity};

/// Returns the tunnel of a name, which is made if there is none, with its name in DNS if one is given.
pub(crate) fn obtain(call: &Call<'_>, name: &str) -> Result<Identity, Failure> {
    let hostname = call.options.some_text("hostname");
    if hostname.is_some() && hostname == call.options.some_text("url") {
        return Err(Failure::new(
            "hostname and url shouldn't match. See --help for more information",
        ));
    }
    let id = match existing(call, name) {
        Some(id) => {
            tracing::info!(tunnelID = %id, "Reusing existing tunnel with this name");
            id
        }
        None => create::create(call, name)?,
    };
    if let Some(hostname) = hostname
        && let Err(reason) = route(call, id, &hostname)
    {
        tracing::error!(
            error = reason,
            "failed to create route, please create it manually"
        );
    }
    Ok(Identity {
        credentials: identity::credentials(call, id)?,
        by_token: false,
        quick_host: None,
    })
}

/// Returns the tunnel that has this name. If the account cannot tell, making one will show why.
fn existing(call: &Call<'_>, name: &str) -> Option<Id> {
    let session = Session::open(call).ok()?;
    let found = session
        .collect(session.account.tunnels(&lookup::of_name(name)))
        .ok()?;
    found.first().map(|tunnel| tunnel.id)
}

fn route(call: &Call<'_>, tunnel: Id, hostname: &str) -> Result<(), String> {
    let session = Session::open(call)?;
    let told = match call.options.some_text("lb-pool") {
        Some(pool) => session
            .call(session.account.route_balancer(tunnel, hostname, &pool))
            .map(|change| change.tell(hostname, &pool)),
        None => {
            let overwrite = call.options.switch("overwrite-dns");
            session
                .call(session.account.route_dns(tunnel, hostname, overwrite))
                .map(|change| change.tell(hostname))
        }
    };
    tracing::info!("{}", told.map_err(|error| error.to_string())?);
    Ok(())
}
