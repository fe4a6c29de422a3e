//! The rules in force. A request keeps the rules it began with; new ones are swapped in whole.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::watch;

/// A value that is swapped while it is read, and that may not be there yet.
#[derive(Debug)]
pub(crate) struct Live<T> {
    current: ArcSwapOption<T>,
    version: Mutex<i32>,
    /// Whether what is there is meant to be used, and nothing else is to be waited for.
    settled: AtomicBool,
    arrived: watch::Sender<()>,
}

/// The version before any configuration was applied.
const NONE: i32 = -1;

impl<T> Live<T> {
    /// Returns a place where nothing is yet.
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            version: Mutex::new(NONE),
            settled: AtomicBool::new(false),
            arrived: watch::Sender::new(()),
        }
    }

    /// Returns what is in force, waiting at most `limit` for the first that is meant to be used.
    pub(crate) async fn get(&self, limit: Duration) -> Option<Arc<T>> {
        if !self.is_settled() {
            let mut arrived = self.arrived.subscribe();
            let settled = arrived.wait_for(|()| self.is_settled());
            let waited = tokio::time::timeout(limit, settled).await.is_err();
            if waited && self.now().is_some() {
                // Nothing has come in so long a time: what stands in is what there is.
                self.settle();
            }
        }
        self.current.load_full()
    }

    /// Puts a value in place that is used when nothing comes within the limit of [`Self::get`], or
    /// when it is known that nothing will come.
    pub(crate) fn stand_in(&self, value: T) {
        let version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if *version == NONE && !self.is_settled() {
            self.current.store(Some(Arc::new(value)));
        }
    }

    /// Lets nobody wait any more for something else than what is there.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
        self.arrived.send_replace(());
    }

    fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Returns what is in force now.
    pub(crate) fn now(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// Returns what changes whenever something is put in force.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.arrived.subscribe()
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
        self.settle();
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

    #[tokio::test]
    async fn what_stands_in_is_used_when_nothing_comes() {
        let live = Live::new();
        live.stand_in(1);
        assert_eq!(live.now().as_deref(), Some(&1));
        assert_eq!(live.get(Duration::ZERO).await.as_deref(), Some(&1));
        // Nobody waits a second time.
        assert_eq!(live.get(Duration::MAX).await.as_deref(), Some(&1));
    }

    #[tokio::test]
    async fn what_comes_is_used_instead_of_what_stands_in() {
        let live = Live::new();
        live.stand_in(1);
        let waiting = live.get(Duration::from_secs(60));
        let applying = async { live.apply(Some(0), || Ok::<_, ()>(7)) };
        assert_eq!(tokio::join!(waiting, applying).0.as_deref(), Some(&7));
        live.stand_in(1);
        assert_eq!(live.now().as_deref(), Some(&7));
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
