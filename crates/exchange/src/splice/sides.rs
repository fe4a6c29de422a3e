//! The two sides of a splice, and which of them has something new.
//!
//! A task learns that it was woken and not by what. With a waker for each side it asks the edge when
//! the edge has news and the origin when the origin has: every question costs a lock or a counter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Both sides, for as long as one task polls the splice.
pub(super) struct Sides {
    pub(super) edge: Side,
    pub(super) origin: Side,
}

/// One side, to be polled with a waker of its own.
pub(super) struct Side {
    bell: Arc<Bell>,
    waker: Waker,
}

/// Wakes the task and remembers that it did.
struct Bell {
    rung: AtomicBool,
    task: Waker,
}

impl Sides {
    /// Returns the sides for the task of `cx`. New ones have news: nobody has asked yet.
    pub(super) fn of<'s>(known: &'s mut Option<Self>, cx: &Context<'_>) -> &'s Self {
        let still = known.take().filter(|sides| sides.edge.belongs_to(cx));
        known.insert(still.unwrap_or_else(|| Self {
            edge: Side::new(cx),
            origin: Side::new(cx),
        }))
    }
}

impl Side {
    fn new(cx: &Context<'_>) -> Self {
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(true),
            task: cx.waker().clone(),
        });
        Self {
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// Returns what to poll this side with.
    pub(super) const fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Returns whether something has happened here since the last time.
    pub(super) fn has_news(&self) -> bool {
        self.bell.rung.load(Ordering::Relaxed) && self.bell.rung.swap(false, Ordering::AcqRel)
    }

    fn belongs_to(&self, cx: &Context<'_>) -> bool {
        self.bell.task.will_wake(cx.waker())
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(std::sync::atomic::AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_side_has_its_own_news_and_both_wake_the_task() {
        let count = Arc::new(Count(0.into()));
        let task = Waker::from(Arc::clone(&count));
        let cx = Context::from_waker(&task);
        let mut sides = None;
        let news = |sides: &Sides| (sides.edge.has_news(), sides.origin.has_news());
        assert_eq!(news(Sides::of(&mut sides, &cx)), (true, true), "nobody has asked");
        assert_eq!(news(Sides::of(&mut sides, &cx)), (false, false));
        Sides::of(&mut sides, &cx).edge.waker.wake_by_ref();
        assert_eq!(news(Sides::of(&mut sides, &cx)), (true, false));
        Sides::of(&mut sides, &cx).origin.waker.wake_by_ref();
        assert_eq!(news(Sides::of(&mut sides, &cx)), (false, true));
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn another_task_asks_anew() {
        let tasks: Vec<_> = (0..2).map(|_| Waker::from(Arc::new(Count(0.into())))).collect();
        let mut sides = None;
        for task in &tasks {
            let sides = Sides::of(&mut sides, &Context::from_waker(task));
            assert!(sides.edge.has_news() && sides.origin.has_news());
        }
    }
}
