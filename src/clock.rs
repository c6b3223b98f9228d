//! The one clock: wall time at start, monotonic from there.

use busyhour_model::Time;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Copy it wherever time is needed; all copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    base: Time,
    start: Instant,
}

impl Clock {
    /// Starts at the system's wall clock; later adjustments of that do not reach us.
    pub fn start() -> Clock {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { base: Time::from_micros(wall.as_micros() as u64), start: Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.base + self.start.elapsed()
    }

    /// The same moment for timers of the runtime.
    pub fn instant(&self, at: Time) -> Instant {
        self.start + at.since(self.base)
    }
}

/// CPU time of one thread, readable from any other.
#[derive(Debug)]
pub struct CpuTime(Option<std::fs::File>);

impl CpuTime {
    /// Of the calling thread.
    pub fn of_this_thread() -> CpuTime {
        CpuTime(std::fs::File::open("/proc/thread-self/schedstat").ok())
    }

    /// Spent so far; zero where the system does not tell.
    pub fn spent(&self) -> Duration {
        use std::os::unix::fs::FileExt;
        let mut text = [0; 64];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or_default();
        let nanos = std::str::from_utf8(&text[..read]).ok().and_then(|t| t.split(' ').next()?.parse().ok());
        Duration::from_nanos(nanos.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_worked_has_spent_time() {
        let cpu = CpuTime::of_this_thread();
        let before = cpu.spent();
        let mut sum = 0_u64;
        while cpu.spent() == before && sum < u64::from(u32::MAX) {
            sum = std::hint::black_box(sum + 1);
            std::thread::yield_now();
        }
        assert!(cpu.spent() > before);
    }
}
