//! How much a trunk takes: channels each way and for tiers, calls a second, calls to one number.

use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Numbers called whose last calls are remembered, per trunk; of more, those called longest ago are forgotten.
const RECENT_MAX: usize = 100_000;

/// What a trunk takes beside its channels in sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkLimits {
    /// No new calls.
    pub drained: bool,
    /// Channels for calls in.
    pub channels_in: Option<u32>,
    /// Channels for calls out.
    pub channels_out: Option<u32>,
    /// Calls in, each second; so many may come at once.
    pub rate_in: Option<u32>,
    /// Calls out, each second, evenly spaced.
    pub rate_out: Option<u32>,
    /// A call out waits so long for its turn; then it goes by another trunk or not at all.
    pub wait_max: Duration,
    /// Calls to one number: at most so many in so long.
    pub callee: Vec<(u32, Duration)>,
    /// Channels of tiers.
    pub tiers: Vec<TierChannels>,
}

impl Default for TrunkLimits {
    fn default() -> TrunkLimits {
        TrunkLimits {
            drained: false,
            channels_in: None,
            channels_out: None,
            rate_in: None,
            rate_out: None,
            wait_max: Duration::from_secs(2),
            callee: Vec::new(),
            tiers: Vec::new(),
        }
    }
}

/// What a tier may use of a trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierChannels {
    /// Which; `None`: callers without a tier.
    pub tier: Option<Name>,
    /// So many channels are kept free for it.
    pub keep: u32,
    /// It has no more than so many.
    pub max: Option<u32>,
}

/// When the next call may pass, of so many a second (a token bucket by its empty time: GCRA).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shaper {
    /// When it will be as if nothing had passed.
    rested: Time,
}

impl Shaper {
    /// How long until one more may pass; `burst` may at once after a rest.
    pub(crate) fn wait(&self, now: Time, rate: u32, burst: u32) -> Duration {
        let allowance = space(rate) * burst.saturating_sub(1);
        self.rested.since(now + allowance)
    }

    /// One passes at `at`.
    pub(crate) fn pass(&mut self, at: Time, rate: u32) {
        self.rested = self.rested.max(at) + space(rate);
    }
}

/// Between two calls of an even stream.
fn space(rate: u32) -> Duration {
    Duration::from_secs(1) / rate.max(1)
}

/// When numbers were called, by number; or when agents called out, by agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    known: BTreeMap<Name, VecDeque<Time>>,
    /// By the last call, the one longest ago first.
    order: BTreeSet<(Time, Name)>,
}

impl Recent {
    /// Whether one more call to this number is within all limits.
    pub(crate) fn admits(&self, now: Time, number: &str, limits: &[(u32, Duration)]) -> bool {
        let Some(calls) = self.known.get(number) else { return limits.iter().all(|(calls, _)| *calls > 0) };
        limits.iter().all(|(max, within)| {
            let recent = calls.iter().rev().take_while(|at| now < **at + *within).count();
            recent < *max as usize
        })
    }

    /// The number is called.
    pub(crate) fn remember(&mut self, now: Time, number: &str, limits: &[(u32, Duration)]) {
        let (Some(most), Some(longest)) =
            (limits.iter().map(|(calls, _)| *calls).max(), limits.iter().map(|(_, within)| *within).max())
        else {
            return;
        };
        while self.order.first().is_some_and(|(last, _)| *last + longest <= now) {
            self.forget_oldest();
        }
        let name = Name::from(number);
        let calls = self.known.entry(name.clone()).or_default();
        if let Some(last) = calls.back() {
            self.order.remove(&(*last, name.clone()));
        }
        calls.push_back(now);
        if calls.len() > most as usize {
            calls.pop_front();
        }
        self.order.insert((now, name));
        if self.known.len() > RECENT_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, name)) = self.order.pop_first() {
            self.known.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use busyhour_model::Seed;

    const START: Time = Time::from_secs(1_000_000);

    /// In no second more than the rate beside what may come at once, however calls come.
    #[test]
    fn no_second_has_more_than_its_calls() {
        for (rate, burst) in [(1, 1), (20, 20), (20, 1), (7, 3)] {
            let (mut shaper, mut seed, mut now) = (Shaper::default(), Seed(u64::from(rate)), START);
            let mut passed: Vec<Time> = Vec::new();
            for _ in 0..5_000 {
                now += Duration::from_micros(seed.draw() % 80_000);
                if shaper.wait(now, rate, burst).is_zero() {
                    shaper.pass(now, rate);
                    passed.push(now);
                }
            }
            for (first, at) in passed.iter().enumerate() {
                let within = passed[first..].iter().take_while(|other| **other < *at + Duration::from_secs(1)).count();
                assert!(within <= (rate + burst) as usize, "{within} calls in a second of {rate} + {burst}");
            }
            assert!(passed.len() > 100, "{} calls of {rate} a second", passed.len());
        }
    }

    #[test]
    fn a_turn_that_was_waited_for_is_taken() {
        let mut shaper = Shaper::default();
        let millis = Duration::from_millis;
        for expected in [0, 50, 100] {
            let wait = shaper.wait(START, 20, 1);
            assert_eq!(wait, millis(expected));
            shaper.pass(START + wait, 20);
        }
        assert_eq!(shaper.wait(START + millis(120), 20, 1), millis(30));
    }

    /// Once a minute, three times an hour.
    #[test]
    fn a_number_is_called_only_so_often() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3600));
        let limits = [(1, minute), (3, hour)];
        let mut callees = Recent::default();
        let mut call = |after: u64, number: &str| {
            let now = START + minute * after as u32;
            let admits = callees.admits(now, number, &limits);
            if admits {
                callees.remember(now, number, &limits);
            }
            admits
        };
        assert!(call(0, "13800138000") && !call(0, "13800138000") && call(0, "13900139000"));
        assert!(call(1, "13800138000") && call(2, "13800138000"));
        assert!(!call(3, "13800138000") && !call(59, "13800138000"), "three in this hour");
        assert!(call(60, "13800138000"), "the first is an hour ago");
        assert!(call(61, "13800138000"), "and so is the second");
    }

    #[test]
    fn numbers_called_long_ago_are_forgotten() {
        let limits = [(2, Duration::from_secs(1_000_000))];
        let mut callees = Recent::default();
        for number in 0..=RECENT_MAX as u64 {
            callees.remember(START + Duration::from_millis(number), &number.to_string(), &limits);
        }
        assert_eq!((callees.known.len(), callees.order.len()), (RECENT_MAX, RECENT_MAX));
        assert!(!callees.known.contains_key("0") && callees.known.contains_key("1"));
        callees.remember(START + Duration::from_secs(2_000_000), "x", &limits);
        assert_eq!((callees.known.len(), callees.order.len()), (1, 1), "the limits ask for no more");
    }
}
