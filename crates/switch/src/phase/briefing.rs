//! An agent has answered and hears what there is to know of the caller, who still waits and hears the queue's music.

use super::queued::offer_ended;
use super::{Partner, Phase, Promised, Purpose, Talking};
use crate::call::Call;
use crate::event::{Event, Gone};
use crate::phase::talking::PHONE_LOST;
use crate::places::For;
use crate::plant::Plant;
use busyhour_model::{AgentId, DequeueReason, LegId, OfferOutcome, QueueId, Time, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The caller waits no longer for what is said to the agent.
const BRIEFING_MAX: Duration = Duration::from_secs(20);
/// Why an agent who hung up on it takes no calls: as if the offer had been refused.
const REFUSED: &str = "refused";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Briefing {
    pub(super) leg: LegId,
    pub(super) queue: QueueId,
    pub(super) agent: AgentId,
    began: Time,
}

impl Briefing {
    /// The agent who answered hears what the dialplan says of the caller; at once the caller, when that is nothing.
    pub(super) fn begin(call: &mut Call, plant: &mut Plant, leg: LegId, queue: QueueId, agent: AgentId) -> Phase {
        let since = call.places.of(queue).map_or(plant.now, |place| place.since);
        let sounds = call.session.briefing(plant.plans.plan(call.plan), plant.now.since(since));
        let briefing = Briefing { leg, queue, agent, began: plant.now };
        // A bot is told by its first message.
        if sounds.is_empty() || plant.legs.program(leg).is_some() {
            return briefing.through(call, plant);
        }
        plant.play(leg, sounds, false);
        Phase::Briefing(briefing)
    }

    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        match *event {
            // Any key says: enough.
            Event::PlayEnded { leg, .. } | Event::Digit { leg, .. } if leg == self.leg => self.ended(call, plant),
            Event::Timeout if plant.now >= self.deadline() => self.ended(call, plant),
            // What was being said to the caller has been heard.
            Event::PlayEnded { .. } => {
                plant.play_system(call.caller, "system/moh");
                Phase::Briefing(self)
            }
            Event::Gone { leg, how } if leg == self.leg => self.left(call, plant, how),
            _ => Phase::Briefing(self),
        }
    }

    pub(crate) fn deadline(&self) -> Time {
        self.began + BRIEFING_MAX
    }

    fn ended(self, call: &mut Call, plant: &mut Plant) -> Phase {
        plant.stop(self.leg);
        self.told(call, plant);
        self.through(call, plant)
    }

    fn told(&self, call: &Call, plant: &mut Plant) {
        let (agent, took) = (plant.directory.agent_number(self.agent).clone(), plant.now.since(self.began));
        plant.fact(What::Briefed(busyhour_model::Briefing { call: call.id, agent, took }));
    }

    /// Caller and agent talk, or the customer to call back is called.
    fn through(self, call: &mut Call, plant: &mut Plant) -> Phase {
        let Briefing { leg, queue, agent, .. } = self;
        offer_ended(call, plant, queue, agent, OfferOutcome::Answered);
        if call.callback.is_some() {
            return call.call_customer(plant, leg, queue, agent);
        }
        plant.stop(call.caller);
        plant.bridge(call.caller, leg);
        let party = plant.party_of(leg, call);
        call.connected(plant, &party, Some(queue));
        let partner = Partner { leg, party, purpose: Purpose::Offer { queue, agent } };
        Phase::Talking(Talking::greeted(call, plant, partner, queue))
    }

    /// The agent is gone; the caller, who has noticed nothing, waits on.
    fn left(self, call: &mut Call, plant: &mut Plant, how: Gone) -> Phase {
        self.told(call, plant);
        let (reason, outcome) = match how {
            Gone::Vanished => (PHONE_LOST, OfferOutcome::Unreachable),
            _ => (REFUSED, OfferOutcome::Refused),
        };
        offer_ended(call, plant, self.queue, self.agent, outcome);
        plant.send_away(self.agent, reason, |plant| plant.release(self.agent));
        if call.callback.is_some() {
            return Phase::Promised(Promised { again: Some(plant.now) });
        }
        call.wait_on(plant, self.queue)
    }

    /// The caller is gone.
    pub(crate) fn abandoned(self, call: &mut Call, plant: &mut Plant) {
        self.told(call, plant);
        offer_ended(call, plant, self.queue, self.agent, OfferOutcome::Abandoned);
        if call.callback.is_none() {
            call.leave_queue(plant, self.queue, DequeueReason::Abandoned);
        }
        plant.release(self.agent);
    }
}

impl Call {
    /// Waits again, in the place it had.
    fn wait_on(&mut self, plant: &mut Plant, queue: QueueId) -> Phase {
        let place = self.places.of(queue).cloned();
        if !place.is_some_and(|place| self.stand(plant, &place, For::Anybody)) {
            return self.turned_away(plant, queue, DequeueReason::Full);
        }
        self.session.resume_waiting(plant.now);
        self.run_steps(plant, Phase::queued(queue))
    }
}
