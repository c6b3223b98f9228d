//! Caller and partner hear each other.

use super::{Phase, Purpose};
use crate::call::{Call, Event, Gone};
use crate::plant::Plant;
use crate::request::Destination;
use busyhour_acd::Command;
use busyhour_ivr::Input;
use busyhour_model::{AgentId, AgentState, Audio, Entrance, LegId, Party, QueueId, What};
use serde::{Deserialize, Serialize};

/// Why an agent whose phone vanished takes no calls.
const PHONE_LOST: &str = "phone_lost";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talking {
    pub(crate) leg: LegId,
    pub(crate) party: Party,
    pub(crate) purpose: Purpose,
    /// Legs whose owner put the other on hold.
    pub(crate) held_by: Vec<LegId>,
}

impl Talking {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match (event, &self.purpose) {
            (Event::Gone { leg, how: Gone::Vanished }, &Purpose::Offer { queue, agent }) if leg == self.leg => {
                self.phone_lost(call, plant, queue, agent)
            }
            (Event::Gone { leg, .. }, _) if leg == self.leg => {
                if let Some(queue) = self.queue() {
                    call.places.forget(queue);
                }
                self.part(call, plant);
                call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft)
            }
            (Event::Transfer(to), _) => self.transfer(call, plant, to),
            _ => Phase::Talking(self),
        }
    }

    /// The agent's phone fell silent: the caller is as good as never served, and the agent cannot serve the next one.
    fn phone_lost(self, call: &mut Call, plant: &mut Plant, queue: QueueId, agent: AgentId) -> Phase {
        let party = self.party.name().clone();
        // Before the agent is free: afterwards would be an offer too late.
        let away = || Command::NotReady { agent, reason: PHONE_LOST.into() };
        let registered = plant.sip.contacts(&party) > 0;
        let _ = plant.acd(if registered { away() } else { Command::SignOut { agent } });
        self.part(call, plant);
        if registered {
            // No after-call work: there is nothing to do it on.
            let _ = plant.acd(away());
        }
        call.send_to(plant, queue, Some(queue), Entrance::PhoneLost)
    }

    /// The caller goes on elsewhere, the partner is hung up on.
    fn transfer(self, call: &mut Call, plant: &mut Plant, to: Destination) -> Phase {
        let (leg, from, party) = (self.leg, self.queue(), self.party.clone());
        let (Destination::Queue(name) | Destination::Node(name)) = &to;
        plant.fact(What::Transferred { call: call.id, party, to: name.clone() });
        self.part(call, plant);
        plant.drop_leg(leg, 200);
        match to {
            Destination::Queue(name) => match plant.directory.queue_id(&name) {
                Some(queue) => call.send_to(plant, queue, from, Entrance::Transferred),
                None => call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft),
            },
            Destination::Node(node) => {
                call.session.jump(plant.now, plant.plans.plan(call.plan), &node);
                call.run_steps(plant, Phase::in_ivr())
            }
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
        if let Some(agent) = self.agent_at(call, leg) {
            let number = plant.directory.agent_number(agent).clone();
            let state = if on { AgentState::Hold } else { AgentState::Talking };
            plant.fact(What::AgentEntered { agent_id: agent, agent: number, state, reason: None });
        }
        self
    }

    /// The agent whose leg this is, partner or caller.
    fn agent_at(&self, call: &Call, leg: LegId) -> Option<AgentId> {
        match self.purpose {
            _ if leg == call.caller => call.occupied,
            Purpose::Offer { agent, .. } => Some(agent),
            Purpose::Dial { agent, .. } => agent,
        }
    }

    /// The agent has put the other side on hold.
    pub(crate) fn is_held_by(&self, call: &Call, agent: AgentId) -> bool {
        self.held_by.iter().any(|&leg| self.agent_at(call, leg) == Some(agent))
    }

    fn queue(&self) -> Option<QueueId> {
        match self.purpose {
            Purpose::Offer { queue, .. } => Some(queue),
            Purpose::Dial { .. } => None,
        }
    }

    /// The caller hears the partner no more.
    fn part(self, call: &Call, plant: &mut Plant) {
        plant.unbridge(call.caller);
        plant.stop(call.caller);
        self.finish(call, plant);
    }

    /// Frees the partner's agent and says so in the facts.
    pub(crate) fn finish(self, call: &Call, plant: &mut Plant) {
        let agent = match self.purpose {
            Purpose::Offer { agent, .. } => Some(agent),
            Purpose::Dial { agent, .. } => agent,
        };
        plant.fact(What::Disconnected { call: call.id, party: self.party });
        if let Some(agent) = agent {
            let _ = plant.acd(Command::Released { agent });
        }
    }
}
