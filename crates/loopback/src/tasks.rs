//! The tasks of the edge: one set, ended together with the edge.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{AbortHandle, JoinSet};

/// A set of tasks that more tasks can be added to from anywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Starts a task, and forgets those that have ended.
    pub(crate) fn start(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while set.try_join_next().is_some() {}
        set.spawn(task)
    }

    /// Ends all tasks.
    pub(crate) fn end(&self) {
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        set.abort_all();
    }
}
