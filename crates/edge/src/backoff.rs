//! Sans-IO. How long to wait after a failure: exponential, jittered, forgotten after a success.

use std::time::{Duration, Instant};

use crate::dice::Dice;

/// Exponential back-off over the whole interval: each wait is drawn from zero up to a bound that
/// doubles with every failure.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    cap: u8,
    patience: Patience,
    retries: u8,
    /// When earlier failures are forgotten.
    forget_at: Option<Instant>,
}

/// What happens when the cap is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Waits stop growing and go on for ever.
    Endless,
    /// There is no further try.
    Limited,
}

impl Backoff {
    /// Returns a back-off whose bound starts at twice `base` and doubles up to `cap` times.
    pub(crate) const fn new(base: Duration, cap: u8, patience: Patience) -> Self {
        Self {
            base,
            cap,
            patience,
            retries: 0,
            forget_at: None,
        }
    }

    /// Returns the longest wait that the log announces for the next failure, if there is a try left.
    ///
    /// Upstream computes it before it counts the failure: one second right after a success, and
    /// twice the real bound once the cap is reached.
    pub(crate) fn announced(&self, now: Instant) -> Option<Duration> {
        if self.forgets(now) {
            return Some(ANNOUNCED_AFTER_SUCCESS);
        }
        self.allows().then(|| self.bound(self.retries.saturating_add(1)))
    }

    /// Counts a failure and draws the wait before the next try, if there is one left.
    pub(crate) fn wait(&mut self, now: Instant, dice: &mut Dice) -> Option<Duration> {
        if self.forgets(now) {
            self.retries = 0;
            self.forget_at = None;
        }
        if !self.allows() {
            return None;
        }
        if self.retries < self.cap {
            self.retries += 1;
        }
        Some(dice.shorter_than(self.bound(self.retries)))
    }

    /// Forgets all failures: there was a success.
    pub(crate) const fn reset(&mut self, now: Instant) {
        self.retries = 0;
        self.forget_at = Some(now);
    }

    /// Forgets all failures unless another one comes soon.
    pub(crate) fn forget_soon(&mut self, now: Instant, dice: &mut Dice) {
        let grace = dice.shorter_than(self.bound(self.retries.saturating_add(2)));
        self.forget_at = Some(now + grace);
    }

    /// Returns the failures counted so far, at most the cap.
    pub(crate) const fn retries(&self) -> u8 {
        self.retries
    }

    fn allows(&self) -> bool {
        self.patience == Patience::Endless || self.retries < self.cap
    }

    fn forgets(&self, now: Instant) -> bool {
        self.forget_at.is_some_and(|moment| moment <= now)
    }

    fn bound(&self, exponent: u8) -> Duration {
        self.base * (1 << exponent.min(MAX_EXPONENT))
    }
}

/// What upstream announces for the first failure after a success, whatever the base.
const ANNOUNCED_AFTER_SUCCESS: Duration = Duration::from_secs(1);

/// With the base of one second this is nine hours; more doublings would only overflow.
const MAX_EXPONENT: u8 = 15;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn recorded_cases() {
        let Some(file) = adit_vectors::File::open("edge-backoff") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("vectors") {
            report.give(&case["name"], judge(case));
        }
        report.finish();
    }

    fn judge(case: &Value) -> adit_vectors::Verdict {
        let number = |value: &Value| value.as_u64().expect("a number");
        let patience = if case["retry_forever"] == true {
            Patience::Endless
        } else {
            Patience::Limited
        };
        let cap = u8::try_from(number(&case["max_retries"])).expect("a small number");
        let mut backoff = Backoff::new(Duration::from_millis(number(&case["base_ms"])), cap, patience);
        let now = Instant::now();
        for step in case["steps"].as_array().expect("steps") {
            let before = backoff.retries();
            let announced = backoff.announced(now);
            let bound = largest_wait(&backoff, now);
            let wait = backoff.wait(now, &mut Dice::new(7));
            let outcome = serde_json::json!({
                "allowed": announced.is_some(),
                "announced_max_ms": announced.unwrap_or_default().as_millis() as u64,
                "reached_max": (backoff.retries >= backoff.cap),
                "real_exclusive_max_ms": bound.map(|bound| bound.as_millis() as u64),
                "retries_after": backoff.retries(),
                "retries_before": before,
                "timer": wait.is_some(),
            });
            for (key, recorded) in step.as_object().expect("a step") {
                if outcome[key] != *recorded {
                    return adit_vectors::Verdict::Wrong(format!(
                        "{key}: {} instead of {recorded}",
                        outcome[key]
                    ));
                }
            }
        }
        adit_vectors::Verdict::Same
    }

    /// Returns the bound of the next wait, to the millisecond, by drawing often.
    fn largest_wait(backoff: &Backoff, now: Instant) -> Option<Duration> {
        let mut dice = Dice::new(3);
        let mut largest = None;
        for _ in 0..2000 {
            let wait = backoff.clone().wait(now, &mut dice)?;
            largest = largest.max(Some(wait));
        }
        // The draws come within 1 % of a bound that is a whole number of base times.
        let base = backoff.base.as_millis();
        let steps = largest?.as_millis().div_ceil(base);
        Some(backoff.base * u32::try_from(steps).expect("a small number"))
    }

    #[test]
    fn a_success_is_announced_as_one_second_and_starts_over() {
        let now = Instant::now();
        let mut dice = Dice::new(5);
        let mut backoff = Backoff::new(Duration::from_secs(1), 5, Patience::Endless);
        for _ in 0..9 {
            backoff.wait(now, &mut dice);
        }
        assert_eq!(backoff.retries(), backoff.cap);
        backoff.reset(now);
        assert_eq!(backoff.announced(now), Some(Duration::from_secs(1)));
        let wait = backoff.wait(now, &mut dice).expect("endless");
        assert!(wait < Duration::from_secs(2));
        assert_eq!(backoff.announced(now), Some(Duration::from_secs(4)));
    }

    #[test]
    fn a_failure_soon_after_a_success_still_counts() {
        let now = Instant::now();
        let mut dice = Dice::new(5);
        let mut backoff = Backoff::new(Duration::from_secs(10), 5, Patience::Endless);
        backoff.wait(now, &mut dice);
        backoff.forget_soon(now, &mut dice);
        assert_eq!(backoff.retries(), 1);
        let later = now + Duration::from_secs(80);
        backoff.wait(later, &mut dice);
        assert_eq!(backoff.retries(), 1);
    }

    #[test]
    fn an_absurd_cap_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(10), 255, Patience::Endless);
        for _ in 0..300 {
            assert!(backoff.wait(Instant::now(), &mut Dice::new(1)).is_some());
        }
        assert!(backoff.announced(Instant::now()).is_some());
    }
}
