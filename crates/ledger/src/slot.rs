//! Counts per queue and quarter of an hour. Counts only: rates are computed when somebody asks.

use crate::{Ratio, Surveys, VisitEnd};
use busyhour_model::{Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Length of a slot in seconds; slots start at multiples of it.
pub const SLOT_SECS: u64 = 900;
/// Slots kept, all queues together: 8 days of 30 queues. The oldest go first; the store keeps the rest.
pub const SLOTS_MAX: usize = 96 * 8 * 30;
/// An abandoned call that waited less is a short abandon.
const SHORT_ABANDON_MS: u64 = 5_000;
/// The T of "within T", in seconds.
pub const THRESHOLDS_S: [u64; 19] = [3, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 480, 600, 720, 900, 1800, 2400];

/// Which slot: its start, and the queue. A call belongs to the slot in which it was offered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// Start.
    pub start: Time,
    /// Queue.
    pub queue: Name,
}

impl Slot {
    /// The slot of a call offered to `queue` at `at`.
    pub fn of(at: Time, queue: &Name) -> Slot {
        Slot { start: Time::from_secs(at.as_secs() / SLOT_SECS * SLOT_SECS), queue: queue.clone() }
    }
}

/// Sum and maximum of a span in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Sum.
    pub sum_ms: u64,
    /// Maximum.
    pub max_ms: u64,
}

impl Total {
    pub(crate) fn add(&mut self, span_ms: u64) {
        self.sum_ms += span_ms;
        self.max_ms = self.max_ms.max(span_ms);
    }

    fn merge(&mut self, other: Total) {
        self.sum_ms += other.sum_ms;
        self.max_ms = self.max_ms.max(other.max_ms);
    }
}

/// What became of call-backs: asked = reached + unreached + expired + removed + in progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callbacks {
    /// Callers who asked for one.
    pub asked: u64,
    /// Agent and customer talked.
    pub reached: u64,
    /// The customer was never reached.
    pub unreached: u64,
    /// It waited too long.
    pub expired: u64,
    /// Ended by us.
    pub removed: u64,
}

impl Callbacks {
    /// All that ended, one way or another.
    pub fn ended(&self) -> u64 {
        self.reached + self.unreached + self.expired + self.removed
    }

    pub(crate) fn end(&mut self, end: VisitEnd) {
        match end {
            VisitEnd::Answered => self.reached += 1,
            VisitEnd::Unreached => self.unreached += 1,
            VisitEnd::Expired => self.expired += 1,
            _ => self.removed += 1,
        }
    }
}

/// The counts of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Asked for an agent.
    pub offered: u64,
    /// Got one.
    pub answered: u64,
    /// Of those, within each of [`THRESHOLDS_S`].
    pub answered_within: [u64; THRESHOLDS_S.len()],
    /// Gave up waiting.
    pub abandoned_waiting: u64,
    /// Gave up while a phone rang.
    pub abandoned_ringing: u64,
    /// Of both, within each of [`THRESHOLDS_S`].
    pub abandoned_within: [u64; THRESHOLDS_S.len()],
    /// Of both, within 5 s.
    pub short_abandons: u64,
    /// Overflowed: waited too long.
    pub timed_out: u64,
    /// Overflowed: queue full.
    pub full: u64,
    /// Overflowed: nobody signed in.
    pub no_agents: u64,
    /// Overflowed: left by key.
    pub left: u64,
    /// Overflowed: the queue was closed.
    #[serde(default)]
    pub closed: u64,
    /// Left to be called back; what becomes of that is in `callbacks`.
    pub called_back: u64,
    /// Ended by us.
    pub refused: u64,
    /// Call-backs, in none of the other counts.
    pub callbacks: Callbacks,
    /// Answered calls that were on hold at least once.
    pub held: u64,
    /// Answered calls whose callers were sent on.
    pub transferred: u64,
    /// Of the offered, those that came from an agent: sent on, or the agent's phone was lost.
    pub returned: u64,
    /// Of the offered, those of callers who had given up, called again soon and got the old place.
    pub resumed: u64,
    /// Wait of answered calls.
    pub wait: Total,
    /// Wait of all that ended.
    pub wait_all: Total,
    /// Ringing.
    pub ring: Total,
    /// Talk without hold.
    pub talk: Total,
    /// Hold.
    pub hold: Total,
    /// After-call work.
    pub wrap_up: Total,
    /// What callers said afterwards.
    #[serde(default)]
    pub surveys: Surveys,
}

impl Counts {
    /// Abandoned, waiting or ringing.
    pub fn abandoned(&self) -> u64 {
        self.abandoned_waiting + self.abandoned_ringing
    }

    /// Left the queue for another treatment.
    pub fn overflowed(&self) -> u64 {
        self.timed_out + self.full + self.no_agents + self.left + self.closed
    }

    /// All that ended, one way or another.
    pub fn ended(&self) -> u64 {
        self.answered + self.abandoned() + self.overflowed() + self.called_back + self.refused
    }

    /// 接起率: answered of offered.
    pub fn answer_rate(&self) -> Ratio {
        Ratio { part: self.answered, whole: self.offered }
    }

    /// 服务水平: answered within `seconds` of offered; `None` when that T is not counted.
    pub fn service_level(&self, seconds: u64) -> Option<Ratio> {
        let index = THRESHOLDS_S.iter().position(|&t| t == seconds)?;
        Some(Ratio { part: self.answered_within[index], whole: self.offered })
    }

    /// 放弃率: abandoned of offered.
    pub fn abandonment_rate(&self) -> Ratio {
        Ratio { part: self.abandoned(), whole: self.offered }
    }

    /// 转接率: sent on of answered.
    pub fn transfer_rate(&self) -> Ratio {
        Ratio { part: self.transferred, whole: self.answered }
    }

    pub(crate) fn end(&mut self, end: VisitEnd, wait_ms: u64) {
        match end {
            VisitEnd::Answered => {
                self.answered += 1;
                self.wait.add(wait_ms);
                within(&mut self.answered_within, wait_ms);
            }
            VisitEnd::AbandonedWaiting => self.abandon(wait_ms, false),
            VisitEnd::AbandonedRinging => self.abandon(wait_ms, true),
            VisitEnd::TimedOut => self.timed_out += 1,
            VisitEnd::Full => self.full += 1,
            VisitEnd::NoAgents => self.no_agents += 1,
            VisitEnd::Left => self.left += 1,
            VisitEnd::Closed => self.closed += 1,
            VisitEnd::Callback => self.called_back += 1,
            VisitEnd::Refused | VisitEnd::Unreached | VisitEnd::Expired => self.refused += 1,
        }
        self.wait_all.add(wait_ms);
    }

    fn abandon(&mut self, wait_ms: u64, ringing: bool) {
        *(if ringing { &mut self.abandoned_ringing } else { &mut self.abandoned_waiting }) += 1;
        self.short_abandons += u64::from(wait_ms < SHORT_ABANDON_MS);
        within(&mut self.abandoned_within, wait_ms);
    }

    /// Adds another slot's counts: the sum of days is the month.
    pub fn merge(&mut self, other: &Counts) {
        for (mine, theirs) in self.plain_mut().into_iter().zip({ *other }.plain_mut()) {
            *mine += *theirs;
        }
        for i in 0..THRESHOLDS_S.len() {
            self.answered_within[i] += other.answered_within[i];
            self.abandoned_within[i] += other.abandoned_within[i];
        }
        self.wait.merge(other.wait);
        self.wait_all.merge(other.wait_all);
        self.ring.merge(other.ring);
        self.talk.merge(other.talk);
        self.hold.merge(other.hold);
        self.wrap_up.merge(other.wrap_up);
    }

    fn plain_mut(&mut self) -> [&mut u64; 25] {
        [
            &mut self.offered,
            &mut self.answered,
            &mut self.abandoned_waiting,
            &mut self.abandoned_ringing,
            &mut self.short_abandons,
            &mut self.timed_out,
            &mut self.full,
            &mut self.no_agents,
            &mut self.left,
            &mut self.closed,
            &mut self.refused,
            &mut self.held,
            &mut self.transferred,
            &mut self.returned,
            &mut self.resumed,
            &mut self.called_back,
            &mut self.callbacks.asked,
            &mut self.callbacks.reached,
            &mut self.callbacks.unreached,
            &mut self.callbacks.expired,
            &mut self.callbacks.removed,
            &mut self.surveys.invited,
            &mut self.surveys.rated,
            &mut self.surveys.satisfied,
            &mut self.surveys.marks,
        ]
    }
}

fn within(counts: &mut [u64; THRESHOLDS_S.len()], span_ms: u64) {
    for (count, limit_s) in counts.iter_mut().zip(THRESHOLDS_S) {
        *count += u64::from(span_ms <= limit_s * 1000);
    }
}

/// All slots, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slots(BTreeMap<Slot, Counts>);

impl Slots {
    pub(crate) fn at(&mut self, slot: &Slot) -> &mut Counts {
        if !self.0.contains_key(slot) && self.0.len() >= SLOTS_MAX {
            self.0.pop_first();
        }
        self.0.entry(slot.clone()).or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Slot, &Counts)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_belongs_to_the_slot_it_was_offered_in() {
        let queue: Name = "credit".into();
        let nine = Time::from_secs(9 * 3600);
        for (offset, slot) in [(0, 0), (899, 0), (900, 900), (1799, 900)] {
            let at = nine + std::time::Duration::from_secs(offset);
            assert_eq!(Slot::of(at, &queue).start.as_secs(), 9 * 3600 + slot, "offset {offset}");
        }
    }

    #[test]
    fn within_counts_are_cumulative_and_inclusive() {
        let mut counts = Counts::default();
        for wait_ms in [3_000, 3_001, 20_000, 20_001, 2_400_000, 2_400_001] {
            counts.offered += 1;
            counts.end(VisitEnd::Answered, wait_ms);
        }
        assert_eq!(counts.answered_within[0], 1);
        assert_eq!(counts.service_level(20).map(|r| r.to_string()), Some("50.00".into()));
        assert_eq!(counts.answered_within[18], 5);
        assert_eq!(counts.service_level(21), None, "a T nobody counted has no answer");
        assert_eq!(counts.wait.max_ms, 2_400_001);
    }

    #[test]
    fn every_end_is_counted_once_and_days_add_up() {
        use VisitEnd::{AbandonedRinging, AbandonedWaiting, Answered, Closed, Full, Left, NoAgents, Refused, TimedOut};
        let mut day = Counts::default();
        for end in [Answered, AbandonedWaiting, AbandonedRinging, TimedOut, Full, NoAgents, Left, Closed, Refused] {
            day.offered += 1;
            day.end(end, 4_999);
        }
        assert_eq!(day.ended(), day.offered);
        assert_eq!((day.abandoned(), day.short_abandons, day.overflowed()), (2, 2, 5));
        let mut month = day;
        month.merge(&day);
        assert_eq!((month.offered, month.ended(), month.abandoned_within[1]), (18, 18, 4));
        assert_eq!(month.wait_all, Total { sum_ms: 18 * 4_999, max_ms: 4_999 });
    }

    #[test]
    fn the_oldest_slots_go_first() {
        let queue: Name = "q".into();
        let mut slots = Slots::default();
        for i in 0..=SLOTS_MAX as u64 {
            slots.at(&Slot::of(Time::from_secs(i * SLOT_SECS), &queue)).offered += 1;
        }
        assert_eq!(slots.iter().count(), SLOTS_MAX);
        assert_eq!(slots.iter().next().map(|(s, _)| s.start.as_secs()), Some(SLOT_SECS));
    }
}
