//! Overload control: what is refused while inputs wait too long to be handled; what is going on always comes first.

use crate::Method;
use crate::event::Event;
use crate::stack::Stack;
use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A wait nobody told anew for so long says nothing any more.
const STALE: Duration = Duration::from_secs(1);
/// Who is refused comes back after so many seconds, spread so that not all come at once.
const RETRY_AFTER: std::ops::Range<u64> = 2..11;

/// Refused from the longer wait on, taken again from the shorter one.
struct Band {
    begins: Duration,
    ends: Duration,
}

/// Registrations and subscriptions are repeated and give way first.
const REGISTRATIONS: Band = Band { begins: Duration::from_millis(50), ends: Duration::from_millis(10) };
/// New calls.
const CALLS: Band = Band { begins: Duration::from_millis(100), ends: Duration::from_millis(20) };

/// How long inputs wait, and what is refused for that.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Overload {
    /// Smoothed.
    wait: Duration,
    told: Time,
    registrations: bool,
    calls: bool,
    /// Requests refused in this episode.
    refused: u64,
}

impl Band {
    fn holds(&self, before: bool, wait: Duration) -> bool {
        wait > if before { self.ends } else { self.begins }
    }
}

impl Overload {
    /// Takes a wait just measured; whether an episode began or ended.
    fn tell(&mut self, now: Time, wait: Duration) -> Option<bool> {
        let before = self.registrations;
        let known = now.since(self.told) < STALE;
        self.wait = if known { (self.wait * 3 + wait) / 4 } else { wait };
        self.told = now;
        self.registrations = REGISTRATIONS.holds(self.registrations && known, self.wait);
        self.calls = CALLS.holds(self.calls && known, self.wait);
        (before != self.registrations).then_some(self.registrations)
    }

    fn refuses(&self, now: Time, method: &Method) -> bool {
        let refused = if *method == Method::Invite { self.calls } else { self.registrations };
        refused && now.since(self.told) < STALE
    }
}

impl Stack {
    /// How long the next input waited before it is handled. While that is too long, new requests outside dialogs get 503.
    pub fn handle_wait(&mut self, now: Time, wait: Duration) {
        if let Some(on) = self.overload.tell(now, wait) {
            let refused = std::mem::take(&mut self.overload.refused);
            self.events.push_back(Event::Overload { on, refused });
        }
    }

    /// Whether a request outside dialogs has to come again later.
    pub(crate) fn is_too_much(&mut self, now: Time, method: &Method) -> bool {
        let refused = self.overload.refuses(now, method);
        self.overload.refused += u64::from(refused);
        refused
    }

    /// Seconds until a refused peer may come back.
    pub(crate) fn draw_retry_after(&mut self) -> u64 {
        RETRY_AFTER.start + self.net.random.draw() % (RETRY_AFTER.end - RETRY_AFTER.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn registrations_give_way_before_calls_and_both_come_back_later() {
        let mut overload = Overload::default();
        let mut now = Time::from_secs(1_000);
        let mut seen = Vec::new();
        for wait in [0, 40, 60, 90, 110, 110, 110, 200, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
            now += millis(20);
            let turn = overload.tell(now, millis(wait));
            let state = (overload.refuses(now, &Method::Register), overload.refuses(now, &Method::Invite), turn);
            if seen.last() != Some(&state) {
                seen.push(state);
            }
        }
        let expected = [
            (false, false, None),
            (true, false, Some(true)),
            (true, false, None),
            (true, true, None),
            (true, false, None),
            (false, false, Some(false)),
            (false, false, None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_was_told_long_ago_refuses_nobody() {
        let mut overload = Overload::default();
        let now = Time::from_secs(1_000);
        assert_eq!(overload.tell(now, millis(500)), Some(true));
        assert!(overload.refuses(now + millis(999), &Method::Invite));
        assert!(!overload.refuses(now + STALE, &Method::Invite));
        assert_eq!(overload.tell(now + STALE, millis(15)), Some(false), "nor does it keep on what would not begin");
    }
}
