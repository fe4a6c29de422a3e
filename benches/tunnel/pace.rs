//! A steady beat, finer than the timer of the runtime.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::Trouble;

/// Tells when requests are due.
#[derive(Debug)]
pub(crate) struct Pace {
    timer: AsyncFd<OwnedFd>,
    interval: Duration,
    /// When the next request is due.
    next: Instant,
}

impl Pace {
    /// Returns a beat of so many requests in a second.
    #[expect(
        deprecated,
        reason = "its successor is unsafe; what is registered here owns its descriptor"
    )]
    pub(crate) fn new(rate: f64) -> Result<Self, Trouble> {
        let interval = Duration::try_from_secs_f64(1.0 / rate)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let step = Timespec::try_from(interval)?;
        let begin = Itimerspec {
            it_interval: step,
            it_value: step,
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &begin)?;
        Ok(Self {
            timer: AsyncFd::new(timer)?,
            interval,
            next: Instant::now() + interval,
        })
    }

    /// Waits until requests are due; returns when each of them was.
    pub(crate) async fn due(&mut self) -> Result<Vec<Instant>, Trouble> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut beats = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut beats)?));
            let Ok(read) = read else {
                continue;
            };
            read?;
            let beats = u64::from_ne_bytes(beats);
            return Ok((0..beats).map(|_| self.beat()).collect());
        }
    }

    fn beat(&mut self) -> Instant {
        let due = self.next;
        self.next += self.interval;
        due
    }
}
