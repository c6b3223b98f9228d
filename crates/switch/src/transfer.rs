//! Callers passed on by whom they talk to: blind or after asking, from the phone (REFER) or by request.

use crate::call::Call;
use crate::event::Event;
use crate::outward::AGENT_LIMIT;
use crate::phase::{Partner, Phase, Purpose};
use crate::places::Place;
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_acd::Command;
use busyhour_ivr::{DialTarget, Input};
use busyhour_model::{
    AgentId, AgentState, CallId, Cause, DequeueReason, LegId, Name, Number, OfferOutcome, Party, QueueId, Time, What,
};
use busyhour_sip::{Incoming, Origin};
use serde::{Deserialize, Serialize};

/// Where a caller is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// Into a queue, by name.
    Queue(Name),
    /// To a node of the call's dialplan.
    Node(Name),
    /// To an agent, who is rung; nobody there: back to the partner.
    Agent(Name),
    /// To what an agent could dial: a number of ours or one outside.
    Number(String),
    /// Into a free slot for parked callers.
    Slot,
    /// To whom the same agent talks in another call.
    Call(CallId),
}

/// Where a caller goes on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Onward {
    Queue(QueueId),
    /// To the place another call had in a queue.
    Place(Place),
    /// Into the dialplan of a number of ours.
    Plan(Name),
    Ring(DialTarget),
    /// Into this slot, or any free one.
    Park(Option<u32>),
    /// To whom the transferor talks in another call, or whose phone rings there.
    Side(Side),
}

/// The far side of a call, taken out of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Side {
    pub(crate) partner: Partner,
    /// It still rings, until then.
    pub(crate) rings: Option<Time>,
}

/// What becomes of a call that a leg of another one is to replace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    Side(Side),
    /// Where its caller waited.
    Place(Place),
    Nothing,
}

/// Answers of REFER that say the transfer cannot be.
const DECLINE: u16 = 603;
const NOT_FOUND: u16 = 404;
const FORBIDDEN: u16 = 403;
const NO_ROOM: u16 = 503;

impl Switch {
    /// A phone sent REFER.
    pub(crate) fn transfer_asked(&mut self, leg: LegId, to: &str, other: Option<LegId>) {
        let refused = match other {
            Some(other) => self.join(leg, other).err(),
            None => self.pass_on(leg, to).err(),
        };
        if let Some(status) = refused {
            self.plant.tell_transfer(leg, status);
        }
    }

    pub(crate) fn pass_on(&mut self, leg: LegId, to: &str) -> Result<(), u16> {
        let call = self.transferable(leg).and_then(|call| self.of_two(call))?;
        let onward = self.plant.onward(to).ok_or(NOT_FOUND)?;
        self.plant.lets_go(leg, &onward).map_err(|_| FORBIDDEN)?;
        self.tell(call, Event::PassOn { leg, onward });
        Ok(())
    }

    /// The call in which an agent's leg talks.
    fn transferable(&self, leg: LegId) -> Result<CallId, u16> {
        let found = self.plant.legs.leg(leg).filter(|leg| !leg.closing && matches!(leg.party, Party::Agent(_)));
        let call = found.map(|leg| leg.call).ok_or(DECLINE)?;
        let talks = |call: &Call| matches!(call.phase(), Phase::Talking(talking) if [call.caller, talking.partner.leg].contains(&leg));
        if self.calls.get(&call).is_some_and(talks) { Ok(call) } else { Err(DECLINE) }
    }

    /// A talk without guests: who is in a conference is not sent on.
    fn of_two(&self, call: CallId) -> Result<CallId, u16> {
        let guests = self.calls.get(&call).is_some_and(|call| !call.guests.is_empty());
        if guests { Err(DECLINE) } else { Ok(call) }
    }

    /// Two legs of one agent: their far sides go on with each other, and the agent has neither call.
    fn join(&mut self, leg: LegId, other: LegId) -> Result<(), u16> {
        let (mut leg, mut other) = (leg, other);
        let mut call = self.transferable(leg).and_then(|call| self.of_two(call))?;
        let party = |leg: LegId| self.plant.legs.leg(leg).filter(|leg| !leg.closing).map(|leg| leg.party.clone());
        let with = self.plant.legs.leg(other).map(|leg| leg.call).ok_or(DECLINE)?;
        let mut with = self.of_two(with)?;
        if call == with || party(leg) != party(other) {
            return Err(DECLINE);
        }
        // The call somebody else made goes on: its record has the customer. Both talk, so it cannot fail; and who asked is told
        // while there is a dialog to tell it in.
        let swaps = self.is_caller(call, leg) && !self.is_caller(with, other) && self.transferable(other).is_ok();
        if swaps {
            self.plant.tell_transfer(leg, 200);
            (leg, other, call, with) = (other, leg, with, call);
        }
        self.tell(with, Event::Give { leg: other, to: call, whole: false });
        let onward = match self.plant.given.take() {
            Some(Given::Side(side)) => Onward::Side(side),
            Some(Given::Place(place)) => Onward::Place(place),
            Some(Given::Nothing) | None => return Err(DECLINE),
        };
        if !swaps {
            self.plant.tell_transfer(leg, 200);
        }
        self.tell(call, Event::PassOn { leg, onward });
        Ok(())
    }

    /// An INVITE with Replaces (RFC 3891): an agent goes on with a call on another phone.
    pub(crate) fn take_place(&mut self, incoming: &Incoming, old: LegId) -> Result<(), u16> {
        let Origin::Account(account) = &incoming.origin else { return Err(FORBIDDEN) };
        if let Some(call) = self.ringing_at(account, old) {
            return self.pick_up(account, incoming, call);
        }
        let call = self.transferable(old)?;
        let party = Party::Agent(account.clone());
        if self.plant.legs.leg(old).is_none_or(|leg| leg.party != party) {
            return Err(FORBIDDEN);
        }
        let new = incoming.leg;
        if !self.plant.take_leg(new, call, party.clone(), None, None) {
            return Err(NO_ROOM);
        }
        self.plant.fact(What::LegOpened { call, leg: new, party });
        if let Some(audio) = incoming.audio.clone() {
            self.plant.connect(new, audio);
        }
        self.tell(call, Event::Replace { old, new });
        Ok(())
    }

    fn is_caller(&self, call: CallId, leg: LegId) -> bool {
        self.calls.get(&call).is_some_and(|call| call.caller == leg)
    }

    /// A caller who talks to an agent goes on elsewhere, at somebody's request.
    pub(crate) fn transfer(&mut self, id: CallId, to: Destination) -> Result<Reply, Denied> {
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let Phase::Talking(talking) = call.phase() else { return Err(Denied::NotTalking(id)) };
        if !call.guests.is_empty() {
            return Err(Denied::Conference(id));
        }
        let from_outside = matches!(call.origin, Party::Trunk(_));
        let leg = if from_outside { talking.partner.leg } else { call.caller };
        let onward = match to {
            Destination::Queue(_) | Destination::Node(_) if !from_outside => return Err(Denied::NotTalking(id)),
            Destination::Queue(queue) => {
                Onward::Queue(self.plant.directory.queue_id(&queue).ok_or(Denied::UnknownQueue(queue))?)
            }
            Destination::Node(node) if self.plant.plans.plan(call.plan).nodes().any(|name| *name == node) => {
                self.tell(id, Event::Jump(node));
                return Ok(Reply::Done);
            }
            Destination::Node(node) => {
                let plan = self.plant.plans.name(call.plan).clone();
                return Err(Denied::UnknownNode { plan, node });
            }
            Destination::Agent(agent) => {
                let called = self.plant.directory.agent_called(&agent).cloned();
                Onward::Ring(DialTarget::Agent(called.ok_or(Denied::UnknownAgent(agent))?))
            }
            Destination::Number(number) => self.plant.onward(&number).ok_or(Denied::NoWay(number))?,
            Destination::Slot => match self.plant.free_slot(None) {
                Some(slot) => Onward::Park(Some(slot)),
                None => return Err(Denied::NoSlot),
            },
            Destination::Call(other) => return self.join_calls(id, other),
        };
        self.plant.lets_go(leg, &onward).map_err(Denied::CalledTooOften)?;
        self.tell(id, Event::PassOn { leg, onward });
        Ok(Reply::Done)
    }

    /// An attended transfer by request: two calls of one agent.
    fn join_calls(&mut self, id: CallId, other: CallId) -> Result<Reply, Denied> {
        if let Some(unknown) = [id, other].into_iter().find(|id| !self.calls.contains_key(id)) {
            return Err(Denied::UnknownCall(unknown));
        }
        let (leg, with) = self.legs_of_one_agent(id, other).ok_or(Denied::NotTalking(id))?;
        self.join(leg, with).map(|()| Reply::Done).map_err(|_| Denied::NotTalking(id))
    }
}

impl Switch {
    /// The legs of an agent who has both calls: here and there.
    pub(crate) fn legs_of_one_agent(&self, id: CallId, other: CallId) -> Option<(LegId, LegId)> {
        let legs = |id: CallId| {
            let call = self.calls.get(&id)?;
            Some(call.phase().partner().into_iter().chain([call.caller]).collect::<Vec<_>>())
        };
        let (ours, theirs) = (legs(id)?, legs(other)?);
        let party =
            |leg: LegId| Some(&self.plant.legs.leg(leg)?.party).filter(|party| matches!(party, Party::Agent(_)));
        let pairs = ours.iter().flat_map(|ours| theirs.iter().map(move |theirs| (*ours, *theirs)));
        pairs.into_iter().find(|(ours, theirs)| party(*ours).is_some_and(|agent| party(*theirs) == Some(agent)))
    }
}

impl Plant {
    /// What an agent means who passes a caller on to this: a queue by name, a colleague, a number of ours, one outside.
    pub(crate) fn onward(&self, to: &str) -> Option<Onward> {
        if let Some(queue) = self.directory.queue_id(to) {
            return Some(Onward::Queue(queue));
        }
        if let Some(agent) = self.directory.agent_called(to) {
            return Some(Onward::Ring(DialTarget::Agent(agent.clone())));
        }
        let parks = *to == *self.setup.codes.park && self.setup.codes.slots.is_some();
        if let Some(slot) = self.slot(to).map(Some).or(parks.then_some(None)) {
            return Some(Onward::Park(slot));
        }
        if let Some(plan) = self.trunks.route(None, &Number::parse(to)) {
            return Some(Onward::Plan(plan.dialplan.clone()));
        }
        let outside = to.bytes().any(|b| b.is_ascii_digit()) && to.bytes().all(|b| b.is_ascii_digit() || b == b'+');
        outside.then(|| Onward::Ring(DialTarget::Number { number: to.to_owned(), trunk: None }))
    }

    /// Whether the agent at this leg may pass a caller on to that: to a number outside as often as it may call one itself. Whom it
    /// called before is counted already. The error is who may not.
    pub(crate) fn lets_go(&mut self, leg: LegId, onward: &Onward) -> Result<(), Name> {
        let Some((call, party)) = self.legs.leg(leg).map(|leg| (leg.call, leg.party.clone())) else { return Ok(()) };
        match (onward, party) {
            (Onward::Ring(DialTarget::Number { .. }), Party::Agent(agent)) if !self.calls_out(&agent) => {
                self.fact(What::DialRefused { call, trunk: None, reason: AGENT_LIMIT.into() });
                Err(agent)
            }
            _ => Ok(()),
        }
    }

    /// A party has no more to do with a call: an agent kept from others is free, one who had it beside one on hold may make another.
    pub(crate) fn leave(&mut self, call: CallId, party: &Party, kept: Option<AgentId>) {
        let beside = party.agent().and_then(|number| self.directory.agent_id(number));
        match (kept, beside) {
            (Some(agent), _) => self.release(agent),
            (None, Some(agent)) if self.consults.get(&agent) == Some(&call) => drop(self.consults.remove(&agent)),
            (None, _) => {}
        }
    }

    /// The agent is free of a call: for the next one, or for a call made beside it.
    pub(crate) fn release(&mut self, agent: AgentId) {
        let Some(call) = self.consults.remove(&agent) else {
            let _ = self.acd(Command::Released { agent });
            self.spare_wrap_up(agent);
            return;
        };
        if self.acd(Command::Moved { agent, call }).is_ok() {
            self.adopted.push_back((call, agent));
            let number = self.directory.agent_number(agent).clone();
            self.fact(What::AgentEntered { agent_id: agent, agent: number, state: AgentState::Talking, reason: None });
        }
    }
}

impl Call {
    /// Gives its far side away to another call; it ends then, or later when its caller hangs up.
    pub(crate) fn give(&mut self, plant: &mut Plant, phase: Phase, (leg, to): (LegId, CallId), whole: bool) -> Phase {
        let (given, phase) = match phase {
            Phase::Talking(mut talking) => {
                talking.end_recording(plant);
                if leg != self.caller {
                    self.turn(&mut talking.partner);
                }
                let partner = talking.partner;
                plant.unbridge(self.caller);
                plant.fact(What::Disconnected { call: self.id, party: partner.party.clone() });
                self.let_go(plant, &partner, to);
                if whole {
                    self.lose_leg(plant, leg, to);
                }
                (Given::Side(Side { partner, rings: None }), self.end(plant, Cause::Joined, 200))
            }
            Phase::Ringing(ringing) if leg == self.caller => match ringing.dialled(plant) {
                Ok(side) => {
                    self.let_go(plant, &side.partner, to);
                    (Given::Side(side), self.end(plant, Cause::Joined, 487))
                }
                Err((queue, ringing)) => {
                    ringing.stop_all(self, plant, OfferOutcome::Withdrawn);
                    self.give_place(plant, queue)
                }
            },
            Phase::Queued(queued) if leg == self.caller => self.give_place(plant, queued.queue),
            other => (Given::Nothing, other),
        };
        plant.given = Some(given);
        phase
    }

    fn give_place(&mut self, plant: &mut Plant, queue: QueueId) -> (Given, Phase) {
        let given = self.places.of(queue).cloned().map_or(Given::Nothing, Given::Place);
        self.leave_queue(plant, queue, DequeueReason::Left);
        (given, self.end(plant, Cause::Joined, 487))
    }

    /// A leg of this call is another call's from now on.
    fn let_go(&mut self, plant: &mut Plant, partner: &Partner, to: CallId) {
        self.lose_leg(plant, partner.leg, to);
        if let Some(agent) = partner.purpose.agent() {
            let _ = plant.acd(Command::Moved { agent, call: to });
        }
        let beside = partner.party.agent().and_then(|number| plant.directory.agent_id(number));
        let beside = beside.and_then(|agent| plant.consults.get_mut(&agent));
        beside.into_iter().filter(|call| **call == self.id).for_each(|call| *call = to);
    }

    fn lose_leg(&mut self, plant: &mut Plant, leg: LegId, to: CallId) {
        self.open.retain(|open| *open != leg);
        plant.fact(What::LegLeft { call: self.id, leg, to });
        if let Some(leg) = plant.legs.leg_mut(leg) {
            leg.call = to;
            plant.news.note_party(&leg.party);
        }
    }

    /// Takes what another call let go.
    pub(crate) fn take_over(&mut self, plant: &mut Plant, side: &Side) {
        let (leg, party) = (side.partner.leg, side.partner.party.clone());
        self.open.push(leg);
        plant.fact(What::LegJoined { call: self.id, leg, party, answered: side.rings.is_none() });
    }

    /// Caller and partner change places: whom the transferor talks to is the one who goes on.
    pub(crate) fn turn(&mut self, partner: &mut Partner) {
        std::mem::swap(&mut self.caller, &mut partner.leg);
        std::mem::swap(&mut self.from, &mut self.to);
        let agent = std::mem::replace(&mut self.occupied, partner.purpose.agent());
        partner.purpose = Purpose::Dial { agent, keys: Vec::new() };
        std::mem::swap(&mut self.origin, &mut partner.party);
    }

    /// On in the dialplan of another number.
    pub(crate) fn enter_plan(&mut self, plant: &mut Plant, name: &str) -> Phase {
        let Some(plan) = plant.plans.enter(name) else {
            return self.run_program(plant, Phase::in_ivr(), Input::PartnerLeft);
        };
        self.session = self.session.moved(plant.plans.plan(plan));
        plant.plans.leave(std::mem::replace(&mut self.plan, plan));
        self.run_program(plant, Phase::in_ivr(), Input::Start)
    }
}
