//! Where packets belong in time: by their timestamps while their stream keeps time, else by when they came.

use crate::outgoing::Origin;
use crate::samples;
use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A packet so far before its time is a sender whose clock jumped: 200 ms.
const EARLY_MAX: i64 = 1600;
/// A packet so far behind its time is a sender whose clock jumped: 1 s.
pub(crate) const LATE_MAX: i64 = 8000;
/// A stream that is out of step by more for a second is put back in step: 20 ms.
const STEP_MAX: i64 = 160;

/// Samples counted from a moment, and where the last packet of a stream was among them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Anchor {
    since: Time,
    last: Option<Placed>,
}

/// Where a timestamp of a stream is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Placed {
    stream: u32,
    timestamp: u32,
    at: i64,
    /// How long after their time packets came at least, since it was looked last.
    slack: Option<i64>,
}

impl Anchor {
    /// Sample 0 is spoken then.
    pub(crate) fn new(since: Time) -> Anchor {
        Anchor { since, last: None }
    }

    /// The sample that is spoken now.
    pub(crate) fn position(&self, now: Time) -> u64 {
        u64::from(samples(now.since(self.since)))
    }

    /// When a sample is spoken.
    pub(crate) fn at(&self, sample: u64) -> Time {
        self.since + Duration::from_micros(sample * 125)
    }

    /// Where a packet of `len` samples belongs.
    pub(crate) fn place(&mut self, now: Time, origin: &Origin, len: i64) -> i64 {
        let (stream, timestamp) = (origin.stream, origin.header.timestamp);
        let came = self.position(now) as i64 - len;
        let known = self.last.filter(|last| last.stream == stream);
        let by_stamp = known.map(|last| last.at + i64::from(timestamp.wrapping_sub(last.timestamp) as i32));
        let in_time = by_stamp.filter(|at| (-EARLY_MAX..=LATE_MAX).contains(&(came - at)));
        let at = in_time.unwrap_or(came);
        let slack = known.filter(|_| in_time.is_some()).and_then(|last| last.slack);
        let slack = Some(slack.map_or(came - at, |slack| slack.min(came - at)));
        self.last = Some(Placed { stream, timestamp, at, slack });
        at
    }

    /// Puts a stream that is out of step back in step; asked each second.
    pub(crate) fn step(&mut self) {
        if let Some(last) = &mut self.last
            && let Some(slack) = last.slack.take().filter(|slack| slack.abs() > STEP_MAX)
        {
            last.at += slack;
        }
    }
}
