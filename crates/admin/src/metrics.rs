//! The page that metrics are collected from.

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::page::Page;
use crate::process::Process;
use crate::profile::gzip;

/// The text format, as upstream's library names it.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// What the program says about its own build.
#[derive(Clone, Debug)]
pub struct Build {
    /// The version that the edge is told.
    pub version: String,
    /// What it was built with.
    pub compiler: String,
    /// When it was built.
    pub time: String,
}

/// The metrics of the page itself.
#[derive(Clone, Debug)]
pub(crate) struct Scrapes {
    total: IntCounterVec,
    in_flight: IntGauge,
}

impl Build {
    /// Registers what is known of the build and of the process.
    ///
    /// # Errors
    ///
    /// Fails when the registry holds these metrics already.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let opts = Opts::new("build_info", "Build and version information");
        let info = IntGaugeVec::new(opts, &["goversion", "type", "revision", "version"])?;
        info.with_label_values(&[&self.compiler, "", &self.time, &self.version])
            .set(1);
        registry.register(Box::new(info))?;
        registry.register(Box::new(Process::new()?))?;
        registry.register(Box::new(Scrapes::new()?))
    }
}

/// Registers the name under which a quick tunnel is reached; any other tunnel has none.
///
/// # Errors
///
/// Fails when the registry holds this metric already.
pub fn count_quick_host(host: &str, registry: &Registry) -> prometheus::Result<()> {
    if host.is_empty() {
        return Ok(());
    }
    let opts = Opts::new(
        "cloudflared_tunnel_user_hostnames_counts",
        "Names under which quick tunnels are reached",
    );
    let hosts = IntCounterVec::new(opts, &["userHostname"])?;
    hosts.with_label_values(&[&format!("https://{host}")]).inc();
    registry.register(Box::new(hosts))
}

impl Scrapes {
    fn new() -> prometheus::Result<Self> {
        let total = Opts::new(
            "promhttp_metric_handler_requests_total",
            "Scrapes answered, by status code",
        );
        let total = IntCounterVec::new(total, &["code"])?;
        for code in ["200", "500", "503"] {
            total.with_label_values(&[code]);
        }
        let in_flight = IntGauge::new(
            "promhttp_metric_handler_requests_in_flight",
            "Scrapes that are being answered",
        )?;
        Ok(Self { total, in_flight })
    }
}

impl Collector for Scrapes {
    fn desc(&self) -> Vec<&Desc> {
        [self.total.desc(), self.in_flight.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.in_flight.set(1);
        let families = [self.total.collect(), self.in_flight.collect()].concat();
        self.in_flight.set(0);
        self.total.with_label_values(&["200"]).inc();
        families
    }
}

/// Answers `/metrics`.
pub(crate) fn page(registry: &Registry, compressed: bool) -> Page {
    let mut text = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&registry.gather(), &mut text) {
        let reason = format!("An error has occurred while serving metrics:\n\n{error}\n");
        return Page::text(500, reason);
    }
    if compressed {
        return Page::new(200, KIND, gzip(&text))
            .streamed()
            .with("Content-Encoding", "gzip");
    }
    Page::new(200, KIND, text).streamed()
}
