//! The control loop's alarm clock, exact to microseconds: the runtime's own timers round up to a millisecond, and an agent
//! whose after-call work ends would be offered the next caller that much later.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One timer of the system.
#[derive(Debug)]
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    /// When it rings; it may ring too early, never too late.
    armed: Option<Instant>,
}

impl Timer {
    /// A timer of the runtime this is called in.
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Timer> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        // SAFETY: an `OwnedFd` is open and the same descriptor as long as it lives, and the `AsyncFd` owns it.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(Timer { fd, armed: None })
    }

    /// Waits until `deadline`; for ever when there is none. Dropped and called again it goes on waiting.
    pub async fn until(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            if self.armed.is_none_or(|at| at > deadline) && self.arm(left).is_err() {
                return tokio::time::sleep_until(deadline.into()).await;
            }
            self.armed = Some(self.armed.map_or(deadline, |at| at.min(deadline)));
            if let Ok(mut ready) = self.fd.readable().await {
                // What it counted does not matter; reading makes it quiet until it rings again.
                let _ = ready.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut [0; 8])?));
                self.armed = None;
            }
        }
    }

    fn arm(&self, left: Duration) -> io::Result<()> {
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let after = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let wanted = Itimerspec { it_interval: once, it_value: after };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &wanted)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn it_rings_at_each_deadline_whether_earlier_or_later_than_the_last() {
        let mut timer = Timer::new().unwrap();
        let start = Instant::now();
        // Asked for a late one, then given up: the next may be earlier.
        tokio::select! {
            () = timer.until(Some(start + Duration::from_secs(3600))) => panic!("an hour has not passed"),
            () = tokio::task::yield_now() => {}
        }
        for ms in [3, 1, 7, 7] {
            let deadline = start + Duration::from_millis(ms);
            timer.until(Some(deadline)).await;
            assert!(Instant::now() >= deadline);
        }
        assert!(start.elapsed() < Duration::from_secs(60), "it rang at all");
    }
}
