//! `tunnel run`: runs a tunnel until it is told to stop.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use adit_admin::{Facts, Host};
use adit_config::resolve::resolve;
use adit_config::{Provenance, Rules};
use adit_edge::Source;
use adit_ingress::Tag;
use uuid::Uuid;

use super::Call;
use crate::app::{App, Plan, Surface};
use crate::cli::{Options, Source as Said};
use crate::failure::Failure;
use crate::identity::{self, Identity};
use crate::program::{COMPILER, VERSION};
use crate::reload::Reload;
use crate::signals::Signals;
use crate::{files, listen, opening, runtime, settings};
use adit_dialect::errno;

/// Runs a tunnel.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let options = &call.options;
    if options.arguments.len() > 1 {
        let name = &call.program.name;
        let text =
            format!("\"{name} tunnel run\" accepts only one argument, the ID or name of the tunnel to run.");
        return Err(identity::usage(call, &text));
    }
    if options.some_text("hostname").is_some() {
        tracing::warn!(
            "The property `hostname` in your configuration is ignored because you configured a Named Tunnel in the \
             property `tunnel` to run. Its names are routed with `tunnel route`."
        );
    }
    if options.is_set("trace-output") {
        tracing::warn!("--trace-output is ignored: there is no execution trace to write");
    }
    let identity = identity::find(call)?;
    start(call, identity)
}

/// Starts the tunnel of an identity and runs it to its end.
pub(super) fn start(call: &Call<'_>, identity: Identity) -> Result<ExitCode, Failure> {
    if identity.quick_host.is_none() {
        tracing::info!(tunnelID = %identity.credentials.tunnel_id, "Starting tunnel");
    }
    if !call.configuration.exists() && !identity.by_token {
        tracing::info!("{}", files::no_configuration());
    }
    opening::log(&call.options);
    let runtime = runtime::start(&call.options)?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::new(errno::text(&error)))?;
        let plan = plan(call, identity)?;
        let app = App::new(plan).inspect_err(could_not_start)?;
        app.run(signals).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn plan(call: &Call<'_>, identity: Identity) -> Result<Plan, Failure> {
    let options = &call.options;
    let connector = Uuid::new_v4();
    tracing::info!("Generated Connector ID: {connector}");
    let tags = settings::tags(options, connector).inspect_err(could_not_start)?;
    let rules = rules(call).inspect_err(could_not_start)?;
    if rules.provenance == Provenance::BuiltIn && !identity.by_token {
        tracing::warn!(
            "No ingress rules were defined in provided config (if any) nor from the cli, cloudflared will return 503 \
             for all incoming HTTP requests"
        );
    }
    let edge = settings::edge(options, &identity.credentials, connector, identity.by_token)
        .inspect_err(could_not_start)?;
    let metrics = listen::open(&options.text("metrics")).map_err(|error| {
        tracing::error!(error, "Error opening metrics server listener");
        Failure::new(format!("Error opening metrics server listener: {error}"))
    })?;
    let prechecks = !options.switch("no-prechecks");
    let ends = Ends {
        quick_host: identity.quick_host.unwrap_or_default(),
        metrics,
        tags,
        prechecks,
    };
    Ok(assemble(call, edge, rules, ends))
}

/// The parts of a plan that a trial run has its own of.
pub(super) struct Ends {
    /// The name of a tunnel that was made for the moment; empty for others.
    pub(super) quick_host: String,
    /// Where the metrics server listens.
    pub(super) metrics: TcpListener,
    /// What origins are sent.
    pub(super) tags: Vec<Tag>,
    /// Whether the connection is checked beforehand.
    pub(super) prechecks: bool,
}

/// Joins what was checked.
pub(super) fn assemble(call: &Call<'_>, edge: adit_edge::Settings, rules: Rules, ends: Ends) -> Plan {
    let options = &call.options;
    Plan {
        ingress: adit_ingress::Settings {
            names: adit_dial::Names::default(),
            roots: || adit_dial::Roots::system(adit_edge::Roots::embedded()),
            tags: ends.tags,
            flows: adit_ingress::Flows::default(),
            environment: adit_dial::Environment::read(options.environment()),
            explain_failures: options.switch("explain-failures"),
        },
        rules,
        flags: settings::configuration_flags(options),
        metrics: ends.metrics,
        prechecks: ends.prechecks,
        stdin: takes_orders(options),
        facts: Facts {
            tunnel: edge.credentials.tunnel,
            connector: edge.identity.connector,
            quick_host: ends.quick_host,
            settings: settings::shown(options),
            icmp_sources: Vec::new(),
            version: VERSION.into(),
            compiler: COMPILER.into(),
        },
        pid_file: options
            .some_text("pidfile")
            .map(|path| files::expand(options, &path)),
        notify: options.environment_text("NOTIFY_SOCKET").map(str::to_owned),
        watchdog: watchdog(options),
        remote: surface(call, &edge),
        reload: Reload::new(call.program, options, &call.configuration, &call.log.control),
        edge,
    }
}

/// Returns what the dashboard may ask.
fn surface(call: &Call<'_>, edge: &adit_edge::Settings) -> Surface {
    let options = &call.options;
    let first = match &edge.source {
        Source::Fixed(addresses) => addresses.first().and_then(|address| address.parse().ok()),
        Source::Discovered { .. } => None,
    };
    let other = options.text("service-op-ip").parse().ok();
    let is_fed = matches!(&edge.source, Source::Discovered { region: Some(region) } if region == "fed");
    let host = match options.text("management-hostname") {
        host if is_fed && !options.is_set("management-hostname") => {
            host.replace("management.", "management.fed.")
        }
        host => host,
    };
    Surface {
        host,
        connector: Host {
            connector: edge.identity.connector,
            label: options.text("label"),
            targets: first.into_iter().chain(other).collect(),
        },
        diagnostics: options.switch("management-diagnostics"),
        feed: call.log.control.feed(),
    }
}

/// Returns whether standard input gives orders. In the environment it is enough to name the switch.
fn takes_orders(options: &Options) -> bool {
    match options.find("stdin-control") {
        Some((Said::Variable, _)) => true,
        Some(_) => options.switch("stdin-control"),
        None => false,
    }
}

/// Returns how often the service manager wants a sign of life from this process.
fn watchdog(options: &Options) -> Option<Duration> {
    let own = std::process::id().to_string();
    let meant = options
        .environment_text("WATCHDOG_PID")
        .is_none_or(|pid| pid == own);
    let microseconds = options.environment_text("WATCHDOG_USEC")?.parse().ok()?;
    (meant && microseconds > 0).then(|| Duration::from_micros(microseconds))
}

/// Returns the rules that hold before the edge sends any.
pub(super) fn rules(call: &Call<'_>) -> Result<Rules, Failure> {
    let said = settings::overrides(&call.options);
    let flags = settings::configuration_flags(&call.options);
    resolve(&call.configuration.file(), &said, &flags).map_err(|error| call.configuration.refuse(&error))
}

/// Logs why there is no tunnel.
pub(super) fn could_not_start(failure: &Failure) {
    tracing::error!(error = failure.text(), "Couldn't start tunnel");
}
