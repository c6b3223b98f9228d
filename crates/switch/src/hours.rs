//! How queues stand: when they are open, and what becomes of those who wait when one closes.

use crate::plant::Plant;
use crate::setup::Closing;
use busyhour_ivr::QueueState;
use busyhour_model::{Entrance, Name, QueueId, Schedule, Time};

impl Plant {
    /// What a dialplan may ask of a queue; `None` when there is none of this name.
    pub(crate) fn queue_state(&self, name: &Name) -> Option<QueueState> {
        let queue = self.directory.queue_id(name)?;
        let view = self.acd.queue(queue)?;
        Some(QueueState {
            open: self.is_open(queue),
            waiting: view.waiting,
            signed_in: view.agents_signed_in,
            ready: view.agents_ready,
            wait: self.acd.next_wait(self.now, queue),
        })
    }

    pub(crate) fn is_open(&self, queue: QueueId) -> bool {
        self.schedule(queue).is_none_or(|(schedule, _)| schedule.is_open(self.now))
    }

    /// Whether a call that enters so may wait there now: who had a place before it closed keeps it.
    pub(crate) fn admits(&self, queue: QueueId, entrance: Entrance) -> bool {
        let had_a_place = matches!(entrance, Entrance::Returned | Entrance::PhoneLost);
        self.is_open(queue) || had_a_place && !self.sends_away(queue)
    }

    /// Whether those who wait there are sent away now.
    pub(crate) fn sends_away(&self, queue: QueueId) -> bool {
        let (now, closing) = (self.now, Closing::Overflow);
        self.schedule(queue).is_some_and(|(schedule, then)| then == closing && !schedule.is_open(now))
    }

    /// When a call that waits there looks again whether it may stay; `None`: it may.
    pub(crate) fn closing_look(&self, queue: QueueId) -> Option<Time> {
        let (schedule, _) = self.schedule(queue).filter(|(_, then)| *then == Closing::Overflow)?;
        Some(if schedule.is_open(self.now) { schedule.next_look(self.now) } else { self.now })
    }

    fn schedule(&self, queue: QueueId) -> Option<(&Schedule, Closing)> {
        let queue = self.directory.queue(queue)?;
        let name = queue.schedule.as_ref()?;
        let (_, schedule) = self.setup.schedules.iter().find(|(known, _)| known == name)?;
        Some((schedule, queue.closing))
    }
}
