//! `try`: shows what a configuration does, with an edge on this machine and no account.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::ExitCode;

use adit_config::{Credentials, Provenance, Rules, TunnelId};
use adit_edge::{Dns, Roots, Source, Status};
use adit_loopback::edge::Edge;
use adit_loopback::request::Request;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::Call;
use super::run::{self, Ends};
use crate::app::App;
use crate::failure::Failure;
use crate::program::print;
use crate::signals::Signals;
use crate::{runtime, settings};
use adit_dialect::errno;

/// How long the connector may take to join an edge on its own machine.
const JOINING: Duration = Duration::from_secs(30);

/// What stands for any name in the address of a rule for many hosts.
const ANY: &str = "www";

/// Shows what a configuration does.
pub(super) fn perform(call: &Call<'_>) -> Result<ExitCode, Failure> {
    runtime::start(&call.options)?.block_on(show(call))
}

async fn show(call: &Call<'_>) -> Result<ExitCode, Failure> {
    let signals = Signals::listen().map_err(|error| Failure::new(errno::text(&error)))?;
    let rules = rules(call)?;
    let lines = addresses(&rules);
    let local = local();
    let front = if call.options.is_set("listen") {
        front(&call.options.text("listen"))?
    } else {
        SocketAddr::new(local, 0)
    };
    let edge = adit_loopback::edge::new()
        .family(match local {
            IpAddr::V4(_) => adit_loopback::edge::Family::V4,
            IpAddr::V6(_) => adit_loopback::edge::Family::V6,
        })
        .front(front)
        .run()
        .await
        .map_err(Failure::of_error)?;
    let app = App::new(plan(call, &edge, rules, local)?)?;
    let (status, leave) = (app.status(), app.leave());
    let shown = async {
        let shown = converse(call, &edge, status, &lines).await;
        if !matches!(shown, Ok(Shown::Running)) {
            leave.cancel();
        }
        shown
    };
    let (ran, shown) = tokio::join!(app.run(signals), shown);
    ran?;
    match shown? {
        Shown::Running | Shown::Answered => Ok(ExitCode::SUCCESS),
        Shown::Failed => Ok(ExitCode::FAILURE),
    }
}

/// Returns the address under which this machine reaches itself: where there is no IPv4, that of IPv6.
fn local() -> IpAddr {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match TcpListener::bind((v4, 0)) {
        Ok(_) => v4,
        Err(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// What came of showing.
enum Shown {
    /// The addresses are printed; visitors may come until the program is told to stop.
    Running,
    /// Every request was answered.
    Answered,
    /// At least one was not.
    Failed,
}

async fn converse(
    call: &Call<'_>,
    edge: &Edge,
    mut status: Status,
    lines: &[(String, String)],
) -> Result<Shown, Failure> {
    let joined = status.wait_for(|connections| !connections.is_empty());
    if !matches!(timeout(JOINING, joined).await, Ok(true)) {
        return Err(
            Failure::new("the connector did not join the edge on this machine")
                .hint("`--loglevel debug` shows why"),
        );
    }
    let requests = call.options.list("request");
    if requests.is_empty() {
        print(&welcome(call, edge, lines));
        return Ok(Shown::Running);
    }
    let mut shown = Shown::Answered;
    for url in requests {
        if !ask(edge, &url).await {
            shown = Shown::Failed;
        }
    }
    Ok(shown)
}

/// Sends one request and prints the answer. Returns whether the origin gave one.
async fn ask(edge: &Edge, url: &str) -> bool {
    let url = if url.contains("://") {
        url.to_owned()
    } else {
        format!("https://{url}")
    };
    let mut answer = match edge.visit(Request::get(&url)).await {
        Ok(answer) => answer,
        Err(error) => {
            print(&format!("GET {url}\nno answer: {error}\n\n"));
            return false;
        }
    };
    let mut text = format!("GET {url}\n{}\n", answer.status());
    for (name, value) in &answer.head.headers {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        text.push_str(&format!("{name}: {value}\n"));
    }
    let body = answer.bytes().await;
    match &body {
        Ok(body) => text.push_str(&format!("\n{}\n", String::from_utf8_lossy(body))),
        Err(error) => text.push_str(&format!("\nthe body broke off: {error}\n")),
    }
    if let Some(reason) = &answer.head.refusal {
        text.push_str(&format!("refused by the connector: {reason}\n"));
    }
    text.push('\n');
    print(&text);
    body.is_ok() && answer.head.refusal.is_none()
}

/// Returns the rules to show: those of the file or of the flags, else the built-in page.
fn rules(call: &Call<'_>) -> Result<Rules, Failure> {
    let rules = run::rules(call)?;
    if rules.provenance != Provenance::BuiltIn || call.configuration.exists() {
        return Ok(rules);
    }
    let said = adit_config::Overrides {
        hello_world: Some(true),
        ..settings::overrides(&call.options)
    };
    let flags = settings::configuration_flags(&call.options);
    adit_config::resolve(&call.configuration.file(), &said, &flags)
        .map_err(|error| call.configuration.refuse(&error))
}

/// Returns each host of the rules, and where its rule leads.
fn addresses(rules: &Rules) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for rule in &rules.rules {
        let host = rule.hostname.ascii.as_ref().unwrap_or(&rule.hostname.text);
        if lines.iter().all(|(known, _)| known != host) {
            lines.push((host.clone(), rule.service.to_string()));
        }
    }
    lines
}

fn plan(call: &Call<'_>, edge: &Edge, rules: Rules, local: IpAddr) -> Result<crate::app::Plan, Failure> {
    let given = edge.credentials();
    let tunnel = TunnelId::from_bytes(given.tunnel_id.into_bytes());
    let credentials = Credentials::new(given.account_tag, given.secret, tunnel);
    let connector = Uuid::new_v4();
    let tags = settings::tags(&call.options, connector)?;
    let mut told = settings::edge(&call.options, &credentials, connector, true)?;
    told.source = Source::Discovered { region: None };
    told.family = adit_edge::Family::Auto;
    told.dns = Dns::Servers(vec![edge.dns().address()]);
    told.roots = Roots::from_pem(edge.authority().pem().as_bytes()).map_err(Failure::of_error)?;
    let metrics = TcpListener::bind((local, 0)).map_err(Failure::of_error)?;
    let ends = Ends {
        quick_host: String::new(),
        metrics,
        tags,
        prechecks: false,
    };
    Ok(run::assemble(call, told, rules, ends))
}

/// Returns the address at which visitors are taken: one of this machine only.
pub(super) fn front(text: &str) -> Result<SocketAddr, Failure> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err(Failure::new(format!(
            "{text} is not an address of this machine alone"
        ))),
        Err(_) => {
            Err(Failure::new(format!("invalid value for listen: {text}")).hint("such as 127.0.0.1:8000"))
        }
    }
}

fn welcome(call: &Call<'_>, edge: &Edge, lines: &[(String, String)]) -> String {
    let what = if call.configuration.exists() {
        call.configuration.path.as_str()
    } else {
        "the built-in page"
    };
    let mut text = format!("Serving {what} through an edge on this machine, until Ctrl-C:\n\n");
    let rows: Vec<_> = lines
        .iter()
        .map(|(host, service)| (address(edge, host), host, service))
        .collect();
    let width = rows.iter().map(|(url, ..)| url.len()).max().unwrap_or_default();
    for (url, host, service) in rows {
        let host = if host.is_empty() { "every other host" } else { host };
        text.push_str(&format!("  {url:width$}  {host} -> {service}\n"));
    }
    text
}

/// Returns where a browser reaches a host on this machine.
fn address(edge: &Edge, host: &str) -> String {
    match host.strip_prefix("*.") {
        Some(rest) => edge.url(&format!("{ANY}.{rest}")),
        None if host.is_empty() || host == "*" => format!("http://localhost:{}/", edge.front().port()),
        None => edge.url(host),
    }
}
