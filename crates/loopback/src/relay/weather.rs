//! Sans-IO. What becomes of a packet.

use std::time::Duration;

/// What a path does to packets, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Whatever happens happens again for the same seed and the same packets.
    pub seed: u64,
    /// How many of all packets are lost, from 0 to 1.
    pub loss: f64,
    /// How many of all packets arrive twice, from 0 to 1.
    pub duplicate: f64,
    /// How many of all packets are overtaken by those behind them, from 0 to 1.
    pub reorder: f64,
    /// How long every packet takes.
    pub delay: Duration,
    /// How much longer a packet takes at most, at random.
    pub jitter: Duration,
}

/// How much longer a packet takes that is overtaken, beyond all jitter.
const OVERTAKEN: Duration = Duration::from_millis(5);

impl Weather {
    /// Returns weather that only loses packets.
    #[must_use]
    pub fn losing(seed: u64, loss: f64) -> Self {
        Self {
            seed,
            loss,
            ..Self::default()
        }
    }

    /// Sets how long every packet takes.
    #[must_use]
    pub const fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Returns after what time each copy of a packet arrives. `draw` draws from 0 to 1.
    pub(super) fn fate(&self, mut draw: impl FnMut() -> f64) -> Fate {
        // Every packet draws the same number of times, so that one kind of weather can be changed
        // without changing the rest.
        let (loss, twice, overtaken) = (draw(), draw(), draw());
        let jitter = self.jitter.mul_f64(draw());
        let after = self.delay + jitter;
        let after = if overtaken < self.reorder {
            after + self.jitter + OVERTAKEN
        } else {
            after
        };
        Fate {
            first: (loss >= self.loss).then_some(after),
            second: (loss >= self.loss && twice < self.duplicate).then_some(after),
        }
    }
}

/// After what time the copies of a packet arrive, if they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    first: Option<Duration>,
    second: Option<Duration>,
}

impl Fate {
    pub(super) fn copies(self) -> impl Iterator<Item = Duration> {
        self.first.into_iter().chain(self.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::chance;

    #[test]
    fn the_same_seed_brings_the_same_weather() {
        let weather = Weather {
            reorder: 0.1,
            duplicate: 0.1,
            ..Weather::losing(7, 0.03).delayed(Duration::from_millis(40))
        };
        let draw = || {
            let mut chance = chance(&weather, 1, true);
            (0..10_000)
                .map(|_| weather.fate(|| chance.f64()))
                .collect::<Vec<_>>()
        };
        let fates = draw();
        assert_eq!(fates, draw());
        let lost = fates.iter().filter(|fate| fate.first.is_none()).count();
        assert!((200..400).contains(&lost), "{lost}");
        let twice = fates.iter().filter(|fate| fate.second.is_some()).count();
        assert!((850..1100).contains(&twice), "{twice}");
    }
}
