//! Further parties in a talk, a conference: whoever is added to caller and partner, and all hear each other.

use crate::call::Call;
use crate::event::{Event, Gone};
use crate::phase::{Partner, Phase, Purpose, RING_OUTSIDE, Talking};
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use crate::transfer::{Destination, Given, Onward};
use busyhour_ivr::DialTarget;
use busyhour_model::{self as model, AgentId, CallId, LegId, Name, OfferOutcome, Party, Time, What};
use serde::{Deserialize, Serialize};

/// Beside caller and partner: with four supervisors nobody hears more than 13, and a mix takes 16.
pub(crate) const GUESTS_MAX: usize = 8;

/// A further party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub(crate) leg: LegId,
    party: Party,
    /// It rings until then; `None`: it talks.
    rings: Option<Time>,
    /// The agent kept from the ACD's calls.
    held: Option<AgentId>,
}

/// All of a call, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Guests(Vec<Guest>);

/// One party of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRow {
    /// Its leg.
    pub leg: LegId,
    /// Who.
    pub party: Party,
    /// `caller`, `partner`, `guest`, `supervisor`.
    pub role: Name,
    /// It does not ring any more.
    pub answered: bool,
}

impl Guests {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Another one can be added: there is room, and nobody is being rung.
    pub(crate) fn has_room(&self) -> bool {
        self.0.len() < GUESTS_MAX && self.deadline().is_none()
    }

    /// The legs of those who talk.
    pub(crate) fn talking(&self) -> impl Iterator<Item = LegId> + '_ {
        self.0.iter().filter(|guest| guest.rings.is_none()).map(|guest| guest.leg)
    }

    pub(crate) fn legs(&self) -> impl Iterator<Item = LegId> + '_ {
        self.0.iter().map(|guest| guest.leg)
    }

    /// Agents kept from the ACD's calls.
    pub(crate) fn held(&self) -> impl Iterator<Item = AgentId> + '_ {
        self.0.iter().filter_map(|guest| guest.held)
    }

    /// When one has rung long enough.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.0.iter().filter_map(|guest| guest.rings).min()
    }

    fn at(&mut self, leg: LegId) -> Option<&mut Guest> {
        self.0.iter_mut().find(|guest| guest.leg == leg)
    }
}

impl Call {
    /// Somebody who talks with all from now on.
    pub(crate) fn welcome(&mut self, plant: &mut Plant, Partner { leg, party, purpose }: Partner) {
        plant.fact(What::GuestJoined(model::Guest { call: self.id, leg, party: party.clone() }));
        self.guests.0.push(Guest { leg, party, rings: None, held: purpose.agent() });
    }

    /// Rings somebody who is to talk with all.
    pub(crate) fn ring_guest(&mut self, plant: &mut Plant, to: DialTarget) -> Result<(), OfferOutcome> {
        let (span, rung) = match to {
            DialTarget::Number { number, trunk } => {
                (RING_OUTSIDE, self.ring_outside(plant, &number, trunk.as_ref(), true).map(|leg| (leg, None)))
            }
            agent => (plant.setup.ring_timeout, self.ring_target(plant, agent)),
        };
        let (leg, held) = rung?;
        let (party, rings) = (plant.party_of(leg, self), Some(plant.now + span));
        self.guests.0.push(Guest { leg, party, rings, held });
        Ok(())
    }

    /// An event that is a guest's alone; the others go on to the phase.
    pub(crate) fn guested(&mut self, plant: &mut Plant, event: Event) -> Option<Event> {
        if matches!(event, Event::Timeout) {
            self.give_up_on_guests(plant);
        }
        let id = self.id;
        let Some(guest) = event.leg().and_then(|leg| self.guests.at(leg)) else { return Some(event) };
        let leg = guest.leg;
        match event {
            Event::Progress { status, .. } => self.rang(plant, leg, status),
            Event::LegAnswered { audio, .. } => {
                guest.rings = None;
                let party = guest.party.clone();
                plant.answered(leg);
                plant.fact(What::LegAnswered { call: id, leg });
                plant.connect(leg, audio);
                plant.fact(What::GuestJoined(model::Guest { call: id, leg, party }));
                self.hold_music(plant);
            }
            Event::MediaChanged { audio, .. } => plant.connect(leg, audio),
            Event::Gone { how, .. } | Event::Moved { how, .. } => self.guest_gone(plant, leg, how),
            _ => {}
        }
        None
    }

    /// A guest hung up, or did not answer: of a number outside the next trunk may be tried.
    fn guest_gone(&mut self, plant: &mut Plant, leg: LegId, how: Gone) {
        plant.lost_leg(leg, how.status());
        let other = self.dial_on(plant, leg, how.status());
        match (other, self.guests.at(leg)) {
            (Some(other), Some(guest)) => guest.leg = other,
            _ => self.part_from(plant, leg),
        }
    }

    fn give_up_on_guests(&mut self, plant: &mut Plant) {
        let late = |guest: &&Guest| guest.rings.is_some_and(|until| until <= plant.now);
        if let Some(leg) = self.guests.0.iter().find(late).map(|guest| guest.leg) {
            plant.drop_leg(leg, 487);
            self.part_from(plant, leg);
        }
    }

    /// A guest has no more to do with the call.
    pub(crate) fn part_from(&mut self, plant: &mut Plant, leg: LegId) {
        let Some(at) = self.guests.0.iter().position(|guest| guest.leg == leg) else { return };
        let Guest { party, held, rings, .. } = self.guests.0.remove(at);
        plant.leave(self.id, &party, held);
        if rings.is_none() {
            plant.fact(What::GuestLeft(model::Guest { call: self.id, leg, party }));
            self.hold_music(plant);
        }
    }

    /// Where two no longer talk there are no guests.
    pub(crate) fn see_guests_off(&mut self, plant: &mut Plant) {
        while !self.phase().is_talking()
            && let Some(guest) = self.guests.0.first()
        {
            let leg = guest.leg;
            plant.drop_leg(leg, 200);
            self.part_from(plant, leg);
        }
    }

    /// The guest who talks longest, as the partner to go on with when that one leaves.
    pub(crate) fn successor(&mut self, plant: &mut Plant) -> Option<Partner> {
        let at = self.guests.0.iter().position(|guest| guest.rings.is_none())?;
        let Guest { leg, party, held, .. } = self.guests.0.remove(at);
        plant.fact(What::GuestLeft(model::Guest { call: self.id, leg, party: party.clone() }));
        Some(Partner { leg, party, purpose: Purpose::Dial { agent: held, keys: Vec::new() } })
    }

    /// Who is on hold hears music; with guests they talk on instead.
    fn hold_music(&self, plant: &mut Plant) {
        let Phase::Talking(Talking { partner, held_by, .. }) = self.phase() else { return };
        let alone = self.guests.talking().next().is_none();
        for (leg, other) in [(self.caller, partner.leg), (partner.leg, self.caller)] {
            match held_by.contains(&other) {
                true if alone => plant.play_system(leg, "system/moh"),
                true => plant.stop(leg),
                false => {}
            }
        }
    }
}

impl Switch {
    /// Somebody is to talk in a call too: an agent or a number outside, who is rung, or whom its agent talks to in another call.
    pub(crate) fn add_party(&mut self, id: CallId, who: Destination) -> Result<Reply, Denied> {
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let Phase::Talking(talking) = call.phase() else { return Err(Denied::NotTalking(id)) };
        let payer = if matches!(call.origin, Party::Trunk(_)) { talking.partner.leg } else { call.caller };
        if !call.guests.has_room() {
            return Err(Denied::Conference(id));
        }
        let onward = match who {
            Destination::Call(other) => {
                let pair = self.legs_of_one_agent(id, other).ok_or(Denied::NotTalking(other))?;
                return self.confer(pair.1, Some(pair.0)).map(|()| Reply::Done).ok_or(Denied::Conference(id));
            }
            Destination::Agent(agent) => {
                let called = self.plant.directory.agent_called(&agent).cloned().ok_or(Denied::UnknownAgent(agent))?;
                if self.plant.legs.of_agent(&called).any(|leg| leg.call == id) {
                    return Err(Denied::NotReached(id));
                }
                Onward::Ring(DialTarget::Agent(called))
            }
            Destination::Number(number) => self.plant.onward(&number).ok_or(Denied::NoWay(number))?,
            _ => return Err(Denied::NotReached(id)),
        };
        self.plant.lets_go(payer, &onward).map_err(Denied::CalledTooOften)?;
        let (Onward::Ring(to), Some(call)) = (onward, self.calls.get_mut(&id)) else {
            return Err(Denied::NotReached(id));
        };
        let rung = call.ring_guest(&mut self.plant, to);
        self.tend(id);
        rung.map(|()| Reply::Done).map_err(|_| Denied::NotReached(id))
    }

    /// A party is hung up on: a guest leaves, and the partner as if that one had hung up.
    pub(crate) fn drop_party(&mut self, id: CallId, leg: LegId) -> Result<Reply, Denied> {
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let partner = call.phase().partner().filter(|_| call.phase().is_talking());
        if !call.guests.legs().chain(partner).any(|known| known == leg) {
            return Err(Denied::NoParty { call: id, leg });
        }
        self.plant.drop_leg(leg, 200);
        self.tell(id, Event::Gone { leg, how: Gone::HungUp });
        Ok(Reply::Done)
    }

    /// Everybody in a call, in the order in which they take part.
    pub(crate) fn parties(&self, id: CallId) -> Result<Reply, Denied> {
        let call = self.calls.get(&id).ok_or(Denied::UnknownCall(id))?;
        let caller = call.has_caller().then_some((call.caller, "caller"));
        let partner = call.phase().partner().map(|leg| (leg, "partner"));
        let guests = call.guests.legs().map(|leg| (leg, "guest"));
        let supervisors = call.monitors.legs().map(|leg| (leg, "supervisor"));
        let row = |(leg, role): (LegId, &str)| {
            let of = self.plant.legs.leg(leg)?;
            Some(PartyRow { leg, party: of.party.clone(), role: role.into(), answered: of.answered })
        };
        Ok(Reply::Parties(caller.into_iter().chain(partner).chain(guests).chain(supervisors).filter_map(row).collect()))
    }

    /// The legs of those who talk, of each call in which more than two do.
    pub fn conferences(&self) -> impl Iterator<Item = Vec<LegId>> + '_ {
        self.calls.values().filter_map(|call| match call.phase() {
            Phase::Talking(Talking { partner, .. }) => {
                let legs: Vec<_> = [call.caller, partner.leg].into_iter().chain(call.guests.talking()).collect();
                Some(legs).filter(|legs| legs.len() > 2)
            }
            _ => None,
        })
    }

    /// An agent has two calls, one on hold, and wants all parties in one: the call somebody else made, whose record has the customer.
    pub(crate) fn confer(&mut self, leg: LegId, held: Option<LegId>) -> Option<()> {
        let call = self.talks_in(leg)?;
        let held = held.or_else(|| self.held_beside(leg))?;
        let other = self.talks_in(held)?;
        let made = |call: CallId, leg: LegId| self.calls.get(&call).is_some_and(|call| call.caller == leg);
        let stays = !made(call, leg) && made(other, held);
        let (kept, given, from) = if stays { (call, other, held) } else { (other, call, leg) };
        let room = self.calls[&kept].guests.has_room() && self.calls[&given].guests.is_empty();
        if !room || call == other {
            return None;
        }
        // The leg of the call that is given up goes along where the other is on hold.
        let own = (!stays).then_some(from);
        self.tell(given, Event::Give { leg: from, to: kept, whole: own.is_some() });
        let Some(Given::Side(side)) = self.plant.given.take() else { return None };
        self.tell(kept, Event::Joined { side, own });
        Some(())
    }

    /// The call in which a leg is caller or partner.
    fn talks_in(&self, leg: LegId) -> Option<CallId> {
        let id = self.plant.legs.leg(leg).filter(|leg| !leg.closing)?.call;
        let call = self.calls.get(&id)?;
        let talks = call.phase().is_talking() && [Some(call.caller), call.phase().partner()].contains(&Some(leg));
        talks.then_some(id)
    }

    /// The same agent's leg that has its other call on hold.
    fn held_beside(&self, leg: LegId) -> Option<LegId> {
        let (call, party) = self.plant.legs.leg(leg).map(|leg| (leg.call, &leg.party))?;
        let calls = self.plant.legs.of_agent(party.agent()?).map(|leg| leg.call).filter(|other| *other != call);
        let holds = |leg: &LegId| self.plant.legs.leg(*leg).is_some_and(|leg| leg.party == *party);
        let mut held = calls.filter_map(|other| match self.calls.get(&other)?.phase() {
            Phase::Talking(talking) => talking.held_by.iter().copied().find(holds),
            _ => None,
        });
        held.next()
    }
}
