//! `tunnel ready`: asks a running connector whether it is ready, for health checks.

use std::process::ExitCode;
use std::time::Duration;

use super::Call;
use crate::ask;
use crate::failure::Failure;

/// A health check that hangs is no answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks a running connector.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    if !call.options.is_set("metrics") {
        return Err(Failure::new("--metrics has to be provided"));
    }
    let address = call.options.text("metrics");
    let answer = ask::get(&address, "/ready", LIMIT).map_err(Failure::new)?;
    if answer.status == 200 {
        return Ok(ExitCode::SUCCESS);
    }
    let body = String::from_utf8_lossy(&answer.body);
    Err(Failure::new(format!(
        "http://{address}/ready endpoint returned status code {}\n{body}",
        answer.status
    )))
}
