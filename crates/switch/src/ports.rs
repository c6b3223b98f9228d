//! RTP ports: a bounded range, handed out in turn, never reused within five seconds.

use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// A late packet of the former call must not reach the next one.
const REST: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ports {
    first: u16,
    last: u16,
    /// Free even ports and since when, longest free first.
    free: VecDeque<(Time, u16)>,
    in_use: usize,
}

impl Ports {
    /// Even ports from `first` to `last`, both included.
    pub(crate) fn new(now: Time, (first, last): (u16, u16)) -> Ports {
        let first = first + first % 2;
        let rested = now - REST;
        let free: VecDeque<_> = (first..=last).step_by(2).map(|port| (rested, port)).collect();
        Ports { first, last, free, in_use: 0 }
    }

    /// The port that has been free longest; `None` when all are in use or resting.
    pub(crate) fn take(&mut self, now: Time) -> Option<u16> {
        let &(since, port) = self.free.front()?;
        (since + REST <= now).then(|| {
            self.free.pop_front();
            self.in_use += 1;
            port
        })
    }

    pub(crate) fn give(&mut self, now: Time, port: u16) {
        self.in_use -= 1;
        if (self.first..=self.last).contains(&port) {
            self.free.push_back((now, port));
        }
    }

    /// Another range from now on; ports in use outside it are forgotten when given back.
    pub(crate) fn resize(&mut self, now: Time, range: (u16, u16), used: &[u16]) {
        if (self.first, self.last) == (range.0 + range.0 % 2, range.1) {
            return;
        }
        let in_use = self.in_use;
        *self = Ports::new(now, range);
        self.free.retain(|(_, port)| !used.contains(port));
        self.in_use = in_use;
    }

    pub(crate) fn in_use(&self) -> usize {
        self.in_use
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_rests_five_seconds_and_the_range_is_the_limit() {
        let now = Time::from_secs(1000);
        let mut ports = Ports::new(now, (10001, 10005));
        assert_eq!((ports.take(now), ports.take(now), ports.take(now)), (Some(10002), Some(10004), None));
        ports.give(now, 10002);
        assert_eq!(ports.take(now + Duration::from_millis(4999)), None);
        assert_eq!(ports.take(now + REST), Some(10002));
        assert_eq!(ports.in_use(), 2);
    }
}
