//! Callers who gave up waiting: who calls again soon gets the old place.

use busyhour_model::{QueueId, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Callers remembered, all queues together; who gave up longest ago is forgotten.
const REDIALS_MAX: usize = 10_000;

/// By queue and calling number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Redials {
    places: BTreeMap<(QueueId, String), Left>,
    /// Who gave up longest ago first.
    order: BTreeSet<(Time, QueueId, String)>,
}

/// The place somebody gave up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    at: Time,
    pub(crate) since: Time,
    pub(crate) priority: i32,
}

impl Redials {
    /// This caller gave up a place held since then.
    pub(crate) fn remember(&mut self, at: Time, queue: QueueId, number: &str, since: Time, priority: i32) {
        self.forget(queue, number);
        if self.places.len() >= REDIALS_MAX
            && let Some((_, queue, number)) = self.order.pop_first()
        {
            self.places.remove(&(queue, number));
        }
        self.order.insert((at, queue, number.into()));
        self.places.insert((queue, number.into()), Left { at, since, priority });
    }

    /// The place this caller gave up no longer than `within` ago; it is given once.
    pub(crate) fn take(&mut self, now: Time, queue: QueueId, number: &str, within: Duration) -> Option<Left> {
        self.forget(queue, number).filter(|left| now <= left.at + within)
    }

    fn forget(&mut self, queue: QueueId, number: &str) -> Option<Left> {
        let left = self.places.remove(&(queue, number.to_owned()))?;
        self.order.remove(&(left.at, queue, number.to_owned()));
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueId = QueueId(1);
    const WITHIN: Duration = Duration::from_secs(600);

    fn at(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    #[test]
    fn a_place_is_given_once_to_the_same_caller_of_the_same_queue_in_time() {
        let mut redials = Redials::default();
        let mut left = |number: &str| redials.remember(at(100), QUEUE, number, at(40), 7);
        left("1");
        left("2");
        assert_eq!(redials.take(at(700), QUEUE, "1", WITHIN).map(|l| (l.since, l.priority)), Some((at(40), 7)));
        assert_eq!(redials.take(at(700), QUEUE, "1", WITHIN), None, "once");
        assert_eq!(redials.take(at(700), QueueId(2), "2", WITHIN), None, "another queue");
        assert_eq!(redials.take(at(701), QUEUE, "2", WITHIN), None, "too late");
        assert_eq!(redials, Redials::default(), "nothing is left behind");
    }

    #[test]
    fn who_gave_up_longest_ago_makes_room() {
        let mut redials = Redials::default();
        for caller in 0..=REDIALS_MAX as u64 {
            redials.remember(at(caller), QUEUE, &caller.to_string(), at(caller), 0);
        }
        assert_eq!((redials.places.len(), redials.order.len()), (REDIALS_MAX, REDIALS_MAX));
        let now = at(REDIALS_MAX as u64);
        assert_eq!(redials.take(now, QUEUE, "0", Duration::MAX / 4), None);
    }
}
