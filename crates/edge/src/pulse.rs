//! Listens whether the edge is still there, and tells the supervisor before anyone gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::connection::Lost;
use crate::driver::Reporter;
use crate::quic::Sample;

/// A view of what is heard of the edge.
#[derive(Debug)]
pub(crate) enum Pulse {
    /// Packets of a QUIC connection, which ends by itself when there are none.
    Quic(Box<Sample>),
    /// Signs of life of an HTTP/2 connection, which does not.
    Http2(Arc<AtomicU64>),
}

/// Watches a connection until it is dead, saying when it is sick and when it is well again, and
/// noting in `silent` which of both holds.
pub(crate) async fn watch(mut pulse: Pulse, reporter: &Reporter, silent: &AtomicBool) -> Lost {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = pulse.count();
    let mut since = Instant::now();
    loop {
        ticks.tick().await;
        let now = pulse.count();
        if now != heard {
            heard = now;
            since = Instant::now();
            if silent.swap(false, Ordering::Relaxed) {
                reporter.well().await;
            }
            continue;
        }
        if since.elapsed() > pulse.patience() && !silent.swap(true, Ordering::Relaxed) {
            reporter.sick().await;
        }
        if since.elapsed() > DEAD && matches!(pulse, Pulse::Http2(_)) {
            return Lost {
                cause: "connection with edge closed: no answer to pings".to_owned(),
                silent: true,
            };
        }
    }
}

impl Pulse {
    /// Returns after how much silence a connection is sick.
    const fn patience(&self) -> Duration {
        match self {
            Self::Quic(_) => QUIC_SICK,
            Self::Http2(_) => HTTP2_SICK,
        }
    }

    /// Returns a number that grows while the edge is heard.
    fn count(&mut self) -> u64 {
        match self {
            Self::Quic(sample) => sample.take(),
            Self::Http2(bytes) => bytes.load(Ordering::Relaxed),
        }
    }
}

const TICK: Duration = Duration::from_millis(500);
/// Two pings that went unanswered, and then some.
const QUIC_SICK: Duration = Duration::from_millis(2500);
/// Longer, because what is heard over TCP waits for what was lost before it.
const HTTP2_SICK: Duration = Duration::from_secs(4);
/// When an HTTP/2 connection is given up whose packets are acknowledged and whose edge is silent. If
/// they are not, the kernel gives up before; QUIC has its idle timeout.
const DEAD: Duration = Duration::from_secs(30);
