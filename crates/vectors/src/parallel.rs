//! Several cases at the same time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::{Report, Verdict};

/// Cases that run at the same time. Most of their time they wait.
const PARALLEL: usize = 10;

impl Report {
    /// Gives each case to one of several threads and records the verdicts, in the order of the cases.
    ///
    /// # Panics
    ///
    /// Panics when `verdict` does.
    pub fn give_all<'a>(
        &mut self,
        cases: impl IntoIterator<Item = &'a Value>,
        verdict: impl Fn(&Value) -> Verdict + Sync,
    ) {
        let cases: Vec<&Value> = cases.into_iter().collect();
        let next = AtomicUsize::new(0);
        let verdicts: Vec<_> = cases.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::SeqCst);
                        let Some(case) = cases.get(index) else { break };
                        *verdicts[index].lock().unwrap() = Some(verdict(case));
                    }
                });
            }
        });
        for (case, verdict) in cases.iter().zip(verdicts) {
            let verdict = verdict.into_inner().unwrap();
            self.give(&case["id"], verdict.expect("every case is judged"));
        }
    }
}
