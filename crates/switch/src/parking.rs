//! Calls parked in numbered slots, and calls picked up: from a slot, or while they ring at a colleague's.

use crate::call::Call;
use crate::event::Event;
use crate::phase::{Back, Parked, Partner, Phase, Talking};
use crate::plant::Plant;
use crate::switch::Switch;
use crate::transfer::Onward;
use busyhour_acd::Command;
use busyhour_model::{AgentId, CallId, LegId, Name, Party, What};
use busyhour_sip::Incoming;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Slots for callers on the shelf, as they are dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// A caller nobody picks up goes back after so long.
    pub patience: Duration,
}

impl Slots {
    /// The slot that is dialled so.
    pub fn find(&self, dialled: &str) -> Option<u32> {
        dialled.parse().ok().filter(|slot| (self.first..=self.last).contains(slot))
    }
}

impl Plant {
    /// The slot this number is, when callers can be parked.
    pub(crate) fn slot(&self, dialled: &str) -> Option<u32> {
        self.setup.codes.slots?.find(dialled)
    }

    /// A free slot: the one wanted, or any.
    pub(crate) fn free_slot(&self, wanted: Option<u32>) -> Option<u32> {
        let slots = self.setup.codes.slots?;
        let mut all = slots.first..=slots.last;
        all.find(|slot| wanted.is_none_or(|wanted| wanted == *slot) && !self.parked.contains_key(slot))
    }

    /// Whose leg this is.
    pub(crate) fn party_of(&self, leg: LegId, call: &Call) -> Party {
        self.legs.leg(leg).map_or_else(|| call.origin.clone(), |leg| leg.party.clone())
    }
}

impl Call {
    /// Into a slot; the caller's partner is free.
    pub(crate) fn park(&mut self, plant: &mut Plant, from: Partner, wanted: Option<u32>) -> Phase {
        let Some((slot, slots)) = plant.free_slot(wanted).zip(plant.setup.codes.slots) else {
            plant.tell_transfer(from.leg, 486);
            return Talking::begin(self, plant, from);
        };
        let agent =
            Some(&from.party).filter(|party| matches!(party, Party::Agent(_))).map(|party| party.name().clone());
        let back = Back { agent, queue: from.purpose.queue() };
        from.sent_on(self, plant, &slot.to_string().into());
        plant.parked.insert(slot, self.id);
        plant.play_system(self.caller, "system/moh");
        Phase::Parked(Parked { slot, back, deadline: plant.now + slots.patience })
    }
}

impl Switch {
    /// An agent dials the code for parking with a caller on hold: the slot, said then.
    pub(crate) fn park_held(&mut self, account: &Name) -> Option<u32> {
        let agent = self.plant.directory.agent_id(account)?;
        let call = self.plant.acd.agent(agent)?.call?;
        let Phase::Talking(talking) = self.calls.get(&call)?.phase() else { return None };
        let held = talking.is_held_by(self.calls.get(&call)?, agent);
        let legs = [talking.partner.leg, self.calls.get(&call)?.caller];
        let ours =
            |leg: &LegId| self.plant.legs.leg(*leg).is_some_and(|leg| leg.party == Party::Agent(account.clone()));
        let leg = legs.into_iter().find(ours).filter(|_| held)?;
        self.tell(call, Event::PassOn { leg, onward: Onward::Park(None) });
        self.plant.parked.iter().find(|(_, parked)| **parked == call).map(|(slot, _)| *slot)
    }

    /// The call an agent picks up by dialling: of a slot, of a colleague, or of anybody in the team.
    pub(crate) fn to_pick_up(&self, account: &Name, dialled: &str) -> Option<Option<CallId>> {
        if let Some(slot) = self.plant.slot(dialled) {
            return Some(self.plant.parked.get(&slot).copied());
        }
        let whose = dialled.strip_prefix(&*self.plant.setup.codes.pickup)?;
        let whose = self.plant.directory.agent_called(whose).map_or(whose, |number| number);
        let team = |number: &Name| {
            let agents = &self.plant.directory;
            agents.agent_id(number).and_then(|id| agents.agent(id)).map(|agent| agent.team.clone())
        };
        let rings = |call: &&Call| {
            let Phase::Ringing(ringing) = call.phase() else { return false };
            let parties = ringing.rung.iter().filter_map(|rung| Some(&self.plant.legs.leg(rung.leg)?.party));
            let mut agents = parties.filter_map(Party::agent);
            let colleague = |number: &Name| (whose.is_empty() || **number == *whose) && team(number) == team(account);
            call.callback.is_none() && agents.any(colleague)
        };
        Some(self.calls.values().find(rings).map(|call| call.id))
    }

    /// The call whose leg rings at somebody of the agent's team (a busy lamp's pickup, RFC 3891).
    pub(crate) fn ringing_at(&self, account: &Name, leg: LegId) -> Option<CallId> {
        let Party::Agent(number) = &self.plant.legs.leg(leg)?.party else { return None };
        let dialled = format!("{}{number}", self.plant.setup.codes.pickup);
        self.to_pick_up(account, &dialled).flatten()
    }

    /// The agent's leg becomes the call's partner, as if that one had been rung. `Err`: the answer for the phone.
    pub(crate) fn pick_up(&mut self, account: &Name, incoming: &Incoming, call: CallId) -> Result<(), u16> {
        let id = self.plant.directory.agent_id(account).ok_or(403u16)?;
        if !self.plant.has_room_beside(account, Some(call)) {
            return Err(403);
        }
        let agent = self.kept_for(id, call)?;
        let (leg, party) = (incoming.leg, Party::Agent(account.clone()));
        if !self.plant.take_leg(leg, call, party.clone(), None, incoming.audio.as_ref()) {
            self.plant.leave(call, &party, agent);
            return Err(503);
        }
        self.plant.fact(What::LegOpened { call, leg, party });
        if let Some(audio) = incoming.audio.clone() {
            self.plant.connect(leg, audio);
        }
        self.tell(call, Event::PickedUp { leg, agent });
        Ok(())
    }

    /// Keeps the agent from other calls; `None` for one who has one on hold or is not signed in, 486 for one who is busy.
    fn kept_for(&mut self, agent: AgentId, call: CallId) -> Result<Option<AgentId>, u16> {
        let signed_in =
            self.plant.acd.agent(agent).is_some_and(|view| view.state != busyhour_model::AgentState::SignedOut);
        match signed_in.then(|| self.plant.acd(Command::Occupy { agent, call })) {
            None => Ok(None),
            Some(Ok(())) => Ok(Some(agent)),
            Some(Err(_)) if self.is_busy(agent) => Err(486),
            Some(Err(_)) => {
                self.plant.consults.insert(agent, call);
                Ok(None)
            }
        }
    }
}
