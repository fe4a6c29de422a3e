//! `access tcp`, also `ssh`, `rdp` and `smb`: carries TCP to an application.

use std::process::ExitCode;
use std::sync::Arc;

use adit_access::{Address, Carrier, Error, Options, Secret, Tap};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Call, client, help, refuse, run};
use crate::failure::Failure;
use crate::listen;

/// Carries standard input and output, or the connections of a listener.
pub(in crate::commands) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let Some(options) = wishes(call) else {
        return Ok(help(call));
    };
    let carrier = Carrier::new(Arc::new(client(call)), options).map_err(refuse)?;
    match place(call)? {
        Some(place) => {
            run(call, listen(&place, carrier)).inspect_err(|failure| {
                tracing::error!(error = failure.text(), "Error on Websocket listener");
            })?;
        }
        None => run(call, stream(&carrier, tap(call, &carrier)))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns how the application is reached, unless it is not said where it is.
fn wishes(call: &Call<'_>) -> Option<Options> {
    let options = &call.options;
    Some(Options {
        address: Address::parse(&options.text("hostname")).ok()?,
        headers: options.list("header").into_iter().map(Secret::new).collect(),
        destination: options.text("destination"),
        service_token: (
            options.text("service-token-id"),
            Secret::new(options.text("service-token-secret")),
        ),
        connect_to: options.text("connect-to"),
    })
}

/// Returns where connections are taken; nothing for standard input and output.
fn place(call: &Call<'_>) -> Result<Option<String>, Failure> {
    let Some(written) = written(call) else {
        return Ok(None);
    };
    let url = written.and_then(|written| adit_config::normalise(&written));
    let url = url.map_err(|error| {
        tracing::error!(error, "Error validating origin URL");
        Failure::new(format!("error validating origin URL: {error}"))
    })?;
    let host = url.split_once("://").map_or(url.as_str(), |(_, host)| host);
    tracing::info!(host, "Start Websocket listener");
    Ok(Some(host.to_owned()))
}

/// Returns what the user says of the place, by a flag or an argument.
fn written(call: &Call<'_>) -> Option<Result<String, String>> {
    let options = &call.options;
    let flag = options.is_set("url").then(|| options.text("url"));
    match (flag, options.arguments.first()) {
        (Some(_), Some(_)) => Some(Err(
            "Specified origin urls using both --url and argument. Decide which one you \
                                        want, I can only support one."
                .into(),
        )),
        (Some(written), None) => Some(Ok(written)),
        (None, argument) => argument.cloned().map(Ok),
    }
}

/// Returns what shows the bytes that are carried, if the user looks for a fault.
fn tap(call: &Call<'_>, carrier: &Carrier) -> Option<Tap> {
    let count = call.options.is_set(DEBUG).then(|| call.options.unsigned(DEBUG))?;
    Some(Tap::new(carrier.address().authority(), count))
}

const DEBUG: &str = "debug-stream";

/// Carries standard input and output.
async fn stream(carrier: &Carrier, tap: Option<Tap>) -> Result<(), Error> {
    let websocket = carrier.open().await.inspect_err(|error| lament(carrier, error))?;
    let (from, to) = (tokio::io::stdin(), tokio::io::stdout());
    match tap {
        Some(tap) => websocket.relay(tap.on(from), tap.on(to)).await,
        None => websocket.relay(from, to).await,
    }
    Ok(())
}

/// Carries every connection to a listener, each in a WebSocket of its own.
pub(in crate::commands) async fn listen(place: &str, carrier: Carrier) -> Result<(), Error> {
    let refused = |error: std::io::Error| Error::Listener(error.to_string());
    let listener =
        listen::open_exact(place).map_err(|reason| Error::Listener(listen::as_listener(&reason)))?;
    listener.set_nonblocking(true).map_err(refused)?;
    let listener = TcpListener::from_std(listener).map_err(refused)?;
    let carrier = Arc::new(carrier);
    let mut carried = JoinSet::new();
    loop {
        while carried.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((connection, _)) => {
                carried.spawn(carry(connection, Arc::clone(&carrier)));
            }
            Err(error) => {
                // The system is short of something; a moment later it may have it again.
                tracing::warn!(%error, "cannot take a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn carry(mut connection: TcpStream, carrier: Arc<Carrier>) {
    match carrier.open().await {
        Ok(websocket) => {
            let (from, to) = connection.split();
            websocket.relay(from, to).await;
        }
        Err(error) => lament(&carrier, &error),
    }
}

fn lament(carrier: &Carrier, error: &Error) {
    tracing::error!(%error, originURL = %carrier.address(), "failed to connect to origin");
}
