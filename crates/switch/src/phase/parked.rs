//! The caller is parked in a slot and hears music until somebody dials it, or nobody did for too long.

use super::{Back, Partner, Passing, Phase, Purpose, Talking};
use crate::call::Call;
use crate::event::Event;
use crate::plant::Plant;
use busyhour_ivr::{DialTarget, Input};
use busyhour_model::{Entrance, Time};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parked {
    pub(crate) slot: u32,
    /// Where the caller goes when nobody comes.
    pub(crate) back: Back,
    pub(crate) deadline: Time,
}

impl Parked {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        match *event {
            Event::PickedUp { leg, agent } => {
                self.abandoned(plant);
                call.open.push(leg);
                call.answer_leg(plant, leg);
                let party = plant.party_of(leg, call);
                let purpose = Purpose::Dial { agent, keys: Vec::new() };
                Talking::begin(call, plant, Partner { leg, party, purpose })
            }
            Event::Timeout if plant.now >= self.deadline => self.given_up(call, plant),
            _ => Phase::Parked(self),
        }
    }

    /// Who parked the caller is rung, then the queue the caller came from serves again, then the dialplan goes on.
    fn given_up(self, call: &mut Call, plant: &mut Plant) -> Phase {
        plant.parked.remove(&self.slot);
        plant.stop(call.caller);
        let Back { agent, queue } = self.back;
        let rung = agent.and_then(|agent| call.ring_on(plant, DialTarget::Agent(agent)).ok());
        match (rung, queue) {
            (Some(rung), _) => Phase::Passing(Passing { from: None, rung, back: Back { agent: None, queue } }),
            (None, Some(queue)) => call.send_to(plant, queue, Some(queue), Entrance::Transferred),
            (None, None) => call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft),
        }
    }

    pub(crate) fn abandoned(&self, plant: &mut Plant) {
        plant.parked.remove(&self.slot);
    }
}
