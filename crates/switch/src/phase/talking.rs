//! Caller and partner hear each other.

use super::{Passing, Phase, Purpose, Rung};
use crate::bots::{BOT_FAILED, ForkNews};
use crate::call::Call;
use crate::conversations::{Rolling, beep};
use crate::event::{Event, Gone};
use crate::plant::Plant;
use crate::transfer::{Onward, Side};
use busyhour_acd::Command;
use busyhour_ivr::Input;
use busyhour_model::{
    AgentId, AgentState, Audio, Entrance, LegId, Name, OfferOutcome, Party, QueueId, Sound, TakeOver, Time, What,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why an agent whose phone vanished takes no calls.
pub(super) const PHONE_LOST: &str = "phone_lost";
/// Keys further apart belong to no code.
const KEYS_PAUSE: Duration = Duration::from_secs(2);

/// Whom a caller talks to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Partner {
    pub(crate) leg: LegId,
    pub(crate) party: Party,
    pub(crate) purpose: Purpose,
}

impl Partner {
    /// Has no more to do with the call.
    pub(crate) fn free(self, call: &Call, plant: &mut Plant) {
        plant.leave(call.id, &self.party, self.purpose.agent());
    }

    /// Has passed the caller on, and is hung up on.
    pub(crate) fn sent_on(self, call: &Call, plant: &mut Plant, to: &Name) {
        plant.fact(What::Transferred { call: call.id, party: self.party.clone(), to: to.clone() });
        plant.tell_transfer(self.leg, 200);
        plant.drop_leg(self.leg, 200);
        self.free(call, plant);
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Talking {
    pub(crate) partner: Partner,
    /// Legs whose owner put the other on hold.
    pub(crate) held_by: Vec<LegId>,
    pub(crate) rolling: Option<Rolling>,
    /// Keys pressed lately, as far as they begin the code for a conference, and when the last was.
    keys: (String, Time),
}

impl Talking {
    /// Caller and partner hear each other from now on, or music where one is on hold already.
    pub(crate) fn begin(call: &mut Call, plant: &mut Plant, partner: Partner) -> Phase {
        let legs = [call.caller, partner.leg];
        legs.iter().for_each(|leg| plant.stop(*leg));
        plant.bridge(call.caller, partner.leg);
        call.connected(plant, &partner.party, None);
        let queue = partner.purpose.queue();
        Phase::Talking(Talking::new(call, plant, partner, queue))
    }

    /// Caller and the agent the queue gave hear each other just now, after the agent's greeting.
    pub(crate) fn greeted(call: &mut Call, plant: &mut Plant, partner: Partner, queue: QueueId) -> Talking {
        let legs = [call.caller, partner.leg];
        let talking = Talking::new(call, plant, partner, Some(queue));
        let own = talking.partner.purpose.agent().and_then(|agent| plant.directory.agent(agent)?.greeting.clone());
        let language = call.session.language().clone();
        let mut sounds = own.map_or_else(
            || call.session.agent_greeting(plant.plans.plan(call.plan)),
            |id| vec![Sound::Prompt { language, id }],
        );
        if !sounds.is_empty() && talking.held_by.is_empty() {
            // The beep of a recording that begins comes first.
            if legs.iter().any(|leg| !plant.is_quiet(*leg)) {
                sounds.insert(0, beep());
            }
            legs.iter().for_each(|leg| plant.play(*leg, sounds.clone(), false));
        }
        talking
    }

    /// Caller and partner hear each other just now, unless one of them has put us on hold before; `queue` brought them together.
    pub(crate) fn new(call: &mut Call, plant: &mut Plant, partner: Partner, queue: Option<QueueId>) -> Talking {
        plant.measure(call.id, call.caller, partner.leg);
        let rolling = Rolling::begin(call, plant, (partner.leg, &partner.party), queue);
        let legs = [call.caller, partner.leg];
        let mut talking = Talking { partner, held_by: Vec::new(), rolling, keys: (String::new(), plant.now) };
        for leg in legs {
            if let Some(audio) = plant.legs.leg(leg).and_then(|leg| leg.audio.clone()) {
                talking = talking.media_changed(call, plant, leg, &audio);
            }
        }
        talking
    }

    pub(crate) fn handle(mut self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        let ours = self.partner.leg;
        match (event, &self.partner.purpose) {
            (Event::Gone { leg, .. }, _) if leg == ours && call.guests.talking().next().is_some() => {
                self.succeeded(call, plant)
            }
            (Event::Gone { leg, how: Gone::Vanished }, &Purpose::Offer { queue, agent }) if leg == ours => {
                self.phone_lost(call, plant, queue, agent)
            }
            (Event::Gone { leg, .. }, _) if leg == ours => {
                if let Some(queue) = self.queue() {
                    call.places.forget(queue);
                }
                self.part(call, plant);
                call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft)
            }
            (Event::PassOn { leg, onward }, _) if leg == ours || leg == call.caller => {
                self.pass_on(call, plant, leg, onward)
            }
            (Event::Replace { old, new }, _) => {
                call.open.push(new);
                call.answer_leg(plant, new);
                Phase::Talking(self.replace(call, plant, old, new))
            }
            (Event::Digit { leg, digit }, _) => {
                if leg == call.caller {
                    plant.tell_program(ours, ForkNews::Key(digit));
                }
                self.pressed(call, plant, leg, digit);
                Phase::Talking(self)
            }
            (Event::Joined { side, own }, _) => self.joined(call, plant, side, own),
            (Event::TakenOver { leg }, _) => self.taken_over(call, plant, leg),
            (Event::Jump(node), _) => {
                self.unlink(call, plant);
                self.partner.sent_on(call, plant, &node);
                call.session.jump(plant.now, plant.plans.plan(call.plan), &node);
                call.run_steps(plant, Phase::in_ivr())
            }
            _ => Phase::Talking(self),
        }
    }

    /// The agent's phone fell silent: the caller is as good as never served, and the agent cannot serve the next one.
    fn phone_lost(self, call: &mut Call, plant: &mut Plant, queue: QueueId, agent: AgentId) -> Phase {
        plant.send_away(agent, PHONE_LOST, |plant| self.part(call, plant));
        call.send_to(plant, queue, Some(queue), Entrance::PhoneLost)
    }

    /// Whose leg this is sends the other side on.
    fn pass_on(mut self, call: &mut Call, plant: &mut Plant, leg: LegId, onward: Onward) -> Phase {
        self.unlink(call, plant);
        if leg == call.caller {
            call.turn(&mut self.partner);
        }
        let (queue, from) = (self.queue(), self.partner);
        match onward {
            Onward::Queue(to) => {
                from.sent_on(call, plant, &plant.directory.queue_name(to).clone());
                call.send_to(plant, to, queue, Entrance::Transferred)
            }
            Onward::Place(place) => {
                let to = place.queue;
                call.places.keep(place);
                from.sent_on(call, plant, &plant.directory.queue_name(to).clone());
                call.send_to(plant, to, Some(to), Entrance::Transferred)
            }
            Onward::Park(slot) => call.park(plant, from, slot),
            Onward::Plan(name) => {
                from.sent_on(call, plant, &name);
                call.enter_plan(plant, &name)
            }
            Onward::Ring(to) => match call.ring_on(plant, to) {
                Ok(rung) => Passing::begin(from, rung, queue),
                Err(outcome) => {
                    plant.tell_transfer(from.leg, status(outcome));
                    Talking::begin(call, plant, from)
                }
            },
            Onward::Side(side) => {
                call.take_over(plant, &side);
                let Side { partner: Partner { leg, party, purpose }, rings } = side;
                if let Some(deadline) = rings {
                    plant.play_system(call.caller, "system/ringback");
                    return Passing::begin(from, Rung::new(leg, purpose, deadline), queue);
                }
                from.sent_on(call, plant, party.name());
                Talking::begin(call, plant, Partner { leg, party, purpose })
            }
        }
    }

    /// An agent goes on with the call on another phone.
    fn replace(mut self, call: &mut Call, plant: &mut Plant, old: LegId, new: LegId) -> Talking {
        self.end_recording(plant);
        plant.unbridge(call.caller);
        let side = if old == call.caller { &mut call.caller } else { &mut self.partner.leg };
        *side = new;
        let legs = [call.caller, self.partner.leg];
        legs.iter().for_each(|leg| plant.stop(*leg));
        self.held_by.retain(|by| *by != old);
        plant.bridge(legs[0], legs[1]);
        plant.measure(call.id, legs[0], legs[1]);
        plant.drop_leg(old, 200);
        let queue = self.queue();
        self.rolling = Rolling::begin(call, plant, (self.partner.leg, &self.partner.party), queue);
        self
    }

    /// The partner is gone and a guest has that place, or the agent who made the call is and the partner talks to a guest.
    fn succeeded(self, call: &mut Call, plant: &mut Plant) -> Phase {
        if let Some(queue) = self.queue() {
            call.places.forget(queue);
        }
        let from = self.partner.party.clone();
        match call.successor(plant) {
            Some(next) => {
                self.part(call, plant);
                plant.fact(What::Transferred { call: call.id, party: from, to: next.party.name().clone() });
                Talking::begin(call, plant, next)
            }
            None => Phase::Talking(self),
        }
    }

    /// A supervisor has the call instead of the agent, the one called or else the one who made it.
    fn taken_over(mut self, call: &mut Call, plant: &mut Plant, leg: LegId) -> Phase {
        let agents = [&self.partner.party, &call.origin].map(|party| party.agent().is_some());
        let next = if agents == [false; 2] { None } else { call.promoted(plant, leg) };
        let Some(next) = next else { return Phase::Talking(self) };
        self.unlink(call, plant);
        if !agents[0] {
            call.turn(&mut self.partner);
        }
        let (by, from) = (next.party.name().clone(), self.partner.party.name().clone());
        plant.fact(What::TakenOver(TakeOver { call: call.id, by: by.clone(), from }));
        self.partner.sent_on(call, plant, &by);
        Talking::begin(call, plant, next)
    }

    /// The far side of another call of the same agent is a guest from now on; the agent goes on with the leg it had there.
    fn joined(mut self, call: &mut Call, plant: &mut Plant, side: Side, own: Option<LegId>) -> Phase {
        call.take_over(plant, &side);
        if let Some(new) = own {
            let party = plant.party_of(new, call);
            let old = if self.partner.party == party { self.partner.leg } else { call.caller };
            call.open.push(new);
            plant.fact(What::LegJoined { call: call.id, leg: new, party, answered: true });
            self = self.replace(call, plant, old, new);
        }
        [call.caller, self.partner.leg].iter().for_each(|leg| plant.stop(*leg));
        call.welcome(plant, side.partner);
        Phase::Talking(self)
    }

    /// An agent asks by keys that all come together: who is on hold, and whom it talks to here.
    fn pressed(&mut self, call: &Call, plant: &mut Plant, leg: LegId, digit: char) {
        let code = plant.setup.codes.conference.clone();
        let (keys, at) = &mut self.keys;
        if plant.now > *at + KEYS_PAUSE {
            keys.clear();
        }
        keys.push(digit);
        if !code.starts_with(keys.as_str()) {
            keys.clear();
            keys.extend(code.starts_with(digit).then_some(digit));
        }
        *at = plant.now;
        let agent = plant.party_of(leg, call).agent().is_some();
        if agent && !keys.is_empty() && keys.as_str() == &*code {
            keys.clear();
            plant.conferred.push_back(leg);
        }
    }

    /// Hold and resume: who is not sent to has put us on hold, and the other hears music.
    pub(crate) fn media_changed(mut self, call: &Call, plant: &mut Plant, leg: LegId, audio: &Audio) -> Talking {
        let on = !audio.direction.sends();
        if on == self.held_by.contains(&leg) {
            return self;
        }
        let other = if leg == call.caller { self.partner.leg } else { call.caller };
        if on {
            self.held_by.push(leg);
            // With guests the others talk on.
            if call.guests.talking().next().is_none() {
                plant.play_system(other, "system/moh");
            }
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
        if leg == call.caller { call.occupied } else { self.partner.purpose.agent() }
    }

    /// The agent has put the other side on hold.
    pub(crate) fn is_held_by(&self, call: &Call, agent: AgentId) -> bool {
        self.held_by.iter().any(|&leg| self.agent_at(call, leg) == Some(agent))
    }

    fn queue(&self) -> Option<QueueId> {
        self.partner.purpose.queue()
    }

    /// The caller hears the partner no more.
    fn unlink(&self, call: &Call, plant: &mut Plant) {
        self.end_recording(plant);
        plant.unbridge(call.caller);
        plant.stop(call.caller);
        plant.fact(What::Disconnected { call: call.id, party: self.partner.party.clone() });
    }

    pub(crate) fn end_recording(&self, plant: &mut Plant) {
        self.rolling.iter().for_each(|rolling| rolling.end(plant));
    }

    /// The same, and the partner's agent is free.
    fn part(self, call: &Call, plant: &mut Plant) {
        self.unlink(call, plant);
        self.partner.free(call, plant);
    }

    /// The call ends: frees the partner's agent and says so in the facts.
    pub(crate) fn finish(self, call: &Call, plant: &mut Plant) {
        self.end_recording(plant);
        plant.fact(What::Disconnected { call: call.id, party: self.partner.party.clone() });
        self.partner.free(call, plant);
    }
}

impl Plant {
    /// An agent is made free of a call for no other one, without after-call work.
    pub(super) fn send_away(&mut self, agent: AgentId, reason: &str, free: impl FnOnce(&mut Plant)) {
        if self.leaves(agent) && self.is_bot(agent) {
            return free(self);
        }
        let reason = if self.is_bot(agent) { BOT_FAILED } else { reason };
        let away = || Command::NotReady { agent, reason: reason.into() };
        let number = self.directory.agent_number(agent).clone();
        let registered = self.contacts(&number) > 0;
        // Before the agent is free: afterwards would be an offer too late.
        let _ = self.acd(if registered { away() } else { Command::SignOut { agent } });
        free(self);
        if registered {
            let _ = self.acd(away());
        }
        self.let_bot_rest(agent, None);
    }
}

/// What a phone is told whose transfer did not even ring.
fn status(outcome: OfferOutcome) -> u16 {
    match outcome {
        OfferOutcome::Unreachable => 404,
        OfferOutcome::NoAnswer => 480,
        _ => 486,
    }
}
