//! The place a call has in a queue: kept while the caller is in the dialplan or with an agent.

use crate::call::Call;
use crate::desk;
use crate::memory::Left;
use crate::phase::Phase;
use crate::plant::Plant;
use busyhour_acd::{Command, Enqueue, Prefer, Skill};
use busyhour_ivr::{Input, Wish};
use busyhour_model::{AgentId, DequeueReason, Entrance, NumberKind, Party, QueueId, Time, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Queues one call keeps a place in; the one entered longest ago is forgotten.
const PLACES_MAX: usize = 16;
/// Who comes back when the queue's limit is as good as up waits at least so long, but never more than half the limit.
const GRACE: Duration = Duration::from_secs(60);

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) queue: QueueId,
    /// When the queue was entered first.
    pub(crate) since: Time,
    /// Added head start, points.
    pub(crate) priority: i32,
    /// Required in addition to what the queue requires.
    pub(crate) required: Vec<Skill>,
}

/// Whom a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    Anybody,
    Only(AgentId),
    /// This one first, for a time.
    Rather(Prefer),
}

/// One call's places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Places {
    /// The newest last.
    kept: Vec<Place>,
    /// The newest, also when the queue did not keep the call: it is good for a call-back.
    last: Option<Place>,
}

impl Places {
    pub(crate) fn of(&self, queue: QueueId) -> Option<&Place> {
        self.kept.iter().find(|place| place.queue == queue)
    }

    /// The place in the queue entered last.
    pub(crate) fn last(&self) -> Option<&Place> {
        self.last.as_ref()
    }

    /// The place is used up: the caller was served, or will be called back.
    pub(crate) fn forget(&mut self, queue: QueueId) {
        self.lose(queue);
        self.last.take_if(|place| place.queue == queue);
    }

    /// The queue does not keep the call.
    fn lose(&mut self, queue: QueueId) {
        self.kept.retain(|place| place.queue != queue);
    }

    pub(crate) fn keep(&mut self, place: Place) {
        self.lose(place.queue);
        if self.kept.len() >= PLACES_MAX {
            self.kept.remove(0);
        }
        self.last = Some(place.clone());
        self.kept.push(place);
    }
}

impl Call {
    /// The place in a queue the caller asks for: the one had before, in this call or in the one given up, or a new one.
    pub(crate) fn place_in(
        &self,
        plant: &mut Plant,
        queue: QueueId,
        priority: i32,
        required: Vec<Skill>,
    ) -> (Place, Entrance) {
        let place = |since, least: i32| Place { queue, since, priority: priority.max(least), required };
        if let Some(kept) = self.places.of(queue) {
            return (place(kept.since, kept.priority), Entrance::Returned);
        }
        match self.given_up(plant, queue) {
            Some(left) => (place(left.since, left.priority), Entrance::Resumed),
            None => (place(plant.now, priority), Entrance::First),
        }
    }

    /// The place this caller gave up in a former call.
    fn given_up(&self, plant: &mut Plant, queue: QueueId) -> Option<Left> {
        let within = plant.directory.queue(queue)?.redial_within?;
        plant.redials.take(plant.now, queue, self.known_caller()?, within)
    }

    /// The caller gave up waiting, and may call again.
    pub(crate) fn give_up(&self, plant: &mut Plant, queue: QueueId) {
        let resumes = plant.directory.queue(queue).is_some_and(|queue| queue.redial_within.is_some());
        if let (true, Some(number), Some(place)) = (resumes, self.known_caller(), self.places.of(queue)) {
            let left = Left { since: place.since, priority: place.priority };
            plant.redials.remember(plant.now, queue, number, left);
        }
    }

    /// The number of a caller from outside who shows one.
    pub(crate) fn known_caller(&self) -> Option<&str> {
        let known = matches!(self.origin, Party::Trunk(_)) && self.from.kind != NumberKind::Anonymous;
        known.then_some(&self.from.national)
    }

    /// Takes a place and waits.
    pub(crate) fn wait(&mut self, plant: &mut Plant, place: &Place, entrance: Entrance, whom: For) -> Phase {
        let queue = place.queue;
        self.places.keep(place.clone());
        self.tier = self.session.tier();
        let ahead = plant.acd.waiting_in(queue);
        // Verdicts reach the call after this handler: the fact comes before theirs.
        let open = plant.admits(queue, entrance);
        let taken = open && self.stand(plant, place, whom);
        self.entered(plant, place, entrance, ahead);
        match (open, taken) {
            (false, _) => self.turned_away(plant, queue, DequeueReason::Closed),
            (true, false) => self.turned_away(plant, queue, DequeueReason::Full),
            (true, true) => Phase::queued(queue),
        }
    }

    /// Tells the facts that it has this place, behind so many of the queue.
    pub(crate) fn entered(&self, plant: &mut Plant, place: &Place, entrance: Entrance, ahead: u32) {
        let Place { queue, since, priority, .. } = *place;
        let base = plant.directory.queue(queue).map_or(0, |queue| queue.priority);
        let name = plant.directory.queue_name(queue).clone();
        let priority = base.saturating_add(self.with_tier(plant, priority));
        let (call, queue_id, queue, tier) = (self.id, queue, name, self.tier.clone());
        let wait = plant.acd.place(plant.now, call).and_then(|place| place.wait);
        plant.fact(What::Enqueued { call, queue_id, queue, priority, ahead, since, entrance, tier, wait });
    }

    /// Points of the place and of the caller's tier.
    fn with_tier(&self, plant: &Plant, priority: i32) -> i32 {
        priority.saturating_add(plant.tiers.priority(self.tier.as_ref()))
    }

    /// Takes the place in the line; false when there is no such queue any more, or no room in the ACD.
    pub(crate) fn stand(&self, plant: &mut Plant, place: &Place, whom: For) -> bool {
        let Place { queue, since, priority, required } = place.clone();
        let wait_max = plant.directory.queue(queue).and_then(|queue| queue.wait_max);
        let since = in_time(plant.now, since, wait_max);
        let (call, priority) = (self.id, self.with_tier(plant, priority));
        let (agent, prefer) = match whom {
            For::Anybody => (None, None),
            For::Only(agent) => (Some(agent), None),
            For::Rather(prefer) => (None, Some(prefer)),
        };
        plant.acd(Command::Enqueue(Enqueue { call, queue, required, priority, since, agent, prefer })).is_ok()
    }

    /// Puts the caller into a queue: with the place the call has in queue `from`, else a new one.
    pub(crate) fn send_to(
        &mut self,
        plant: &mut Plant,
        queue: QueueId,
        from: Option<QueueId>,
        entrance: Entrance,
    ) -> Phase {
        let wish = self.hear_waiting(plant, queue);
        let required = plant.directory.skills(&wish.skills);
        let kept = from.and_then(|from| self.places.of(from)).map(|place| (place.since, place.priority));
        let (since, priority) = kept.unwrap_or((plant.now, wish.priority));
        if let Some(from) = from {
            self.places.forget(from);
        }
        let place = Place { queue, since, priority: priority.max(wish.priority), required };
        let phase = self.wait(plant, &place, entrance, For::Anybody);
        self.run_steps(plant, phase)
    }

    /// The session goes on as the in-queue programme: of the call's own plan, or of the desk's when that one has none.
    pub(crate) fn hear_waiting(&mut self, plant: &mut Plant, queue: QueueId) -> Wish {
        let name = plant.directory.queue_name(queue);
        if let Some(wish) = self.session.rejoin(plant.now, plant.plans.plan(self.plan), name) {
            return wish;
        }
        if let Some(desk) = plant.plans.enter(desk::WAITING) {
            self.session = self.session.moved(plant.plans.plan(desk));
            plant.plans.leave(std::mem::replace(&mut self.plan, desk));
        }
        self.session.rejoin(plant.now, plant.plans.plan(self.plan), desk::ANY_QUEUE).unwrap_or_default()
    }

    /// The queue does not keep the call: on in the dialplan, and what place there was is gone.
    pub(crate) fn turned_away(&mut self, plant: &mut Plant, queue: QueueId, reason: DequeueReason) -> Phase {
        self.places.lose(queue);
        let queue = plant.directory.queue_name(queue).clone();
        plant.fact(What::Dequeued { call: self.id, queue, reason });
        self.run_program(plant, Phase::in_ivr(), Input::Dequeued(reason))
    }
}

/// Since when a place counts for the queue's limit on waiting: from its beginning, unless that would leave no time to
/// be served.
fn in_time(now: Time, since: Time, wait_max: Option<Duration>) -> Time {
    match wait_max {
        Some(wait_max) if since < now => since.max(now + GRACE.min(wait_max / 2) - wait_max),
        _ => since,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(queue: u32, since: u64) -> Place {
        Place { queue: QueueId(queue), since: Time::from_secs(since), priority: 0, required: Vec::new() }
    }

    #[test]
    fn a_call_keeps_one_place_per_queue_and_forgets_the_oldest_of_too_many() {
        let mut places = Places::default();
        for queue in 0..=PLACES_MAX as u32 {
            places.keep(place(queue, 1));
        }
        assert_eq!((places.kept.len(), places.of(QueueId(0))), (PLACES_MAX, None));
        places.keep(place(1, 2));
        assert_eq!((places.kept.len(), places.of(QueueId(1))), (PLACES_MAX, Some(&place(1, 2))));
        places.lose(QueueId(1));
        assert_eq!((places.of(QueueId(1)), places.last()), (None, Some(&place(1, 2))), "good for a call-back");
        places.forget(QueueId(1));
        assert_eq!(places.last(), None);
    }

    #[test]
    fn who_comes_back_late_has_time_to_be_served() {
        let now = Time::from_secs(10_000);
        let since = |since, wait_max: u64| {
            let max = Some(Duration::from_secs(wait_max));
            in_time(now, Time::from_secs(since), max).as_secs()
        };
        assert_eq!(since(9_900, 600), 9_900, "early enough: the time is the original one");
        assert_eq!(since(9_000, 600), 9_460, "a minute is left");
        assert_eq!(since(9_000, 40), 9_980, "half of a short limit is left");
        assert_eq!(since(10_000, 0), 10_000, "a new call waits as the queue says");
        assert_eq!(in_time(now, Time::from_secs(1), None).as_secs(), 1);
    }
}
