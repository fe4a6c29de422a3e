//! Commands that upstream has removed, and that scripts may still call.

use std::process::ExitCode;

use crate::failure::{Failure, Kind};

/// Answers `proxy-dns`.
pub(super) fn dns_proxy() -> Result<ExitCode, Failure> {
    tracing::error!(
        "DNS Proxy is no longer supported since version 2026.2.0 \
         (https://developers.cloudflare.com/changelog/2025-11-11-cloudflared-proxy-dns/). \
         A resolver of the system, or one of its own, does that work now."
    );
    Err(Failure::new("dns-proxy feature is no longer supported"))
}

/// Answers `db-connect`.
pub(super) fn db_connect() -> Result<ExitCode, Failure> {
    Err(Failure::of(
        Kind::Arguments,
        "db-connect command is no longer supported by cloudflared. Consult Cloudflare Tunnel documentation for \
         possible alternative solutions.",
    ))
}
