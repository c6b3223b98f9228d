//! Call-backs: the caller hangs up, the place stays, and when an agent is there the customer is called.

use crate::call::Call;
use crate::phase::Phase;
use crate::places::Place;
use crate::plant::Plant;
use crate::switch::Switch;
use busyhour_ivr::Session;
use busyhour_model::{CallId, Entrance, Name, Number, NumberKind, Party, PlanId, QueueId, Time, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Call-backs at once, all queues together.
const CALLBACKS_MAX: usize = 10_000;

/// What a call-back knows beside what every call does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Callback {
    pub(crate) queue: QueueId,
    /// The customer's, in national form.
    pub(crate) number: String,
    pub(crate) expires: Time,
    /// How often the customer was not reached.
    pub(crate) missed: u32,
}

/// Everything a call-back takes over from the call in which it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) of: CallId,
    pub(crate) place: Place,
    pub(crate) origin: Party,
    pub(crate) from: Number,
    pub(crate) to: Number,
    pub(crate) withheld: bool,
    pub(crate) plan: PlanId,
    pub(crate) session: Session,
}

/// Who will be called back: one call-back per queue and number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Callbacks(BTreeSet<(QueueId, String)>);

impl Callbacks {
    /// False when this number is to be called back already or there are too many.
    fn admit(&mut self, queue: QueueId, number: &str, max: u32) -> bool {
        self.0.len() < CALLBACKS_MAX && self.waiting(queue) < max && self.0.insert((queue, number.into()))
    }

    fn forget(&mut self, callback: &Callback) {
        self.0.remove(&(callback.queue, callback.number.clone()));
    }

    pub(crate) fn waiting(&self, queue: QueueId) -> u32 {
        self.0.range((queue, String::new())..(QueueId(queue.0 + 1), String::new())).count() as u32
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains(&self, callback: &Callback) -> bool {
        self.0.contains(&(callback.queue, callback.number.clone()))
    }
}

impl Call {
    /// The caller wants to be called back, there or at the calling number; false: that is not possible.
    pub(crate) fn ask_callback(&mut self, plant: &mut Plant, number: Option<String>) -> bool {
        // A number the caller has keyed in is no secret.
        let withheld = self.withheld && number.is_none();
        let number = number.map_or_else(|| self.from.clone(), |number| Number::parse(&number));
        let Some(place) = self.places.last().cloned() else { return false };
        let Some(max) = plant.directory.queue(place.queue).map(|queue| queue.callback.max) else { return false };
        // Numbers abroad are refused too: calling them on a stranger's word costs money.
        let callable = matches!(number.kind, NumberKind::Mobile | NumberKind::Landline);
        let possible = callable && plant.is_open(place.queue) && plant.trunks.has_outbound();
        if !possible || !plant.callbacks.admit(place.queue, &number.national, max) {
            return false;
        }
        self.places.forget(place.queue);
        plant.plans.stay(self.plan);
        plant.asked.push_back(Asked {
            of: self.id,
            place,
            origin: self.origin.clone(),
            from: number,
            to: self.to.clone(),
            withheld,
            plan: self.plan,
            session: self.session.clone(),
        });
        true
    }

    /// Nobody is to be called back by it any more.
    pub(crate) fn kept_promise(&mut self, plant: &mut Plant) {
        if let Some(callback) = self.callback.take() {
            plant.callbacks.forget(&callback);
        }
    }

    /// Begins to wait without a caller.
    pub(crate) fn promise(&mut self, plant: &mut Plant) -> Phase {
        if let Some(place) = self.callback.as_ref().and_then(|callback| self.places.of(callback.queue)).cloned() {
            let ahead = plant.acd.waiting_in(place.queue);
            self.entered(plant, &place, Entrance::Callback, ahead);
        }
        self.line_up(plant)
    }
}

impl Switch {
    /// Makes the call-back somebody asked for.
    pub(crate) fn promise(&mut self, asked: Asked) {
        let call = CallId(self.next_call);
        self.next_call += 1;
        let queue: Name = self.plant.directory.queue_name(asked.place.queue).clone();
        let (callback_of, origin, from, to) =
            (Some(asked.of), asked.origin.clone(), asked.from.clone(), asked.to.clone());
        self.plant.fact(What::Arrived { call, leg: None, callback_of, origin, from, to, sip_call_id: "".into() });
        if asked.withheld {
            self.plant.fact(What::Identified { call, withheld: true, headers: Vec::new() });
        }
        self.plant.fact(What::CallbackAsked { call: asked.of, callback: call, queue });
        let rules = self.plant.directory.queue(asked.place.queue).map(|queue| queue.callback);
        let expires = self.plant.now + rules.unwrap_or_default().expires;
        self.calls.insert(call, Call::called_back(call, self.plant.now, asked, expires));
        self.tell(call, crate::event::Event::Begin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_queue_and_number_and_no_more_than_the_queue_wants() {
        let mut callbacks = Callbacks::default();
        let queue = QueueId(1);
        assert!(callbacks.admit(queue, "13800138000", 2));
        assert!(!callbacks.admit(queue, "13800138000", 2), "the same caller");
        assert!(callbacks.admit(QueueId(2), "13800138000", 2), "another queue");
        assert!(callbacks.admit(queue, "13800138001", 2));
        assert!(!callbacks.admit(queue, "13800138002", 2), "one more than the queue takes");
        assert_eq!((callbacks.waiting(queue), callbacks.len()), (2, 3));
        let (number, expires) = ("13800138000".into(), Time::ZERO);
        callbacks.forget(&Callback { queue, number, expires, missed: 0 });
        assert!(callbacks.admit(queue, "13800138000", 2), "again once it is over");
    }

    #[test]
    fn there_are_only_so_many() {
        let mut callbacks = Callbacks::default();
        for caller in 0..CALLBACKS_MAX {
            assert!(callbacks.admit(QueueId(1), &caller.to_string(), u32::MAX));
        }
        assert!(!callbacks.admit(QueueId(2), "1", u32::MAX));
    }
}
