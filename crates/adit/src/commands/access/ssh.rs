//! `access ssh-config` and `access ssh-gen`: what ssh needs to go through an application.

use std::process::ExitCode;

use adit_access::Address;

use super::{Call, client, help, run};
use crate::failure::Failure;
use crate::program::print;

/// `access ssh-config`: prints lines for the configuration of ssh.
pub(in crate::commands) fn config(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let options = &call.options;
    let host = options
        .some_text("hostname")
        .unwrap_or_else(|| "[your hostname]".into());
    let home = options.environment_text("HOME").unwrap_or_default();
    let program =
        std::env::current_exe().map_or_else(|_| call.program.name.clone(), |path| path.display().to_string());
    let body = if options.switch("short-lived-cert") {
        format!(
            "Match host {host} exec \"{program} access ssh-gen --hostname %h\"\n  \
             ProxyCommand {program} access ssh --hostname %h\n  \
             IdentityFile ~/.cloudflared/%h-cf_key\n  \
             CertificateFile ~/.cloudflared/%h-cf_key-cert.pub\n"
        )
    } else {
        format!("Host {host}\n  ProxyCommand {program} access ssh --hostname %h\n\n")
    };
    print(&format!("\nAdd to your {home}/.ssh/config:\n{body}"));
    Ok(ExitCode::SUCCESS)
}

/// `access ssh-gen`: fetches a short-lived certificate.
pub(in crate::commands) fn certificate(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let written = call.options.text("hostname");
    let host = match Address::parse(&written) {
        Ok(address) if written.contains(':') => Address::parse(address.authority()),
        address => address,
    };
    let Ok(address) = host else {
        return Ok(help(call));
    };
    run(call, client(call).certificate(&address))?;
    Ok(ExitCode::SUCCESS)
}
