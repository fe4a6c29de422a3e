//! Listens whether the edge is still there, and tells the supervisor before anyone gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::connection::Lost;
use crate::driver::Reporter;
use crate::quic::Sample;

/// A view of what is heard of the edge.
#[derive(Debug)]
pub(crate) enum Pulse {
    /// Packets of a QUIC connection, which ends by itself when there are none.
    Quic(Box<Sample>),
    /// Signs of life of an HTTP/2 connection, which does not.
    Http2 {
        /// Bytes heard.
        heard: Arc<AtomicU64>,
        /// Answers to pings.
        pongs: Arc<AtomicU64>,
    },
}

/// Watches a connection until it is dead, saying when it is sick and when it is well again, and
/// noting in `sick` which of both holds. One that was asked to `leave` is dead sooner.
pub(crate) async fn watch(
    mut pulse: Pulse,
    reporter: &Reporter,
    sick: &watch::Sender<bool>,
    leave: &CancellationToken,
) -> Lost {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listener = Listener::new(Instant::now(), pulse.limits(), pulse.signs());
    loop {
        let now = ticks.tick().await;
        if leave.is_cancelled() {
            listener.hurry();
        }
        let state = listener.hear(now, pulse.signs());
        let is_sick = state != State::Well;
        if sick.send_replace(is_sick) != is_sick {
            if is_sick {
                reporter.sick().await;
            } else {
                reporter.well().await;
            }
        }
        if state == State::Dead {
            return Lost {
                cause: "connection with edge closed: no answer to pings".to_owned(),
                silent: true,
            };
        }
    }
}

impl Pulse {
    const fn limits(&self) -> Limits {
        match self {
            Self::Quic(_) => Limits {
                patience: QUIC_SICK,
                death: None,
            },
            Self::Http2 { .. } => Limits {
                patience: HTTP2_SICK,
                death: Some(DEAD),
            },
        }
    }

    fn signs(&mut self) -> Signs {
        match self {
            Self::Quic(sample) => Signs {
                heard: sample.take(),
                pongs: 0,
            },
            Self::Http2 { heard, pongs } => Signs {
                heard: heard.load(Ordering::Relaxed),
                pongs: pongs.load(Ordering::Relaxed),
            },
        }
    }
}

/// Numbers that grow while the edge is there.
#[derive(Clone, Copy, Debug)]
struct Signs {
    /// Grows with whatever it says.
    heard: u64,
    /// Grows when it answers a ping; never, where nobody counts them.
    pongs: u64,
}

/// How long the edge may say nothing.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Then the connection is sick.
    patience: Duration,
    /// Then it is dead; without a limit it ends by itself.
    death: Option<Duration>,
}

/// What the signs mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Sick,
    Dead,
}

/// Judges the signs of one connection.
#[derive(Debug)]
struct Listener {
    limits: Limits,
    heard: Change,
    pongs: Change,
}

impl Listener {
    const fn new(now: Instant, limits: Limits, signs: Signs) -> Self {
        Self {
            limits,
            heard: Change::new(now, signs.heard),
            pongs: Change::new(now, signs.pongs),
        }
    }

    /// Waits no longer than for one that was asked to leave.
    fn hurry(&mut self) {
        self.limits.death = self.limits.death.map(|limit| limit.min(DEAD_LEAVING));
    }

    fn hear(&mut self, now: Instant, signs: Signs) -> State {
        let silence = self.heard.note(now, signs.heard);
        let unanswered = self.pongs.note(now, signs.pongs);
        // Whoever has answered once can; one that never does is not worth a connection.
        let deaf = signs.pongs > 0 && unanswered > UNANSWERED;
        if self.limits.death.is_some_and(|limit| silence > limit) {
            State::Dead
        } else if deaf || silence > self.limits.patience {
            State::Sick
        } else {
            State::Well
        }
    }
}

/// A number, and when it last changed.
#[derive(Debug)]
struct Change {
    number: u64,
    since: Instant,
}

impl Change {
    const fn new(since: Instant, number: u64) -> Self {
        Self { number, since }
    }

    /// Returns for how long the number has been the same.
    fn note(&mut self, now: Instant, number: u64) -> Duration {
        if number != self.number {
            *self = Self::new(now, number);
        }
        now.saturating_duration_since(self.since)
    }
}

const TICK: Duration = Duration::from_millis(500);
/// Two pings that went unanswered, and then some.
const QUIC_SICK: Duration = Duration::from_millis(2500);
/// Longer, because what is heard over TCP waits for what was lost before it.
const HTTP2_SICK: Duration = Duration::from_secs(4);
/// When an HTTP/2 edge that speaks does not hear: long, because the answer to a ping stands behind a
/// large upload.
const UNANSWERED: Duration = Duration::from_secs(30);
/// When an HTTP/2 connection is given up whose packets are acknowledged and whose edge is silent. If
/// they are not, the kernel gives up before; QUIC has its idle timeout.
const DEAD: Duration = Duration::from_secs(30);
/// The same for one that was asked to leave, whose requests others wait for: as long as the kernel
/// gives a path on which nothing is acknowledged.
const DEAD_LEAVING: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets a second pass between two looks, and returns the seconds at which the state changed.
    fn changes(limits: Limits, seconds: u64, signs: impl Fn(u64) -> Signs) -> Vec<(u64, State)> {
        let start = Instant::now();
        let mut listener = Listener::new(start, limits, signs(0));
        let mut last = State::Well;
        let mut changes = Vec::new();
        for second in 1..=seconds {
            let state = listener.hear(start + Duration::from_secs(second), signs(second));
            if state != last {
                changes.push((second, state));
                last = state;
            }
        }
        changes
    }

    const HTTP2: Limits = Limits {
        patience: HTTP2_SICK,
        death: Some(DEAD),
    };
    const QUIC: Limits = Limits {
        patience: QUIC_SICK,
        death: None,
    };

    #[test]
    fn silence_is_sickness_and_then_death() {
        let until_ten = |second: u64| Signs {
            heard: second.min(10),
            pongs: second.min(10),
        };
        let http2 = [(15, State::Sick), (41, State::Dead)];
        assert_eq!(changes(HTTP2, 60, until_ten), http2);
        assert_eq!(changes(QUIC, 60, until_ten), [(13, State::Sick)]);
    }

    #[test]
    fn whoever_was_asked_to_leave_is_dead_sooner() {
        let start = Instant::now();
        let silence = Signs { heard: 1, pongs: 1 };
        let mut listener = Listener::new(start, HTTP2, silence);
        let mut state = |second| listener.hear(start + Duration::from_secs(second), silence);
        assert_eq!(state(11), State::Sick);
        listener.hurry();
        let mut state = |second| listener.hear(start + Duration::from_secs(second), silence);
        assert_eq!(state(10), State::Sick);
        assert_eq!(state(11), State::Dead);

        let mut listener = Listener::new(start, QUIC, silence);
        listener.hurry();
        assert_eq!(
            listener.hear(start + Duration::from_secs(60), silence),
            State::Sick,
            "it ends by itself"
        );
    }

    #[test]
    fn a_voice_heals() {
        let gap = |second: u64| Signs {
            heard: if (5..20).contains(&second) { 5 } else { second },
            pongs: 0,
        };
        assert_eq!(changes(HTTP2, 60, gap), [(10, State::Sick), (20, State::Well)]);
    }

    #[test]
    fn an_edge_that_speaks_and_does_not_hear_is_found_out() {
        let deaf = |second: u64| Signs {
            heard: second,
            pongs: second.min(10),
        };
        assert_eq!(changes(HTTP2, 100, deaf), [(41, State::Sick)]);
        let slow = |second: u64| Signs {
            heard: second,
            pongs: second / 25,
        };
        assert_eq!(changes(HTTP2, 100, slow), []);
    }

    #[test]
    fn nobody_is_held_to_pings_that_it_never_answers() {
        let mute = |second: u64| Signs {
            heard: second,
            pongs: 0,
        };
        assert_eq!(changes(HTTP2, 1000, mute), []);
    }
}
