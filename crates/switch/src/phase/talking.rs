//! Caller and partner hear each other.

use super::{Phase, Purpose};
use crate::call::{Call, Event};
use crate::plant::Plant;
use busyhour_acd::Command;
use busyhour_ivr::Input;
use busyhour_model::{Audio, LegId, Party, What};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talking {
    pub(crate) leg: LegId,
    pub(crate) party: Party,
    pub(crate) purpose: Purpose,
    /// Legs whose owner put the other on hold.
    pub(crate) held_by: Vec<LegId>,
}

impl Talking {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        match event {
            Event::Gone { leg, .. } if *leg == self.leg => {
                plant.unbridge(call.caller);
                plant.stop(call.caller);
                if let Purpose::Offer { queue, .. } = self.purpose {
                    call.places.forget(queue);
                }
                self.finish(call, plant);
                call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft)
            }
            _ => Phase::Talking(self),
        }
    }

    /// Hold and resume: who is not sent to has put us on hold, and the other hears music.
    pub(crate) fn media_changed(mut self, call: &Call, plant: &mut Plant, leg: LegId, audio: &Audio) -> Talking {
        let on = !audio.direction.sends();
        if on == self.held_by.contains(&leg) {
            return self;
        }
        let other = if leg == call.caller { self.leg } else { call.caller };
        if on {
            self.held_by.push(leg);
            plant.play_system(other, "system/moh");
        } else {
            self.held_by.retain(|by| *by != leg);
            plant.stop(other);
        }
        plant.fact(What::Held { call: call.id, leg, on });
        self
    }

    /// Frees the partner's agent and says so in the facts.
    pub(crate) fn finish(self, call: &Call, plant: &mut Plant) {
        let agent = match self.purpose {
            Purpose::Offer { agent, .. } => Some(agent),
            Purpose::Dial { agent } => agent,
        };
        plant.fact(What::Disconnected { call: call.id, party: self.party });
        if let Some(agent) = agent {
            let _ = plant.acd(Command::Released { agent });
        }
    }
}
