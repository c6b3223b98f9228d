//! A call-back has an agent, who hears the customer's phone ring.

use super::{Partner, Phase, Promised, Purpose, Talking};
use crate::call::Call;
use crate::event::Event;
use crate::plant::Plant;
use busyhour_ivr::DialTarget;
use busyhour_model::{AgentId, Audio, Cause, LegId, Party, QueueId, Time, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An agent who hangs up on a ringing customer is not asked again at once.
const AGENT_LEFT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calling {
    /// The agent's.
    pub(crate) leg: LegId,
    /// The offer the agent took.
    pub(crate) purpose: Purpose,
    /// The customer's.
    pub(crate) customer: LegId,
    pub(crate) deadline: Time,
}

impl Calling {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match event {
            Event::LegAnswered { leg, audio } if leg == self.customer => self.reached(call, plant, audio),
            Event::Progress { leg, audio: Some(audio), .. } if leg == self.customer => {
                plant.connect(leg, audio);
                plant.stop(self.leg);
                plant.bridge(leg, self.leg);
                Phase::Calling(self)
            }
            Event::Gone { leg, .. } if leg == self.customer => self.missed(call, plant),
            Event::Gone { leg, .. } if leg == self.leg => self.left_alone(plant),
            Event::Timeout if plant.now >= self.deadline => self.missed(call, plant),
            _ => Phase::Calling(self),
        }
    }

    /// From here on all is as if the customer had called.
    fn reached(self, call: &mut Call, plant: &mut Plant, audio: Audio) -> Phase {
        let Purpose::Offer { queue, agent } = self.purpose else { return self.missed(call, plant) };
        let customer = self.customer;
        plant.answered(customer);
        plant.fact(What::Answered { call: call.id });
        plant.fact(What::LegAnswered { call: call.id, leg: customer });
        plant.connect(customer, audio);
        plant.stop(self.leg);
        plant.bridge(customer, self.leg);
        call.reached(plant, queue, customer);
        let party = Party::Agent(plant.directory.agent_number(agent).clone());
        call.connected(plant, &party, Some(queue));
        let partner = Partner { leg: self.leg, party, purpose: self.purpose };
        Phase::Talking(Talking::greeted(call, plant, partner, queue))
    }

    fn missed(self, call: &mut Call, plant: &mut Plant) -> Phase {
        plant.drop_leg(self.customer, 487);
        match self.purpose {
            Purpose::Offer { queue, agent } => call.missed(plant, self.leg, queue, agent),
            Purpose::Dial { .. } => call.end(plant, Cause::CallbackFailed, 480),
        }
    }

    /// The agent hung up while the customer's phone rang: no fault of the customer's, another agent's turn in a moment.
    fn left_alone(self, plant: &mut Plant) -> Phase {
        plant.drop_leg(self.customer, 487);
        self.abandoned(plant);
        Phase::Promised(Promised { again: Some(plant.now + AGENT_LEFT) })
    }

    pub(crate) fn abandoned(self, plant: &mut Plant) {
        if let Purpose::Offer { agent, .. } = self.purpose {
            plant.release(agent);
        }
    }
}

impl Call {
    /// The agent of a call-back has answered: the customer's turn.
    pub(crate) fn call_customer(&mut self, plant: &mut Plant, leg: LegId, queue: QueueId, agent: AgentId) -> Phase {
        let number = self.callback.as_ref().map(|callback| callback.number.clone()).unwrap_or_default();
        match self.ring_target(plant, DialTarget::Number { number, trunk: None }) {
            Ok((customer, _)) => {
                plant.play_system(leg, "system/ringback");
                let ring = plant.directory.queue(queue).map(|queue| queue.callback).unwrap_or_default().ring;
                let (purpose, deadline) = (Purpose::Offer { queue, agent }, plant.now + ring);
                Phase::Calling(Calling { leg, purpose, customer, deadline })
            }
            Err(_) => self.missed(plant, leg, queue, agent),
        }
    }

    /// The customer was not reached: again after a pause, in the same place, or never.
    fn missed(&mut self, plant: &mut Plant, leg: LegId, queue: QueueId, agent: AgentId) -> Phase {
        plant.drop_leg(leg, 487);
        plant.release(agent);
        let rules = plant.directory.queue(queue).map(|queue| queue.callback).unwrap_or_default();
        let missed = self.callback.as_mut().map_or(u32::MAX, |callback| {
            callback.missed += 1;
            callback.missed
        });
        match missed > rules.retries {
            true => self.end(plant, Cause::CallbackFailed, 480),
            false => Phase::Promised(Promised { again: Some(plant.now + rules.pause) }),
        }
    }
}
