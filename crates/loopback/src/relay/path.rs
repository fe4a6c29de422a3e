//! Sans-IO. A model of TCP's congestion control on a lossy path.
//!
//! Between two sockets of one machine the kernel loses nothing, so a relay cannot make TCP feel loss
//! by dropping anything. It lets through what a sender with CUBIC would get through instead: a
//! window of segments per round trip, each segment drawn for loss; a loss shrinks the window and
//! holds everything behind it back for the round trip that the repair takes.

use std::time::{Duration, Instant};

use super::weather::Weather;

/// One direction of a TCP connection.
#[derive(Debug)]
pub(super) struct Path {
    weather: Weather,
    /// Segments that may pass per round trip.
    window: f64,
    /// The window at which growth begins to be careful.
    threshold: f64,
    /// The window at the last loss, and when that was.
    peak: f64,
    lost_at: Option<Instant>,
    round: Round,
    /// When the latest bytes arrive; nothing overtakes them.
    latest: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    ends: Option<Instant>,
    left: f64,
    lossy: bool,
}

/// Bytes of one segment.
const SEGMENT: usize = 1448;
/// The window of a new connection, in segments.
const INITIAL: f64 = 10.0;
/// What is left of the window after a loss, and how fast CUBIC grows.
const BETA: f64 = 0.7;
const CUBIC: f64 = 0.4;
/// Segments that Reno, made as gentle after a loss, would add per round trip.
const RENO: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// The shortest retransmission timeout of common systems.
const RETRANSMISSION: Duration = Duration::from_millis(200);
/// The window never gets smaller than this.
const LEAST: f64 = 2.0;
/// The shortest round trip that the model knows.
const SHORTEST: Duration = Duration::from_millis(1);

impl Path {
    pub(super) fn new(weather: Weather) -> Self {
        Self {
            weather,
            window: INITIAL,
            threshold: f64::INFINITY,
            peak: INITIAL,
            lost_at: None,
            round: Round {
                ends: None,
                left: 0.0,
                lossy: false,
            },
            latest: None,
        }
    }

    /// Lets `bytes` bytes pass that are there now; returns when they may leave and when they arrive.
    /// `draw` draws from 0 to 1.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        bytes: usize,
        mut draw: impl FnMut() -> f64,
    ) -> (Instant, Instant) {
        let mut leaves = now;
        let mut held = Duration::ZERO;
        if self.weather.loss > 0.0 {
            for _ in 0..bytes.div_ceil(SEGMENT) {
                leaves = self.take_turn(leaves);
                if draw() < self.weather.loss {
                    self.round.lossy = true;
                    held = self.round_trip();
                }
            }
        }
        let jitter = self.weather.jitter.mul_f64(draw());
        let arrives = leaves + self.weather.delay + jitter + held;
        let arrives = self.latest.map_or(arrives, |latest| latest.max(arrives));
        self.latest = Some(arrives);
        (leaves, arrives)
    }

    /// Takes one segment out of the window; returns when it may leave.
    fn take_turn(&mut self, now: Instant) -> Instant {
        let mut now = now;
        if self.round.left < 1.0 {
            now = self.round.ends.map_or(now, |ends| ends.max(now));
        }
        if self.round.left < 1.0 || self.round.ends.is_some_and(|ends| ends < now) {
            self.begin_round(now);
        }
        self.round.left -= 1.0;
        now
    }

    fn begin_round(&mut self, now: Instant) {
        if let Some(ends) = self.round.ends {
            self.rest(now.saturating_duration_since(ends));
            self.resize(now);
        }
        self.round = Round {
            ends: Some(now + self.round_trip()),
            left: self.window,
            lossy: false,
        };
    }

    /// A sender that has been idle begins carefully, and has learned nothing meanwhile.
    fn rest(&mut self, idle: Duration) {
        if idle >= RETRANSMISSION {
            self.window = self.window.min(INITIAL);
            self.lost_at = self.lost_at.map(|lost| lost + idle);
        }
    }

    fn resize(&mut self, now: Instant) {
        let was_full = self.round.left < 1.0;
        if self.round.lossy {
            self.peak = self.window;
            self.window = (self.window * BETA).max(LEAST);
            self.threshold = self.window;
            self.lost_at = Some(now);
        } else if was_full && self.window < self.threshold {
            self.window *= 2.0;
        } else if was_full {
            let since = self.lost_at.map_or(0.0, |lost| (now - lost).as_secs_f64());
            let turning = (self.peak * (1.0 - BETA) / CUBIC).cbrt();
            let cubic = CUBIC * (since - turning).powi(3) + self.peak;
            // Where CUBIC would be slower than its forefather it does as that one did.
            self.window = cubic.max(self.window + RENO);
        }
    }

    fn round_trip(&self) -> Duration {
        (self.weather.delay * 2).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::chance;

    fn goodput(loss: f64) -> f64 {
        let weather = Weather::losing(3, loss).delayed(Duration::from_millis(20));
        let (mut path, mut chance) = (Path::new(weather), chance(&weather, 0, false));
        let start = Instant::now();
        let mut now = start;
        let (chunk, count) = (16 * 1024, 2000);
        for _ in 0..count {
            now = path.pass(now, chunk, || chance.f64()).0;
        }
        (chunk * count) as f64 / (now - start).as_secs_f64().max(f64::EPSILON)
    }

    #[test]
    fn more_loss_is_slower() {
        let (little, much) = (goodput(0.001), goodput(0.03));
        assert!(little > 2.0 * much, "{little} {much}");
        // What the well-known formula says for 3 % and 40 ms: about 240 KiB/s.
        assert!((100_000.0..1_000_000.0).contains(&much), "{much}");
    }

    #[test]
    fn an_idle_sender_gains_nothing() {
        let weather = Weather::losing(3, 0.01).delayed(Duration::from_millis(20));
        let (mut path, mut chance) = (Path::new(weather), chance(&weather, 0, false));
        let mut now = Instant::now();
        for _ in 0..100 {
            now = path.pass(now, 16 * 1024, || chance.f64()).0;
        }
        now += Duration::from_secs(60);
        now = path.pass(now, 16 * 1024, || chance.f64()).0;
        assert!(path.window <= INITIAL * 2.0, "{path:?} at {now:?}");
    }

    #[test]
    fn nothing_is_overtaken() {
        let weather = Weather::losing(1, 0.1).delayed(Duration::from_millis(5));
        let (mut path, mut chance) = (Path::new(weather), chance(&weather, 0, false));
        let now = Instant::now();
        let arrivals: Vec<_> = (0..100)
            .map(|_| path.pass(now, 4000, || chance.f64()).1)
            .collect();
        assert!(arrivals.is_sorted());
    }
}
