//! `access ssh-config` and `access ssh-gen`: what ssh needs to go through an application.

use std::process::ExitCode;

use adit_access::Address;

use super::{Call, client, help, refuse, run};
use crate::failure::Failure;
use crate::program::print;
use adit_dialect::url::Url;

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
    let Some(host) = host(&call.options.text("hostname")) else {
        return Ok(help(call));
    };
    let address = Address::parse(&host).map_err(refuse)?;
    run(call, client(call).certificate(&address))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the host of what the user writes, which may be a URL; nothing where there is none.
fn host(written: &str) -> Option<String> {
    if !written.contains(':') {
        return Some(written.to_owned()).filter(|host| !host.is_empty());
    }
    let url = Url::parse(written).ok()?;
    Some(String::from_utf8_lossy(url.hostname()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_certificates() {
        let rows = [
            ("", None),
            ("::1", None),
            ("a.test", Some("a.test")),
            ("a.test/p", Some("a.test/p")),
            ("https://a.test:8443/p", Some("a.test")),
            // A scheme and nothing else.
            ("a.test:22", Some("")),
        ];
        for (written, expected) in rows {
            assert_eq!(host(written).as_deref(), expected, "{written}");
        }
    }
}
