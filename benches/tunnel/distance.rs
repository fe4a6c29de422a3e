//! How far the connector's core is from the others: how long it takes to hand over what was written.
//!
//! A virtual machine does not stay where it is. When its cores move from one part of the processor to
//! two, every packet costs several times as much, whoever sends it, and the figures of two turns can
//! only be compared when both saw the same.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Trouble;
use crate::metric::median;

/// Distances that were seen during some turns, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distances {
    low: f64,
    high: f64,
}

/// How often something is handed to and fro before the clock is looked at.
const EXCHANGES: usize = 2000;
const LOOKS: usize = 9;
/// How many times as far apart cores may become before figures cannot be compared.
const STEADY: f64 = 1.5;

impl Distances {
    /// Nothing has been seen.
    pub(crate) const NONE: Self = Self {
        low: f64::INFINITY,
        high: 0.0,
    };

    /// Adds what was seen, if there was anything to see.
    pub(crate) fn see(&mut self, distance: Option<f64>) {
        if let Some(distance) = distance {
            self.join(Self {
                low: distance,
                high: distance,
            });
        }
    }

    /// Adds what was seen elsewhere.
    pub(crate) const fn join(&mut self, other: Self) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }

    /// Returns whether the cores stayed where they were.
    pub(crate) fn are_steady(self) -> bool {
        self.high <= self.low * STEADY
    }

    /// Returns what lies between, if there is anything.
    pub(crate) fn middle(self) -> Option<f64> {
        (self.high > 0.0).then(|| f64::midpoint(self.low, self.high))
    }
}

/// Measures how many nanoseconds it takes until one core sees what the other has written.
pub(crate) fn between(one: &CpuSet, other: &CpuSet) -> Result<f64, Trouble> {
    let ball = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Whatever fails, nobody may be left waiting for the ball.
        let answering = scope.spawn(|| {
            let pinned = sched_setaffinity(None, other);
            for serve in 0..EXCHANGES * LOOKS {
                pass(&ball, 2 * serve + 1);
            }
            pinned
        });
        let serving = scope.spawn(|| {
            let pinned = sched_setaffinity(None, one);
            let looks: Vec<f64> = (0..LOOKS).map(|look| look_once(&ball, look)).collect();
            pinned.map(|()| looks)
        });
        answering.join().map_err(|_| "the other core has failed")??;
        let looks = serving.join().map_err(|_| "the connector's core has failed")??;
        median(looks).ok_or_else(|| "there was nothing to measure".into())
    })
}

/// Hands the ball to and fro; returns how long each way took.
fn look_once(ball: &AtomicUsize, look: usize) -> f64 {
    let begun = Instant::now();
    for serve in look * EXCHANGES..(look + 1) * EXCHANGES {
        pass(ball, 2 * serve);
    }
    begun.elapsed().as_nanos() as f64 / EXCHANGES as f64 / 2.0
}

/// Waits until the ball has this number, and gives it the next.
fn pass(ball: &AtomicUsize, number: usize) {
    while ball.load(Ordering::Acquire) != number {
        std::hint::spin_loop();
    }
    ball.store(number + 1, Ordering::Release);
}
