//! What the library counts about a connection, carried into metrics now and then.

use std::time::Duration;

use quinn::{Connection, ConnectionStats, FrameStats};

use crate::connection::Whereabouts;
use crate::metrics::QuicMetrics;
use crate::report;

/// Takes samples of one connection. Dropping it counts the connection as closed.
#[derive(Debug)]
pub(crate) struct Sample {
    connection: Connection,
    metrics: QuicMetrics,
    at: Whereabouts,
    index: String,
    last: ConnectionStats,
}

impl Sample {
    /// Begins with a connection that has just been made.
    pub(super) fn new(connection: Connection, metrics: QuicMetrics, at: Whereabouts) -> Self {
        metrics.total.inc();
        Self {
            connection,
            metrics,
            index: at.index.to_string(),
            at,
            last: ConnectionStats::default(),
        }
    }

    /// Takes a sample and returns the number of datagrams heard so far.
    pub(crate) fn take(&mut self) -> u64 {
        let now = self.connection.stats();
        let of = [self.index.as_str()];
        let metrics = &self.metrics;
        let path = &now.path;
        metrics.latest_rtt.with_label_values(&of).set(millis(path.rtt));
        metrics.smoothed_rtt.with_label_values(&of).set(millis(path.rtt));
        metrics
            .min_rtt
            .with_label_values(&of)
            .set(millis(self.connection.min_rtt()));
        metrics
            .mtu
            .with_label_values(&of)
            .set(i64::from(path.current_mtu));
        let window = i64::try_from(path.cwnd).unwrap_or(i64::MAX);
        metrics.congestion_window.with_label_values(&of).set(window);
        let state = self.congestion_state();
        metrics.congestion_state.with_label_values(&of).set(state);
        let last = &self.last;
        let too_big = path.black_holes_detected - last.path.black_holes_detected;
        metrics.too_big.inc_by(too_big);
        metrics
            .sent_bytes
            .with_label_values(&of)
            .inc_by(now.udp_tx.bytes - last.udp_tx.bytes);
        metrics
            .received_bytes
            .with_label_values(&of)
            .inc_by(now.udp_rx.bytes - last.udp_rx.bytes);
        let lost = path.lost_packets - last.path.lost_packets;
        if lost > 0 {
            let of = [self.index.as_str(), "unknown_loss_reason"];
            metrics.lost_packets.with_label_values(&of).inc_by(lost);
        }
        self.count(&metrics.sent_frames, &now.frame_tx, &last.frame_tx);
        self.count(&metrics.received_frames, &now.frame_rx, &last.frame_rx);
        self.tell_blocked("sent", &now.frame_tx, &last.frame_tx);
        self.tell_blocked("received", &now.frame_rx, &last.frame_rx);
        if path.current_mtu != last.path.current_mtu {
            report::mtu(&self.at, path.current_mtu);
        }
        self.last = now;
        now.udp_rx.datagrams
    }

    /// Tells whether one side has had to wait for credit.
    fn tell_blocked(&self, side: &str, now: &FrameStats, last: &FrameStats) {
        let kinds: [(&str, Count); 2] = [
            ("data_blocked", |frames| frames.data_blocked),
            ("stream_data_blocked", |frames| frames.stream_data_blocked),
        ];
        for (frame, count) in kinds {
            let more = count(now) - count(last);
            if more > 0 {
                report::blocked(&self.at, side, frame, more);
            }
        }
    }

    /// Returns upstream's number for how the congestion window grows.
    fn congestion_state(&self) -> i64 {
        let controller = self.connection.congestion_state().metrics();
        let threshold = controller.ssthresh.unwrap_or(u64::MAX);
        i64::from(controller.congestion_window >= threshold)
    }

    fn count(&self, into: &prometheus::IntCounterVec, now: &FrameStats, last: &FrameStats) {
        for (kind, count) in KINDS {
            let more = count(now) - count(last);
            if more > 0 {
                into.with_label_values(&[self.index.as_str(), kind]).inc_by(more);
            }
        }
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        self.take();
        self.metrics.closed.inc();
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

type Count = fn(&FrameStats) -> u64;

/// The kinds of frames, as upstream labels them.
const KINDS: [(&str, Count); 21] = [
    ("Ack", |frames| frames.acks),
    ("AckFrequency", |frames| frames.ack_frequency),
    ("ConnectionClose", |frames| frames.connection_close),
    ("Crypto", |frames| frames.crypto),
    ("DataBlocked", |frames| frames.data_blocked),
    ("Datagram", |frames| frames.datagram),
    ("HandshakeDone", |frames| u64::from(frames.handshake_done)),
    ("ImmediateAck", |frames| frames.immediate_ack),
    ("MaxData", |frames| frames.max_data),
    ("MaxStreamData", |frames| frames.max_stream_data),
    ("MaxStreams", |frames| {
        frames.max_streams_bidi + frames.max_streams_uni
    }),
    ("NewConnectionID", |frames| frames.new_connection_id),
    ("NewToken", |frames| frames.new_token),
    ("PathChallenge", |frames| frames.path_challenge),
    ("PathResponse", |frames| frames.path_response),
    ("Ping", |frames| frames.ping),
    ("ResetStream", |frames| frames.reset_stream),
    ("RetireConnectionID", |frames| frames.retire_connection_id),
    ("StopSending", |frames| frames.stop_sending),
    ("Stream", |frames| frames.stream),
    ("StreamDataBlocked", |frames| frames.stream_data_blocked),
];
