//! What connectors did that the protocol forbids: kept for tests to assert on, logged for people.

use std::sync::{Arc, Mutex, PoisonError};

/// A growing list of broken rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations(Arc<Mutex<Vec<String>>>);

/// A connector that does nothing but break rules must not fill the memory.
const KEPT: usize = 1000;

impl Violations {
    /// Notes that a rule was broken, in words that say which.
    pub(crate) fn note(&self, rule: impl Into<String>) {
        let rule = rule.into();
        tracing::warn!(%rule, "the connector broke the protocol");
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() < KEPT {
            list.push(rule);
        }
    }

    pub(crate) fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
