//! `tunnel --url`: a tunnel for the moment, without an account.

use adit_account::Response;
use adit_account::quick::{self, QuickError, QuickTunnel};
use adit_dialect::base64;
use adit_dialect::status::words;

use super::session::{Wire, agent, client};
use crate::cli::Value;
use crate::commands::{Call, run};
use crate::failure::Failure;
use crate::identity::Identity;

/// What the user is told before a tunnel is asked for.
const TERMS: &str = "Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way to \
    experiment and try it out. However, be aware that these account-less Tunnels have no uptime guarantee, are \
    subject to the Cloudflare Online Services Terms of Use (https://www.cloudflare.com/website-terms/), and \
    Cloudflare reserves the right to investigate your use of Tunnels for violations of such terms. If you intend to \
    use Tunnels in production you should use a pre-created named tunnel by following: \
    https://developers.cloudflare.com/cloudflare-one/connections/connect-apps";

/// Asks for a tunnel, shows its address and sets what such a tunnel is bound to.
pub(crate) fn obtain(call: &mut Call<'_>) -> Result<Identity, Failure> {
    // What could never be served needs no tunnel.
    run::rules(call).inspect_err(run::could_not_start)?;
    tracing::info!("{TERMS}");
    tracing::info!("Requesting new quick Tunnel on trycloudflare.com...");
    let request = quick::request(&call.options.text("quick-service"), &agent(call));
    let wire = Wire::new(client(call)).map_err(Failure::new)?;
    let response = wire
        .send(&request)
        .map_err(|error| Failure::new(format!("failed to request quick Tunnel: {error}")))?;
    let tunnel = quick::answer(&response).map_err(|error| told(&error, &response))?;
    let secret = base64::encode(tunnel.credentials.secret.expose());
    call.log.control.hide(&secret);
    for line in tunnel.lines() {
        tracing::info!("{line}");
    }
    if !call.options.is_set("protocol") {
        call.options.force("protocol", Value::Text("quic".into()));
    }
    call.options.force("ha-connections", Value::Integer(1));
    let QuickTunnel {
        credentials,
        hostname,
    } = tunnel;
    Ok(Identity {
        credentials,
        by_token: false,
        quick_host: Some(hostname),
    })
}

fn told(error: &QuickError, response: &Response) -> Failure {
    if let QuickError::Undecodable(detail) = error {
        let status = format!("{} {}", response.status, words(response.status));
        tracing::error!(
            error = detail,
            status_code = status,
            "Error unmarshaling QuickTunnel response: {}",
            quick::excerpt(response)
        );
    }
    Failure::new(error.to_string())
}
