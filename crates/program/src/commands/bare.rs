//! The program without a command, and `tunnel` without one: what the flags ask for.

use std::process::ExitCode;

use super::account::{named, quick};
use super::{Call, forwarders, run};
use crate::failure::Failure;

/// Does what the flags ask for.
pub(super) fn perform(mut call: Call<'_>) -> Result<ExitCode, Failure> {
    let Call { options, program, .. } = &call;
    let name = &program.name;
    let nothing_said = program.words.iter().all(|word| word == "--");
    if nothing_said && options.is_silent() {
        return forwarders::perform(&call);
    }
    if let Some(wanted) = options.some_text("name") {
        let identity = named::obtain(&call, &wanted)?;
        return run::start(&call, identity);
    }
    let asks_for_quick = options.is_set("url") || options.is_set("hello-world");
    if asks_for_quick && options.some_text("quick-service").is_some() {
        let identity = quick::obtain(&mut call)?;
        return run::start(&call, identity);
    }
    let file = call.configuration.file();
    if !file.tunnel.is_empty() {
        let tunnel = &file.tunnel;
        return Err(Failure::new(format!(
            "use `{name} tunnel run` to start tunnel {tunnel}"
        )));
    }
    if options.some_text("hostname").is_some() {
        return Err(Failure::new(
            "Classic tunnels have been deprecated, please use Named Tunnels. \
             (https://developers.cloudflare.com/cloudflare-one/connections/connect-apps/install-and-setup/tunnel-guide/)",
        ));
    }
    Err(Failure::new(guidance(name)))
}

/// Returns what to do instead of starting a tunnel from nothing.
fn guidance(name: &str) -> String {
    format!(
        "You did not specify any valid additional argument to the {name} tunnel command.\n\
         \n\
         To run a tunnel whose credentials are on this machine:\n  {name} tunnel run NAME\n\
         To run a tunnel of the dashboard:\n  {name} tunnel run --token TOKEN\n\
         To show a server of this machine for a moment, with no account:\n  {name} tunnel --url http://localhost:8080\n\
         To see a configuration at work without the network:\n  {name} try --config FILE"
    )
}
