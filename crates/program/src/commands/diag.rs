//! `tunnel diag`: collects what support needs to know about a running connector, in one file.

mod bundle;
mod log;
mod route;

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use self::bundle::Bundle;
use super::Call;
use crate::failure::Failure;
use crate::{ask, checks, listen, logging};
use adit_dialect::errno;

/// One request may take so long.
const LIMIT: Duration = Duration::from_secs(15);

/// Everything together may take so long; what has not begun by then is left out.
const ALL: Duration = Duration::from_secs(45);

/// Why there is nothing to put into the bundle.
type Missing = String;

/// Files of the bundle, or why there are none.
type Collected = Result<Vec<(&'static str, Vec<u8>)>, Missing>;

/// Collects everything. The exit code is 0 whatever was found, as upstream's is.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let Some(server) = select(call) else {
        return Ok(ExitCode::SUCCESS);
    };
    tracing::info!("Selected server http://{server} starting diagnostic...");
    let mut run = Run {
        call,
        server,
        begun: Instant::now(),
        bundle: Bundle::default(),
        outcomes: serde_json::Map::new(),
    };
    run.collect();
    let failed = run
        .outcomes
        .values()
        .any(|outcome| outcome["result"] == "failure");
    let outcomes = indented(&Value::Object(run.outcomes));
    run.bundle.add("task-result.json", &outcomes);
    let stamp = logging::stamp(SystemTime::now()).replace(':', "-");
    let name = format!("cloudflared-diag-{stamp}.zip");
    if let Err(error) = std::fs::write(&name, run.bundle.finish()) {
        return Err(Failure::new(format!(
            "cannot write {name}: {}",
            errno::text(&error)
        )));
    }
    tracing::info!("Diagnostic file written: {name}");
    if failed {
        tracing::warn!("Diagnostic completed with one or more errors");
    } else {
        tracing::info!("Diagnostic completed");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the metrics address to ask: the one named, or the one instance that is found.
fn select(call: &Call<'_>) -> Option<String> {
    if let Some(given) = call
        .options
        .some_text("metrics")
        .filter(|_| call.options.is_set("metrics"))
    {
        return Some(given.strip_prefix("http://").unwrap_or(&given).to_owned());
    }
    tracing::info!(
        "If your instance is running in a Docker/Kubernetes environment you need to setup port forwarding for your \
         application."
    );
    let answers = |address| {
        let server = format!("localhost:{}", std::net::SocketAddr::port(&address));
        let answer = ask::get(&server, "/diag/tunnel", LIMIT).ok()?;
        Some((server, serde_json::from_slice::<Value>(&answer.body).ok()?))
    };
    let mut found: Vec<(String, Value)> = listen::known().filter_map(answers).collect();
    if found.is_empty() {
        tracing::warn!("No instances found");
        return None;
    }
    if found.len() == 1 {
        return found.pop().map(|(server, _)| server);
    }
    tracing::info!("Found multiple instances running:");
    for (server, state) in &found {
        let text = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
        tracing::info!(
            "Instance: tunnel-id={} connector-id={} metrics-address=http://{server}",
            text("tunnelID"),
            text("connectorID")
        );
    }
    tracing::info!("To select one instance use the option --metrics");
    None
}

/// One collection.
struct Run<'a> {
    call: &'a Call<'a>,
    server: String,
    begun: Instant,
    bundle: Bundle,
    outcomes: serde_json::Map<String, Value>,
}

impl Run<'_> {
    fn collect(&mut self) {
        let wants = |flag| !self.call.options.switch(flag);
        let (system, runtime) = (wants("no-diag-system"), wants("no-diag-runtime"));
        let (metrics, logs, network) = (
            wants("no-diag-metrics"),
            wants("no-diag-logs"),
            wants("no-diag-network"),
        );
        self.job("tunnel state", true, |run| {
            let told = |reason| format!("error retrieving tunnel state: {reason}");
            let state = run.get("/diag/tunnel").map_err(told)?;
            let state: Value = serde_json::from_slice(&state).map_err(|error| told(error.to_string()))?;
            Ok(vec![("tunnelstate.json", indented(&state))])
        });
        self.page(
            "system information",
            system,
            "/diag/system",
            "systeminformation.json",
        );
        self.page(
            "goroutine profile",
            runtime,
            "/debug/pprof/goroutine",
            "goroutine.pprof",
        );
        self.page("heap profile", runtime, "/debug/pprof/heap", "heap.pprof");
        self.page("metrics", metrics, "/metrics", "metrics.txt");
        self.job("log information", logs, |run| {
            let settings = run.get("/diag/configuration")?;
            let settings = serde_json::from_slice(&settings).map_err(|error| error.to_string())?;
            let text = log::collect(&run.call.options, &settings)?;
            Ok(vec![("cloudflared_logs.txt", text)])
        });
        let routes = if network { route::trace_all() } else { Vec::new() };
        self.job("raw network information", network, |_| {
            Ok(vec![("raw-network.txt", route::raw(&routes))])
        });
        self.job("network information", network, |_| {
            Ok(vec![("network.json", indented(&route::parsed(&routes)))])
        });
        self.page(
            "cli configuration",
            true,
            "/diag/configuration",
            "cli-configuration.json",
        );
        self.page("configuration", true, "/config", "configuration.json");
        self.job("connectivity pre-checks", network, |run| {
            let report = checks::report(&run.call.options)?;
            Ok(vec![("prechecks.json", report.to_string().into_bytes())])
        });
    }

    /// Collects what stands on one page of the metrics server.
    fn page(&mut self, name: &'static str, wanted: bool, path: &str, file: &'static str) {
        self.job(name, wanted, |run| Ok(vec![(file, run.get(path)?)]));
    }

    fn job(&mut self, name: &'static str, wanted: bool, collect: impl FnOnce(&Self) -> Collected) {
        if !wanted {
            return;
        }
        tracing::info!("Collecting {name}...");
        let collected = if self.begun.elapsed() < ALL {
            collect(self)
        } else {
            Err("there is no time left for it".to_owned())
        };
        let outcome = match collected {
            Ok(files) => {
                for (file, content) in files {
                    self.bundle.add(file, &content);
                }
                tracing::info!("Collected {name}.");
                json!({ "result": "success" })
            }
            Err(reason) => {
                let error = format!("error running collector: {reason}");
                tracing::error!(error, "Job: {name} finished with error.");
                json!({ "error": error, "result": "failure" })
            }
        };
        self.outcomes.insert(name.to_owned(), outcome);
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, Missing> {
        let answer =
            ask::get(&self.server, path, LIMIT).map_err(|error| format!("error GET request: {error}"))?;
        Ok(answer.body)
    }
}

fn indented(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
