//! What is remembered of callers for a while, so much at most: what was learnt longest ago is forgotten.

use busyhour_model::{Name, QueueId, Time};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Callers remembered who gave up waiting, all queues together.
const REDIALS_MAX: usize = 10_000;
/// Callers whose last agent is remembered.
const LAST_AGENTS_MAX: usize = 100_000;
/// And for so long, the longest `within` a dialplan can ask for.
const LAST_AGENTS_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// By `K`, since when and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory<K: Ord, V> {
    known: BTreeMap<K, (Time, V)>,
    /// The oldest first.
    order: BTreeSet<(Time, K)>,
}

/// Callers who gave up waiting, by queue and calling number: who calls again soon gets the old place.
pub(crate) type Redials = Memory<(QueueId, String), Left>;
/// The number of the agent who talked to a caller last, by calling number.
pub(crate) type LastAgents = Memory<String, Name>;

/// The place somebody gave up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) since: Time,
    pub(crate) priority: i32,
}

impl<K: Ord, V> Default for Memory<K, V> {
    fn default() -> Memory<K, V> {
        Memory { known: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Clone, V> Memory<K, V> {
    fn keep(&mut self, at: Time, key: K, value: V, max: usize) {
        self.forget(&key);
        if self.known.len() >= max {
            self.forget_oldest();
        }
        self.order.insert((at, key.clone()));
        self.known.insert(key, (at, value));
    }

    fn forget(&mut self, key: &K) -> Option<(Time, V)> {
        let (key, known) = self.known.remove_entry(key)?;
        self.order.remove(&(known.0, key));
        Some(known)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.known.remove(&key);
        }
    }
}

impl Redials {
    /// This caller gave up this place.
    pub(crate) fn remember(&mut self, at: Time, queue: QueueId, number: &str, left: Left) {
        self.keep(at, (queue, number.into()), left, REDIALS_MAX);
    }

    /// The place this caller gave up no longer than `within` ago; it is given once.
    pub(crate) fn take(&mut self, now: Time, queue: QueueId, number: &str, within: Duration) -> Option<Left> {
        let (at, left) = self.forget(&(queue, number.into()))?;
        (now <= at + within).then_some(left)
    }
}

impl LastAgents {
    /// This agent talks to that caller.
    pub(crate) fn remember(&mut self, at: Time, caller: &str, agent: &Name) {
        while self.order.first().is_some_and(|(met, _)| *met + LAST_AGENTS_AGE_MAX < at) {
            self.forget_oldest();
        }
        self.keep(at, caller.into(), agent.clone(), LAST_AGENTS_MAX);
    }

    /// Who talked to this caller last, if no longer than `within` ago.
    pub(crate) fn of(&self, now: Time, caller: &str, within: Duration) -> Option<&Name> {
        let (met, agent) = self.known.get(caller)?;
        (now <= *met + within).then_some(agent)
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
        let left = Left { since: at(40), priority: 7 };
        redials.remember(at(100), QUEUE, "1", left);
        redials.remember(at(100), QUEUE, "2", left);
        assert_eq!(redials.take(at(700), QUEUE, "1", WITHIN), Some(left));
        assert_eq!(redials.take(at(700), QUEUE, "1", WITHIN), None, "once");
        assert_eq!(redials.take(at(700), QueueId(2), "2", WITHIN), None, "another queue");
        assert_eq!(redials.take(at(701), QUEUE, "2", WITHIN), None, "too late");
        assert_eq!(redials, Redials::default(), "nothing is left behind");
    }

    #[test]
    fn who_gave_up_longest_ago_makes_room() {
        let mut redials = Redials::default();
        for caller in 0..=REDIALS_MAX as u64 {
            redials.remember(at(caller), QUEUE, &caller.to_string(), Left { since: at(caller), priority: 0 });
        }
        assert_eq!((redials.known.len(), redials.order.len()), (REDIALS_MAX, REDIALS_MAX));
        let now = at(REDIALS_MAX as u64);
        assert_eq!(redials.take(now, QUEUE, "0", Duration::MAX / 4), None);
    }

    #[test]
    fn the_agent_who_talked_to_a_caller_last_is_known_for_a_while() {
        let (mut last, anna, bert) = (LastAgents::default(), Name::from("1001"), Name::from("1002"));
        last.remember(at(100), "138", &anna);
        last.remember(at(200), "138", &bert);
        last.remember(at(300), "139", &anna);
        assert_eq!(last.of(at(800), "138", WITHIN), Some(&bert), "again and again");
        assert_eq!(last.of(at(800), "138", WITHIN), Some(&bert));
        assert_eq!((last.of(at(801), "138", WITHIN), last.of(at(801), "137", WITHIN)), (None, None));
        last.remember(at(201) + LAST_AGENTS_AGE_MAX, "136", &anna);
        assert_eq!((last.known.len(), last.order.len()), (2, 2), "what nobody can ask for any more is forgotten");
    }

    #[test]
    fn only_so_many_last_agents_are_known() {
        let (mut last, anna) = (LastAgents::default(), Name::from("1001"));
        for caller in 0..=LAST_AGENTS_MAX {
            last.remember(at(1), &caller.to_string(), &anna);
        }
        assert_eq!((last.known.len(), last.order.len()), (LAST_AGENTS_MAX, LAST_AGENTS_MAX));
    }
}
