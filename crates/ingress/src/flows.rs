//! How many private flows there may be at a time: TCP streams and UDP sessions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts flows and refuses those above a limit, which may change at any time.
#[derive(Clone, Debug, Default)]
pub struct Flows(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    active: AtomicU64,
    /// Zero is no limit.
    limit: AtomicU64,
}

/// The place of one flow, free again when dropped.
#[derive(Debug)]
pub struct Flow(Arc<Counts>);

/// There are as many flows as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many active flows")]
pub struct TooManyFlows;

impl Flows {
    /// Changes the limit; zero is none. Flows above it stay.
    pub fn limit(&self, limit: u64) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// Takes a place.
    ///
    /// # Errors
    ///
    /// Fails when there is none.
    pub fn acquire(&self) -> Result<Flow, TooManyFlows> {
        let limit = self.0.limit.load(Ordering::Relaxed);
        let more = |active: u64| (limit == 0 || active < limit).then_some(active + 1);
        let taken = self
            .0
            .active
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(|_| Flow(Arc::clone(&self.0))).map_err(|_| TooManyFlows)
    }

    /// Returns how many flows there are.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.0.active.load(Ordering::Relaxed)
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use adit_vectors::{File, same};

    use super::*;

    #[test]
    fn places_are_given_as_recorded() {
        let Some(file) = File::open("private-flow-limiter") else {
            return;
        };
        let mut report = file.report();
        for case in file.cases("cases") {
            let flows = Flows::default();
            flows.limit(case["initial_limit"].as_u64().unwrap_or_default());
            let mut held = Vec::new();
            let mut outcome = Vec::new();
            let mut recorded = Vec::new();
            for step in case["steps"].as_array().into_iter().flatten() {
                match step["op"].as_str() {
                    Some("acquire") => {
                        let acquired = flows.acquire();
                        outcome.push(acquired.as_ref().err().map(ToString::to_string));
                        recorded.push(step["error"].as_str().map(str::to_owned));
                        held.extend(acquired);
                    }
                    Some("release") => drop(held.pop()),
                    _ => flows.limit(step["limit"].as_u64().expect("a limit")),
                }
            }
            report.give(&case["name"], same(&outcome, &recorded));
        }
        report.finish();
    }
}
