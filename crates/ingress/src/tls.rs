//! TLS towards origins: whom a rule trusts.

use adit_config::OriginRequest;
use adit_dial::{Roots, Tls, Trust};
use adit_dialect::errno;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Returns how a rule with these settings speaks TLS.
///
/// # Errors
///
/// Fails when the file of additional certificates cannot be read.
pub(crate) fn of(settings: &OriginRequest, roots: &Roots) -> Result<Tls, String> {
    let own = own_certificates(&settings.ca_pool)?;
    let trust = if settings.no_tls_verify {
        Trust::Anyone
    } else {
        Trust::In(roots, &own)
    };
    let tls = Tls::new(trust, settings.tls_timeout.limit()).map_err(|error| error.to_string())?;
    Ok(if settings.http2_origin {
        tls.multiplexing()
    } else {
        tls
    })
}

fn own_certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let pem = std::fs::read(file).map_err(|error| {
        let text = errno::text(&error);
        format!("Error loading cert pool: unable to read the file {file} for --origin-ca-pool: open {file}: {text}")
    })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .filter_map(Result::ok)
        .collect();
    if certificates.is_empty() {
        tracing::info!("could not append the provided origin CA to the cloudflared certificate pool");
    }
    Ok(certificates)
}
