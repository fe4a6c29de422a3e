//! What is counted: requests, answers, streams and flows, with upstream's names, and histograms
//! per rule beside them.

use std::sync::{Arc, OnceLock};

use adit_exchange::Class;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// The metrics of the way from a request to its origin.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) requests: IntCounter,
    pub(crate) concurrent_requests: IntGauge,
    answers: IntCounterVec,
    /// The counters of [`Self::answers`] that are in use, by status less the least.
    answered: Arc<[OnceLock<IntCounter>; STATUSES]>,
    pub(crate) errors: IntCounter,
    pub(crate) tcp_active: IntGauge,
    pub(crate) tcp_total: IntCounter,
    pub(crate) connect_latency: Histogram,
    pub(crate) connect_errors: IntCounter,
    pub(crate) rate_limited: IntCounterVec,
    failures: IntCounterVec,
    abandoned: IntCounter,
    first_byte: HistogramVec,
}

/// Bounds of the time until an origin answers, in seconds.
const FIRST_BYTE: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Statuses that HTTP knows.
const LEAST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// Bounds of the time until a stream is connected, in milliseconds.
const CONNECT: &[f64] = &[1.0, 10.0, 25.0, 50.0, 100.0, 500.0, 1000.0, 5000.0];

impl Metrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    ///
    /// Fails when one of the names is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: counter(
                "cloudflared_tunnel_total_requests",
                "Requests that reached the proxy",
            )?,
            concurrent_requests: gauge(
                "cloudflared_tunnel_concurrent_requests_per_tunnel",
                "Requests in progress",
            )?,
            answers: counters(
                "cloudflared_tunnel_response_by_code",
                "Complete responses by status code",
                &["status_code"],
            )?,
            answered: Arc::new([const { OnceLock::new() }; STATUSES]),
            errors: counter("cloudflared_tunnel_request_errors", "Requests that failed")?,
            tcp_active: gauge(
                "cloudflared_tcp_active_sessions",
                "Private TCP streams in progress",
            )?,
            tcp_total: counter("cloudflared_tcp_total_sessions", "Private TCP streams")?,
            connect_latency: Histogram::with_opts(
                HistogramOpts::new(
                    "cloudflared_proxy_connect_latency",
                    "Milliseconds until a stream was connected and acknowledged",
                )
                .buckets(CONNECT.to_vec()),
            )?,
            connect_errors: counter(
                "cloudflared_proxy_connect_streams_errors",
                "Streams that were not connected or not acknowledged",
            )?,
            rate_limited: counters(
                "flow_client_registrations_rate_limited_total",
                "Flows refused because of their number",
                &["flow_type"],
            )?,
            failures: counters(
                "adit_ingress_failures_total",
                "Requests that failed, by the class of the failure",
                &["class"],
            )?,
            abandoned: counter(
                "adit_ingress_abandoned_total",
                "Requests whose visitor left early",
            )?,
            first_byte: HistogramVec::new(
                HistogramOpts::new(
                    "adit_ingress_first_byte_seconds",
                    "Seconds until the origin of a rule answered",
                )
                .buckets(FIRST_BYTE.to_vec()),
                &["rule"],
            )?,
        };
        metrics.register(registry)?;
        Ok(metrics)
    }

    fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.concurrent_requests.clone()))?;
        registry.register(Box::new(self.answers.clone()))?;
        registry.register(Box::new(self.errors.clone()))?;
        registry.register(Box::new(self.tcp_active.clone()))?;
        registry.register(Box::new(self.tcp_total.clone()))?;
        registry.register(Box::new(self.connect_latency.clone()))?;
        registry.register(Box::new(self.connect_errors.clone()))?;
        registry.register(Box::new(self.rate_limited.clone()))?;
        registry.register(Box::new(self.failures.clone()))?;
        registry.register(Box::new(self.abandoned.clone()))?;
        registry.register(Box::new(self.first_byte.clone()))
    }

    /// Counts a failure of this class.
    pub(crate) fn failed(&self, class: Class) {
        self.failures.with_label_values(&[class.name()]).inc();
        if class == Class::Abandoned {
            self.abandoned.inc();
        }
    }

    /// Counts a complete answer with this status.
    pub(crate) fn answered(&self, status: u16) {
        let counter = || self.answers.with_label_values(&[&status.to_string()]);
        match self.answered.get(usize::from(status.wrapping_sub(LEAST_STATUS))) {
            Some(known) => known.get_or_init(counter).inc(),
            None => counter().inc(),
        }
    }

    /// Returns where it is observed how long the origin of the rule with this index took to answer.
    ///
    /// There are as many labels as the configuration has rules.
    pub(crate) fn first_byte(&self, rule: usize) -> Histogram {
        self.first_byte.with_label_values(&[&rule.to_string()])
    }
}

fn counter(name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    IntCounter::new(name, help)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

fn gauge(name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    IntGauge::new(name, help)
}
