//! The program without any word: a service of the listeners in the configuration file, whose
//! connections go to applications.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use adit_access::{Address, Carrier, Error, Options};
use adit_config::{Forwarder, forwarders};
use tokio::task::JoinSet;

use super::{Call, access};
use crate::failure::Failure;
use crate::{reload, runtime};
use adit_dialect::errno;

/// The file that is made where there is none, as upstream makes it.
const MADE: &str = "/usr/local/etc/cloudflared/config.yml";
const MADE_TEXT: &str = "logDirectory: /var/log/cloudflared\n";
const MADE_LOGS: &str = "/var/log/cloudflared";

/// How often the file is looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Listeners that run, by where they listen; each is the one task of its set.
type Running = BTreeMap<String, (Forwarder, JoinSet<()>)>;

/// Runs the listeners until a signal ends the process.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let path = match call.configuration.path.as_str() {
        "" => make().map_err(|error| Failure::new(format!("open {MADE}: {}", errno::text(&error))))?,
        path => path,
    };
    tracing::info!("monitoring config file at: {path}");
    let mut wanted = read(path)?;
    let runtime = runtime::start(&call.options)?;
    runtime.block_on(async {
        let mut running = Running::new();
        let mut seen = reload::stamp(path);
        loop {
            update(call, &mut running, wanted);
            changed(path, &mut seen).await;
            tracing::info!("Config file has been updated");
            wanted = loop {
                match read(path) {
                    Ok(wanted) => break wanted,
                    Err(failure) => tracing::error!(error = failure.text(), "Failed to read new config"),
                }
                changed(path, &mut seen).await;
            };
        }
    })
}

/// Waits until the file is another one; one that is missing for a moment is being replaced.
async fn changed(path: &str, seen: &mut Option<reload::Stamp>) {
    loop {
        tokio::time::sleep(ROUND).await;
        let stamp = reload::stamp(path);
        if stamp.is_some() && stamp != *seen {
            *seen = stamp;
            return;
        }
    }
}

fn read(path: &str) -> Result<Vec<Forwarder>, Failure> {
    let text =
        fs::read(path).map_err(|error| Failure::new(format!("open {path}: {}", errno::text(&error))))?;
    forwarders::read(path, &text).map_err(|error| Failure::new(error.problem))
}

/// Makes the file that upstream makes.
fn make() -> io::Result<&'static str> {
    if let Some(folder) = Path::new(MADE).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(MADE, MADE_TEXT)?;
    if let Err(error) = fs::create_dir_all(MADE_LOGS) {
        tracing::debug!(%error, "cannot make {MADE_LOGS}");
    }
    Ok(MADE)
}

/// Starts what is new, starts again what has changed, and stops what is gone.
fn update(call: &Call<'_>, running: &mut Running, wanted: Vec<Forwarder>) {
    let wanted: BTreeMap<String, Forwarder> = wanted
        .into_iter()
        .map(|forwarder| (forwarder.listener.clone(), forwarder))
        .collect();
    running.retain(|listener, (forwarder, task)| {
        wanted.get(listener) == Some(forwarder) && task.try_join_next().is_none()
    });
    for (listener, forwarder) in wanted {
        if running.contains_key(&listener) {
            continue;
        }
        call.log.control.hide(forwarder.service_token_secret.expose());
        match carrier(call, &forwarder) {
            Ok(carrier) => {
                let mut task = JoinSet::new();
                task.spawn(serve(listener.clone(), carrier));
                running.insert(listener, (forwarder, task));
            }
            Err(error) => lament(&listener, &error),
        }
    }
}

fn carrier(call: &Call<'_>, forwarder: &Forwarder) -> Result<Carrier, Error> {
    let client = access::client_of(call, forwarder.is_fedramp);
    let options = Options {
        address: Address::parse(&forwarder.url)?,
        headers: Vec::new(),
        destination: forwarder.destination.clone(),
        service_token: (
            forwarder.service_token_id.clone(),
            forwarder.service_token_secret.clone(),
        ),
        connect_to: String::new(),
    };
    Carrier::new(Arc::new(client), options)
}

async fn serve(listener: String, carrier: Carrier) {
    if let Err(error) = access::listen(&listener, carrier).await {
        lament(&listener, &error);
    }
}

fn lament(listener: &str, error: &Error) {
    tracing::error!(%error, "forward service: {listener} encountered an error");
}
