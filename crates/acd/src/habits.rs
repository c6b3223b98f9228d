//! What a queue's traffic was like: how often calls come, how long they take, how long callers stay.

use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counts are halved when they reach this: the last thousand or so decide.
const COUNT_MAX: u32 = 2_048;

/// Sums over the recent past, the older the less.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Habits {
    /// Since when arrivals are counted.
    since: Time,
    arrivals: u32,
    gone: u32,
    handled: u32,
    /// Microseconds of all calls waited, for how many who left.
    waited: u64,
    /// Microseconds from offer to answer.
    rung: u64,
    /// Microseconds from answer to end.
    talked: u64,
}

impl Habits {
    pub(crate) fn new(now: Time) -> Habits {
        Habits { since: now, arrivals: 0, gone: 0, handled: 0, waited: 0, rung: 0, talked: 0 }
    }

    #[inline]
    pub(crate) fn arrived(&mut self, now: Time) {
        self.arrivals += 1;
        if self.arrivals == COUNT_MAX {
            self.arrivals /= 2;
            self.since += now.since(self.since) / 2;
        }
    }

    /// A call waited so many microseconds in all, and then gave up or not.
    #[inline]
    pub(crate) fn waited(&mut self, micros: u64, gave_up: bool) {
        self.waited += micros;
        self.gone += u32::from(gave_up);
        if self.gone == COUNT_MAX {
            (self.gone, self.waited) = (self.gone / 2, self.waited / 2);
        }
    }

    /// An agent's phone rang so many microseconds, and then they talked.
    #[inline]
    pub(crate) fn talked(&mut self, rung: u64, talked: u64) {
        self.handled += 1;
        self.rung += rung;
        self.talked += talked;
        if self.handled == COUNT_MAX {
            (self.handled, self.rung, self.talked) = (self.handled / 2, self.rung / 2, self.talked / 2);
        }
    }

    /// Calls per second.
    pub(crate) fn arrival_rate(&self, now: Time) -> f64 {
        per_second(self.arrivals, now.since(self.since).as_micros() as u64)
    }

    /// Ends of conversations per second and agent, ringing included; `None` when none ended yet.
    pub(crate) fn release_rate(&self) -> Option<f64> {
        (self.handled > 0).then(|| per_second(self.handled, self.rung + self.talked))
    }

    /// How long an agent's phone rings, on average.
    pub(crate) fn ring(&self) -> Duration {
        Duration::from_micros(self.rung / u64::from(self.handled.max(1)))
    }

    /// Callers who give up per second and waiting caller.
    pub(crate) fn abandon_rate(&self) -> f64 {
        per_second(self.gone, self.waited)
    }
}

fn per_second(count: u32, micros: u64) -> f64 {
    if count == 0 { 0.0 } else { f64::from(count) * 1e6 / micros.max(1) as f64 }
}
