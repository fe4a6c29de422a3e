//! `tail`: follows the log of a connector far away. Whatever happens, scripts see success, as from
//! upstream; what went wrong is logged.

use std::process::ExitCode;

use adit_access::Secret;
use adit_access::live::{Entry, Filters, Live, LiveError, Question, host};
use adit_config::TunnelId;
use adit_dial::Environment;

use super::{Call, management};
use crate::cli::Value;
use crate::failure::Failure;
use crate::program::{UPSTREAM, print};
use crate::runtime;
use crate::signals::Signals;
use adit_dialect::errno;

const LEVELS: [&str; 5] = ["", "debug", "info", "warn", "error"];
const EVENTS: [&str; 4] = ["cloudflared", "http", "tcp", "udp"];

/// Follows the log until the service or the user has enough.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let filters = match filters(call) {
        Ok(filters) => filters,
        Err(error) => {
            tracing::error!(error, "invalid filters provided");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let output = call.options.text("output");
    if !matches!(output.as_str(), "default" | "json" | "") {
        let error = "invalid --output value provided, please make sure it is one of: default, json";
        tracing::error!(error, "");
    }
    let question = match question(call) {
        Ok(question) => question,
        Err(error) => {
            tracing::error!(error, "unable to construct management request URL");
            return Ok(ExitCode::SUCCESS);
        }
    };
    call.log.control.hide(question.token.expose());
    let print_entry = if output == "json" {
        Entry::json
    } else {
        Entry::line
    };
    let runtime = runtime::start(&call.options)?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::new(errno::text(&error)))?;
        let proxies = Environment::read(call.options.environment());
        match Live::open(proxies, &question, &filters).await {
            Ok(live) => follow(live, signals, print_entry).await,
            Err(error) => lament(&error),
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints lines as they come.
async fn follow(mut live: Live, mut signals: Signals, print_entry: fn(&Entry) -> String) {
    loop {
        let next = tokio::select! {
            next = live.next() => next,
            _ = signals.end() => return live.leave(true).await,
        };
        match next {
            Ok(Some(entries)) => print(&entries.iter().map(print_entry).collect::<String>()),
            Ok(None) => return live.leave(true).await,
            Err(error @ LiveError::Left { .. }) => {
                tracing::error!("received remote closure: {error}");
                return live.leave(true).await;
            }
            Err(error) => {
                tracing::error!(%error, "unable to read event from server");
                return live.leave(false).await;
            }
        }
    }
}

/// Logs why there is no log to follow.
fn lament(error: &LiveError) {
    if let LiveError::Refused { status: 530, .. } = error {
        tracing::error!(
            "no cloudflared connector available or reachable via management request (a recent version of cloudflared \
             is required to use streaming logs)"
        );
    }
    match (error, error.reasons()) {
        (_, Some(reasons)) if reasons.is_empty() => tracing::error!(
            "management tunnel validation returned success with invalid HTTP response code to convert to a \
             WebSocket request"
        ),
        (_, Some(reasons)) => {
            for reason in reasons {
                tracing::error!("management request failed validation: {reason}");
            }
        }
        (LiveError::Refused { .. }, None) => tracing::error!("{error}"),
        (_, None) => tracing::error!(%error, "unable to start management log streaming session"),
    }
}

/// Returns which lines the user wants.
fn filters(call: &Call<'_>) -> Result<Filters, &'static str> {
    let options = &call.options;
    let (level, events) = (options.text("level"), options.list("event"));
    if !LEVELS.contains(&level.as_str()) {
        return Err(
            "invalid --level filter provided, please use one of the following Log Levels: debug, info, warn, error",
        );
    }
    if !events.iter().all(|event| EVENTS.contains(&event.as_str())) {
        return Err(
            "invalid --event filter provided, please use one of the following EventTypes: cloudflared, http, tcp, udp",
        );
    }
    let sampling = match options.find("sample") {
        Some((_, Value::Number(share))) => share,
        _ => 1.0,
    };
    if !(sampling > 0.0 && sampling <= 1.0) {
        return Err("invalid --sample value provided, please make sure it is in the range (0.0 .. 1.0)");
    }
    Ok(Filters {
        events,
        level,
        sampling,
    })
}

/// Returns what the management service is asked.
fn question(call: &Call<'_>) -> Result<Question, String> {
    let options = &call.options;
    let token = match options.some_text("token") {
        Some(token) => Secret::new(token),
        None => management::fetch(call, "logs").map_err(|error| {
            format!("unable to acquire management token for requested tunnel id: {error}")
        })?,
    };
    let host = host(token.expose(), &options.text("management-hostname"))
        .map_err(|error| format!("failed to determine if token is FED: {error}"))?;
    let connector = options.some_text("connector-id").map(|id| TunnelId::parse(&id));
    let connector = connector
        .transpose()
        .map_err(|error| format!("unabled to parse 'connector-id' flag into a valid UUID: {error}"))?;
    Ok(Question {
        host,
        token,
        connector: connector.map(|id| id.to_string()),
        trace: options.text("trace"),
        agent: format!("cloudflared/{UPSTREAM}"),
    })
}
