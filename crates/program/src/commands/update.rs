//! `update`: says that this program is updated the way it was installed.

use std::process::ExitCode;

use super::Call;
use crate::failure::Failure;
use crate::program::print;

/// Says how the program is updated. Timers of upstream restart the service on any other exit code.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let name = &call.program.name;
    print(&format!(
        "{name} does not replace itself: update it the way it was installed.\n"
    ));
    Ok(ExitCode::SUCCESS)
}
