//! `management token` and `tail token`: print what opens a connector's management service.

use std::process::ExitCode;

use adit_config::{Secret, TunnelId};

use super::Call;
use super::account::session::Session;
use crate::cli;
use crate::failure::Failure;
use crate::program::print;

/// What a token may open.
const RESOURCES: [&str; 3] = ["logs", "admin", "host_details"];

/// `management token`: prints a token for what the user names.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    if !call.options.is_set("resource") {
        print(&cli::help(&call.program.name, &call.options.path()));
        return Ok(ExitCode::SUCCESS);
    }
    let resource = call.options.text("resource");
    if !RESOURCES.contains(&resource.as_str()) {
        let known = RESOURCES.join(", ");
        return Err(Failure::new(format!(
            "invalid resource '{resource}': must be one of: {known}"
        )));
    }
    tell(call, &resource)
}

/// `tail token`: prints a token for the log.
pub(super) fn of_log(call: &Call<'_>) -> Result<ExitCode, Failure> {
    tell(call, "logs")
}

fn tell(call: &Call<'_>, resource: &str) -> Result<ExitCode, Failure> {
    let token = fetch(call, resource).map_err(Failure::new)?;
    let mut writer = adit_dialect::json::Writer::new();
    writer
        .begin_object()
        .key("token")
        .string(token.expose())
        .end_object();
    print(&format!("{}\n", writer.finish()));
    Ok(ExitCode::SUCCESS)
}

/// Asks the API for a token that opens this.
///
/// # Errors
///
/// Fails without a certificate or the id of a tunnel, and when the API refuses.
pub(super) fn fetch(call: &Call<'_>, resource: &str) -> Result<Secret<String>, String> {
    let session = Session::open_quietly(call)?;
    let id = call.options.arguments.first().filter(|id| !id.is_empty());
    let id = id.ok_or("no tunnel ID provided")?;
    let id = TunnelId::parse(id)
        .map_err(|error| format!("unable to parse provided tunnel id as a valid UUID: {error}"))?;
    session
        .call(session.account.management_token(id, resource))
        .map_err(|error| error.to_string())
}
