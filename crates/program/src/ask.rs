//! Asks a running connector on this machine something, over its metrics server.

use std::time::Duration;

use adit_dial::{Ask, Environment, Method, Way};
use adit_dialect::errno;
use tokio::runtime::Builder;

use crate::listen;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// An answer may not be larger.
const LARGEST: usize = 64 << 20;

/// Sends a GET request to `host:port` and returns the answer.
///
/// # Errors
///
/// Fails in upstream's words when there is no answer.
pub(crate) fn get(authority: &str, path: &str, limit: Duration) -> Result<Answer, String> {
    let told = |reason: String| format!("Get \"http://{authority}{path}\": {reason}");
    let address = listen::target(authority).map_err(told)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| told(errno::text(&error)))?;
    let way = Way::new(Environment::default());
    let ask = Ask {
        method: Method::GET,
        url: &format!("http://{address}{path}"),
        headers: vec![("Accept", "application/json;version=1")],
        body: None,
        patience: limit,
        largest: LARGEST,
    };
    let answer = runtime
        .block_on(way.ask(&ask))
        .map_err(|error| told(error.reason))?;
    Ok(Answer {
        status: answer.status().as_u16(),
        body: answer.into_body().to_vec(),
    })
}
