//! `tunnel token`: prints what runs a tunnel, or writes it to a credentials file.

use adit_config::Token;

use super::session;
use super::{create, lookup};
use crate::commands::Call;
use crate::failure::Failure;
use crate::files;
use crate::program::print;

/// Prints the token of the tunnel that the user names.
pub(crate) fn perform(call: &Call<'_>) -> Result<(), Failure> {
    let name = &call.program.name;
    let [reference] = call.options.arguments.as_slice() else {
        let text = format!(
            "\"{name} tunnel token\" requires exactly 1 argument, the name or UUID of tunnel to fetch the credentials \
             token for."
        );
        return Err(Failure::arguments(text, name, "tunnel token"));
    };
    let session = session::open_for(call, reference)?;
    let id = lookup::tunnel_of_account(&session, reference)
        .map_err(|reason| Failure::new(format!("error parsing tunnel ID: {reason}")))?;
    let text = session.call(session.account.tunnel_token(id)).map_err(|error| {
        tracing::error!(%error, "Could not get the Token for the given Tunnel {id}");
        super::plain(error)
    })?;
    call.log.control.hide(text.expose());
    let token = Token::read(text.expose()).map_err(|error| Failure::new(error.to_string()))?;
    let Some(given) = call.options.some_text("credentials-file") else {
        print(&format!("{}\n", token.write().expose()));
        return Ok(());
    };
    let path = files::expand(&call.options, &given);
    create::write(&path, &token.into_credentials()).map_err(|reason| {
        let path = path.display();
        Failure::new(format!(
            "error writing token credentials to JSON file in path {path}: {reason}"
        ))
    })
}
