//! Sans-IO. What the checks at start found out: rows, verdict, advice, and how it is written.
//!
//! The checks change nothing: they tell a person why a tunnel will or will not come up. `probe` does
//! what is judged here.

mod probe;
mod table;

use std::net::SocketAddr;

use adit_exchange::Transport;
use uuid::Uuid;

use crate::settings::{Family, Protocol};
use crate::supervisor::Routes;
pub use probe::{run, unwanted};

/// What the checks found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Marks the lines of one run.
    pub run: Uuid,
    /// One row for each thing checked.
    pub rows: Vec<Row>,
    /// The transport that was asked for by name.
    pub wanted: Option<Transport>,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What kind of thing.
    pub component: Component,
    /// Which one.
    pub target: String,
    /// Whether it works.
    pub status: Status,
    /// How that shows.
    pub details: String,
}

/// The kinds of things that are checked, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The edge's names.
    Dns,
    /// QUIC.
    Udp,
    /// HTTP/2.
    Tcp,
    /// The interface that updates come from.
    Api,
}

/// Whether something works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Pass,
    /// It does not.
    Fail,
    /// It could not be checked.
    Skip,
}

/// How well a tunnel will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything works.
    Healthy,
    /// It will come up, but something does not work.
    Degraded,
    /// It will not come up.
    HardFail,
}

/// One place where the edge was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) label: String,
    pub(crate) addresses: Result<Vec<SocketAddr>, String>,
}

/// What became of the dials to one target over one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Reached,
    Unreached,
    /// There was nothing to dial.
    NoAddress,
    /// There was nothing to dial in the family asked for.
    NoFamily,
}

impl Report {
    /// Puts together what was found out about each target and about the interface.
    pub(crate) fn new(run: Uuid, protocol: Protocol, found: &[(Target, Reach, Reach)], api: bool) -> Self {
        let mut rows: Vec<Row> = found.iter().map(|(target, ..)| Row::of_dns(target)).collect();
        rows.extend(
            found
                .iter()
                .map(|(target, quic, _)| Row::of_transport(Component::Udp, target, *quic)),
        );
        rows.extend(
            found
                .iter()
                .map(|(target, _, http2)| Row::of_transport(Component::Tcp, target, *http2)),
        );
        rows.push(Row::of_api(api));
        let wanted = match protocol {
            Protocol::Auto { .. } => None,
            Protocol::Quic => Some(Transport::Quic),
            Protocol::Http2 => Some(Transport::Http2),
        };
        Self { run, rows, wanted }
    }

    /// Returns how well a tunnel will do.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let [dns, udp, tcp, api] = [Component::Dns, Component::Udp, Component::Tcp, Component::Api]
            .map(|component| self.fails(component));
        match (dns || (udp && tcp), udp || tcp || api) {
            (true, _) => Verdict::HardFail,
            (false, true) => Verdict::Degraded,
            (false, false) => Verdict::Healthy,
        }
    }

    /// Returns the transport to use, if one works.
    #[must_use]
    pub fn suggested(&self) -> Option<Transport> {
        let wanted = self.wanted.filter(|wanted| !self.fails(component(*wanted)));
        let works = |transport: &Transport| {
            let component = component(*transport);
            let passes = |row: &Row| row.component == component && row.status == Status::Pass;
            !self.fails(component) && self.rows.iter().any(passes)
        };
        wanted.or_else(|| [Transport::Quic, Transport::Http2].into_iter().find(works))
    }

    fn fails(&self, component: Component) -> bool {
        self.rows
            .iter()
            .any(|row| row.component == component && row.status == Status::Fail)
    }
}

impl Row {
    /// Returns what to do about it, if it does not work.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        if self.status != Status::Fail {
            return None;
        }
        Some(match self.component {
            Component::Dns => format!(
                "Make sure that {0} resolves on this host. Compare with: dig A {0} @1.1.1.1",
                self.target
            ),
            Component::Udp => {
                "Allow outbound UDP to port 7844 of the edge, or use `--protocol http2`.".to_owned()
            }
            Component::Tcp => "Allow outbound TCP to port 7844 of the edge.".to_owned(),
            Component::Api => format!(
                "The tunnel works without it, updating itself does not. Allow outbound TCP to {}.",
                self.target
            ),
        })
    }

    fn of_dns(target: &Target) -> Self {
        let (status, details) = match &target.addresses {
            Ok(addresses) if addresses.is_empty() => (Status::Fail, "No addresses returned".to_owned()),
            Ok(_) => (Status::Pass, "DNS Resolved successfully".to_owned()),
            Err(cause) => (Status::Fail, cause.clone()),
        };
        Self {
            component: Component::Dns,
            target: target.label.clone(),
            status,
            details,
        }
    }

    fn of_transport(component: Component, target: &Target, reach: Reach) -> Self {
        let udp = component == Component::Udp;
        let (status, details) = match reach {
            Reach::Reached if udp => (Status::Pass, "QUIC connection successful"),
            Reach::Reached => (Status::Pass, "HTTP/2 connection successful"),
            Reach::Unreached if udp => (Status::Fail, "QUIC connection failed"),
            Reach::Unreached => (Status::Fail, "HTTP/2 connection is blocked or unreachable"),
            Reach::NoAddress => (Status::Skip, "DNS prerequisite failed"),
            Reach::NoFamily => (
                Status::Skip,
                "No suitable address found for configured IP version",
            ),
        };
        Self {
            component,
            target: target.label.clone(),
            status,
            details: details.to_owned(),
        }
    }

    fn of_api(reached: bool) -> Self {
        let (status, details) = if reached {
            (Status::Pass, "API is reachable")
        } else {
            (Status::Fail, "API Connection failed")
        };
        Self {
            component: Component::Api,
            target: format!("{}:{}", API.0, API.1),
            status,
            details: details.to_owned(),
        }
    }
}

impl Component {
    /// Returns the name that lines and files show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "DNS Resolution",
            Self::Udp => "UDP Connectivity",
            Self::Tcp => "TCP Connectivity",
            Self::Api => "Cloudflare API",
        }
    }
}

impl Status {
    /// Returns the word that lines show.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// Returns the names under which the two regions are shown. They are fixed, whatever the records say.
pub(crate) fn labels(region: Option<&str>) -> [String; 2] {
    let prefix = region
        .filter(|region| !region.is_empty())
        .map(|region| format!("{region}-"));
    let prefix = prefix.unwrap_or_default();
    ["region1", "region2"].map(|name| format!("{prefix}{name}.v2.argotunnel.com"))
}

/// Returns what to dial at a target: one address of each family that is asked for.
///
/// A family that this host has no route for says nothing about the edge as long as the other has one.
pub(crate) fn candidates(addresses: &[SocketAddr], family: Family, routes: Routes) -> Vec<SocketAddr> {
    let first = |v4: bool| addresses.iter().copied().find(|address| address.is_ipv4() == v4);
    let v4 = first(true).filter(|_| family != Family::V6);
    let v6 = first(false).filter(|_| family != Family::V4);
    let (Some(four), Some(six)) = (v4, v6) else {
        return v4.or(v6).into_iter().collect();
    };
    match (routes.v4, routes.v6) {
        (true, false) => vec![four],
        (false, true) => vec![six],
        (true, true) | (false, false) => vec![four, six],
    }
}

const fn component(transport: Transport) -> Component {
    match transport {
        Transport::Quic => Component::Udp,
        Transport::Http2 => Component::Tcp,
    }
}

/// Where updates come from.
const API: (&str, u16) = ("api.cloudflare.com", 443);

#[cfg(test)]
mod tests;
