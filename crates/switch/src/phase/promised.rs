//! A call-back waits for an agent, with nobody on the line.

use super::Phase;
use crate::call::Call;
use crate::callbacks::Callback;
use crate::event::Event;
use crate::places::For;
use crate::plant::Plant;
use busyhour_acd::Command;
use busyhour_model::{Cause, DequeueReason, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A queue that does not let calls wait now, nobody being signed in, is tried again after this.
const NOBODY_THERE: Duration = Duration::from_secs(30);
/// Its limit on waiting is for people on the line: the place is taken again after this.
const TIMED_OUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Promised {
    /// Out of the line until then.
    pub(crate) again: Option<Time>,
}

impl Promised {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        // Asked at every turn: a call-back that is always on offer, to agents who never answer, hears no alarm of its own.
        if call.has_expired(plant) {
            self.abandoned(call, plant);
            return call.end(plant, Cause::CallbackExpired, 480);
        }
        match *event {
            Event::Offered { queue, agent, why } => call.ring_for(plant, queue, agent, why, Phase::Promised(self)),
            Event::Overflowed(reason) => {
                let pause = if reason == DequeueReason::TimedOut { TIMED_OUT } else { NOBODY_THERE };
                Phase::Promised(Promised { again: Some(plant.now + pause) })
            }
            Event::Timeout if self.again.is_some_and(|at| at <= plant.now) => call.line_up(plant),
            _ => Phase::Promised(self),
        }
    }

    pub(crate) fn deadline(&self, call: &Call, plant: &Plant) -> Option<Time> {
        let callback = call.callback.as_ref()?;
        let closing = plant.closing_look(callback.queue);
        self.again.into_iter().chain(closing).chain([callback.expires]).min()
    }

    pub(crate) fn abandoned(self, call: &Call, plant: &mut Plant) {
        if self.again.is_none() {
            let _ = plant.acd(Command::Leave { call: call.id });
        }
    }
}

impl Call {
    /// A call-back waits so long, and not when its queue closes and keeps nobody.
    fn has_expired(&self, plant: &Plant) -> bool {
        let over = |callback: &Callback| callback.expires <= plant.now || plant.sends_away(callback.queue);
        self.callback.as_ref().is_none_or(over)
    }

    /// Takes its place in the line.
    pub(crate) fn line_up(&mut self, plant: &mut Plant) -> Phase {
        let place = self.callback.as_ref().and_then(|callback| self.places.of(callback.queue));
        match place.is_some_and(|place| self.stand(plant, place, For::Anybody)) {
            true => Phase::promised(),
            false => self.end(plant, Cause::CallbackFailed, 480),
        }
    }
}
