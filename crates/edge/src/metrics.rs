//! What is counted about connections, under upstream's names.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Counters and gauges of the edge side. Clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) slots: IntGauge,
    pub(crate) locations: IntGaugeVec,
    pub(crate) registered: IntCounterVec,
    pub(crate) register_failed: IntCounterVec,
    pub(crate) pushes: IntCounter,
    pub(crate) push_failures: IntCounter,
    pub(crate) client: Calls,
    pub(crate) server: Calls,
    pub(crate) quic: QuicMetrics,
}

/// Calls in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    operations: IntCounterVec,
    failures: IntCounterVec,
    latency: HistogramVec,
}

/// Counters and gauges of QUIC connections.
#[derive(Clone, Debug)]
pub(crate) struct QuicMetrics {
    pub(crate) total: IntCounter,
    pub(crate) closed: IntCounter,
    pub(crate) sent_frames: IntCounterVec,
    pub(crate) received_frames: IntCounterVec,
    pub(crate) sent_bytes: IntCounterVec,
    pub(crate) received_bytes: IntCounterVec,
    pub(crate) lost_packets: IntCounterVec,
    pub(crate) min_rtt: IntGaugeVec,
    pub(crate) latest_rtt: IntGaugeVec,
    pub(crate) smoothed_rtt: IntGaugeVec,
    pub(crate) mtu: IntGaugeVec,
    pub(crate) max_payload: IntGaugeVec,
    pub(crate) congestion_window: IntGaugeVec,
    pub(crate) congestion_state: IntGaugeVec,
    pub(crate) too_big: IntCounter,
}

impl Metrics {
    /// Registers everything in `registry`.
    ///
    /// # Errors
    ///
    /// Fails when the registry already holds one of the names.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let r = registry;
        Ok(Self {
            slots: gauge(r, "cloudflared_tunnel_ha_connections", "Connection slots running")?,
            locations: gauges(
                r,
                "cloudflared_tunnel_server_locations",
                "Data centre of each connection: 1 is the current one, 0 a former one",
                &["connection_id", "edge_location"],
            )?,
            registered: counters(
                r,
                "cloudflared_tunnel_tunnel_register_success",
                "Registrations that the edge accepted",
                &["rpcName"],
            )?,
            register_failed: counters(
                r,
                "cloudflared_tunnel_tunnel_register_fail",
                "Registrations that failed",
                &["error", "rpcName"],
            )?,
            pushes: counter(
                r,
                "cloudflared_config_local_config_pushes",
                "Local configurations sent to the edge",
            )?,
            push_failures: counter(
                r,
                "cloudflared_config_local_config_pushes_errors",
                "Local configurations that could not be sent to the edge",
            )?,
            client: Calls::new(r, "client")?,
            server: Calls::new(r, "server")?,
            quic: QuicMetrics::new(r)?,
        })
    }
}

impl Calls {
    fn new(registry: &Registry, side: &str) -> Result<Self, prometheus::Error> {
        let name = |what: &str| format!("cloudflared_rpc_{side}_{what}");
        let labels = &["handler", "method"];
        let options = HistogramOpts::new(name("latency_secs"), "Duration of calls in seconds");
        let latency = HistogramVec::new(options.buckets(LATENCIES.to_vec()), labels)?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self {
            operations: counters(registry, &name("operations"), "Calls", labels)?,
            failures: counters(registry, &name("failures"), "Calls that failed", labels)?,
            latency,
        })
    }

    /// Counts a call that has ended.
    pub(crate) fn count(&self, call: [&str; 2], took: Duration, succeeded: bool) {
        self.operations.with_label_values(&call).inc();
        self.latency.with_label_values(&call).observe(took.as_secs_f64());
        if !succeeded {
            self.failures.with_label_values(&call).inc();
        }
    }
}

impl QuicMetrics {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let of = &["conn_index"];
        let frames = &["conn_index", "frame_type"];
        let name = |what: &str| format!("quic_client_{what}");
        Ok(Self {
            total: counter(r, &name("total_connections"), "Connections begun")?,
            closed: counter(r, &name("closed_connections"), "Connections ended")?,
            sent_frames: counters(r, &name("sent_frames"), "Frames sent", frames)?,
            received_frames: counters(r, &name("received_frames"), "Frames received", frames)?,
            sent_bytes: counters(r, &name("sent_bytes"), "Bytes sent in UDP payloads", of)?,
            received_bytes: counters(r, &name("receive_bytes"), "Bytes received in UDP payloads", of)?,
            lost_packets: counters(
                r,
                &name("lost_packets"),
                "Packets given up as lost",
                &["conn_index", "reason"],
            )?,
            min_rtt: gauges(r, &name("min_rtt"), "Least round trip in milliseconds", of)?,
            latest_rtt: gauges(r, &name("latest_rtt"), "Latest round trip in milliseconds", of)?,
            smoothed_rtt: gauges(
                r,
                &name("smoothed_rtt"),
                "Smoothed round trip in milliseconds",
                of,
            )?,
            mtu: gauges(r, &name("mtu"), "Largest UDP payload in use", of)?,
            max_payload: gauges(
                r,
                &name("max_udp_payload"),
                "Largest UDP payload that the edge takes",
                of,
            )?,
            congestion_window: gauges(r, &name("congestion_window"), "Bytes allowed in flight", of)?,
            congestion_state: gauges(
                r,
                &name("congestion_state"),
                "How fast the bytes allowed in flight grow: 0 is slow start, 1 congestion avoidance",
                of,
            )?,
            too_big: counter(
                r,
                &name("packet_too_big_dropped"),
                "Times that packets of the largest size stopped arriving",
            )?,
        })
    }
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    let counter = IntCounter::new(name, help)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

/// Upstream multiplies by three; the labels carry its rounding.
const LATENCIES: [f64; 5] = [
    0.05,
    0.150_000_000_000_000_02,
    0.450_000_000_000_000_07,
    1.35,
    4.050_000_000_000_001,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_upstreams() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).expect("the registry is new");
        metrics.locations.with_label_values(&["0", "lhr01"]).set(1);
        metrics
            .registered
            .with_label_values(&["registerConnection"])
            .inc();
        metrics
            .register_failed
            .with_label_values(&["dup_edge_conn", "registerConnection"])
            .inc();
        let call = ["registration", "register_connection"];
        metrics.client.count(call, Duration::from_millis(1), false);
        metrics.quic.sent_frames.with_label_values(&["0", "Ack"]).inc();
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("metrics are text");
        for line in [
            "cloudflared_tunnel_ha_connections 0",
            r#"cloudflared_tunnel_server_locations{connection_id="0",edge_location="lhr01"} 1"#,
            r#"cloudflared_tunnel_tunnel_register_success{rpcName="registerConnection"} 1"#,
            r#"cloudflared_tunnel_tunnel_register_fail{error="dup_edge_conn",rpcName="registerConnection"} 1"#,
            "cloudflared_config_local_config_pushes 0",
            "cloudflared_config_local_config_pushes_errors 0",
            r#"cloudflared_rpc_client_operations{handler="registration",method="register_connection"} 1"#,
            r#"cloudflared_rpc_client_failures{handler="registration",method="register_connection"} 1"#,
            "quic_client_total_connections 0",
            "quic_client_closed_connections 0",
            r#"quic_client_sent_frames{conn_index="0",frame_type="Ack"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for bound in [
            "0.05",
            "0.15000000000000002",
            "0.45000000000000007",
            "1.35",
            "4.050000000000001",
            "+Inf",
        ] {
            assert!(text.contains(&format!("le=\"{bound}\"")), "{bound}");
        }
    }
}
