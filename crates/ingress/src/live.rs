//! The rules in force. A request keeps the rules it began with; new ones are swapped in whole.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

/// A value that is swapped while it is read, and that may not be there yet.
#[derive(Debug)]
pub(crate) struct Live<T> {
    current: ArcSwapOption<T>,
    version: Mutex<i32>,
    arrived: watch::Sender<bool>,
}

/// The version before any configuration was applied.
const NONE: i32 = -1;

impl<T> Live<T> {
    /// Returns a place where nothing is yet.
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            version: Mutex::new(NONE),
            arrived: watch::Sender::new(false),
        }
    }

    /// Returns what is in force, waiting at most `limit` for the first.
    pub(crate) async fn get(&self, limit: Duration) -> Option<Arc<T>> {
        if let Some(current) = self.current.load_full() {
            return Some(current);
        }
        let mut arrived = self.arrived.subscribe();
        // Whether it arrived or the time is over, what counts is what is there now.
        drop(tokio::time::timeout(limit, arrived.wait_for(|arrived| *arrived)).await);
        self.current.load_full()
    }

    /// Returns what is in force now.
    pub(crate) fn now(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Returns the version in force.
    pub(crate) fn version(&self) -> i32 {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what `make` returns in force as `version`, unless that is not newer than what is.
    ///
    /// # Errors
    ///
    /// Fails as `make` does; what was in force stays.
    pub(crate) fn apply<E>(
        &self,
        version: Option<i32>,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<bool, E> {
        let mut current = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if version.is_some_and(|version| version <= *current) {
            return Ok(false);
        }
        self.current.store(Some(Arc::new(make()?)));
        *current = version.unwrap_or(*current);
        self.arrived.send_replace(true);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_waits_for_the_first_rules() {
        let live = Arc::new(Live::new());
        let waiting = live.get(Duration::from_secs(60));
        let applying = async { live.apply(Some(0), || Ok::<_, ()>(7)) };
        let (got, applied) = tokio::join!(waiting, applying);
        assert_eq!((got.as_deref(), applied), (Some(&7), Ok(true)));
    }

    #[test]
    fn only_newer_versions_apply_and_failures_change_nothing() {
        let live = Live::new();
        assert_eq!(live.apply(None, || Ok::<_, ()>(1)), Ok(true));
        assert_eq!(live.version(), -1);
        assert_eq!(live.apply(Some(3), || Ok::<_, ()>(2)), Ok(true));
        assert_eq!(live.apply(Some(3), || Ok::<_, ()>(3)), Ok(false));
        assert_eq!(live.apply(Some(4), || Err(())), Err(()));
        assert_eq!((live.now().as_deref(), live.version()), (Some(&2), 3));
    }
}
