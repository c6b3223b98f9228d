//! One call: what holds in every phase. The phase is asked only after this.

use crate::attached::Listener;
use crate::bots::WithBot;
use crate::callbacks::{Asked, Callback};
use crate::event::{Event, Gone};
use crate::guests::Guests;
use crate::monitors::Monitors;
use crate::outward::Dialling;
use crate::phase::{Ended, Phase, Purpose};
use crate::places::Places;
use crate::plant::{Plant, Ring};
use crate::taping::Taping;
use busyhour_acd::Command;
use busyhour_ivr::Session;
use busyhour_model::{
    AgentId, CallId, Cause, LegId, Name, Number, OfferOutcome, Party, PlanId, QueueId, TapeId, Time, What,
};
use busyhour_sip::MAX_FORWARDS;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) arrived: Time,
    /// `call_max` counts from here: arrival, or the answer of a customer called back.
    begun: Time,
    /// `NOBODY` while a call-back or a trial has reached nobody.
    pub(crate) caller: LegId,
    pub(crate) origin: Party,
    /// The account it was made from: its phone may be another agent's than the own one, or nobody's.
    pub(crate) phone: Option<Name>,
    pub(crate) from: Number,
    pub(crate) to: Number,
    /// `from` is shown to nobody (RFC 3325 section 7).
    pub(crate) withheld: bool,
    /// Max-Forwards of the calls out that it causes (RFC 7332 section 4).
    pub(crate) max_forwards: u8,
    pub(crate) plan: PlanId,
    pub(crate) session: Session,
    /// As which the caller entered the queue last.
    pub(crate) tier: Option<Name>,
    /// The calling agent, kept from other calls by `Command::Occupy`.
    pub(crate) occupied: Option<AgentId>,
    /// In queues the caller waits in, left by a key or was served from.
    pub(crate) places: Places,
    /// It is to call somebody back; `None` again once it has, or has given up.
    pub(crate) callback: Option<Callback>,
    /// A number outside that is being rung.
    pub(crate) dialling: Option<Dialling>,
    /// Legs whose media has not closed yet.
    pub(crate) open: Vec<LegId>,
    pub(crate) tapes: Vec<Taping>,
    /// Recordings of its conversations that are not filed yet.
    pub(crate) conversations: Vec<TapeId>,
    /// The queue that says whether its conversations are recorded, and how long that is kept: the one that served it last.
    pub(crate) recorded_as: Option<QueueId>,
    /// Who wants what is said left out of its recordings, those that begin later too.
    pub(crate) unrecorded: Option<Name>,
    /// The bot its caller talks with.
    pub(crate) bot: Option<WithBot>,
    /// Programs that hear it.
    pub(crate) attached: Vec<Listener>,
    /// Who talks beside caller and partner.
    pub(crate) guests: Guests,
    /// Supervisors who hear it.
    pub(crate) monitors: Monitors,
    /// Taken only while the phase handles an event.
    phase: Option<Phase>,
}

/// No leg: the stack counts from 1.
const NOBODY: LegId = LegId(0);

impl Call {
    #[allow(clippy::too_many_arguments)] // the birth of a call: every argument becomes a field
    pub(crate) fn new(
        id: CallId,
        arrived: Time,
        caller: LegId,
        origin: Party,
        from: Number,
        to: Number,
        plan: PlanId,
        session: Session,
    ) -> Call {
        let phase = Some(Phase::in_ivr());
        let (begun, occupied, places, callback, open) = (arrived, None, Places::default(), None, vec![caller]);
        Call {
            id,
            arrived,
            begun,
            caller,
            origin,
            phone: None,
            from,
            to,
            withheld: false,
            max_forwards: MAX_FORWARDS,
            plan,
            session,
            tier: None,
            occupied,
            places,
            callback,
            dialling: None,
            open,
            tapes: Vec::new(),
            conversations: Vec::new(),
            recorded_as: None,
            unrecorded: None,
            bot: None,
            attached: Vec::new(),
            guests: Guests::default(),
            monitors: Monitors::default(),
            phase,
        }
    }

    /// A call that waits to call somebody back.
    pub(crate) fn called_back(id: CallId, now: Time, asked: Asked, expires: Time) -> Call {
        let Asked { place, origin, from, to, withheld, plan, session, .. } = asked;
        let callback = Callback { queue: place.queue, number: from.national.clone(), expires, missed: 0 };
        let call = Call::new(id, now, NOBODY, origin, from, to, plan, session);
        let mut call =
            Call { withheld, callback: Some(callback), open: Vec::new(), phase: Some(Phase::promised()), ..call };
        call.tier = call.session.tier();
        call.places.keep(place);
        call
    }

    /// A trial, which calls somebody out.
    pub(crate) fn tried(
        id: CallId,
        now: Time,
        origin: Party,
        from: Number,
        to: Number,
        plan: PlanId,
        session: Session,
    ) -> Call {
        let call = Call::new(id, now, NOBODY, origin, from, to, plan, session);
        Call { open: Vec::new(), phase: Some(Phase::trying(now)), ..call }
    }

    /// Somebody is on the line who called, or was reached by a call-back.
    pub(crate) fn has_caller(&self) -> bool {
        self.caller != NOBODY
    }

    /// The customer answered and is the caller from now on.
    pub(crate) fn reached(&mut self, plant: &mut Plant, queue: QueueId, customer: LegId) {
        (self.caller, self.begun) = (customer, plant.now);
        self.kept_promise(plant);
        self.hear_waiting(plant, queue);
        // The agent is there: what the programme would play is not wanted.
        while self.session.poll_step().is_some() {}
    }

    /// Caller and partner can talk; `queue` gave the partner.
    pub(crate) fn connected(&mut self, plant: &mut Plant, party: &Party, queue: Option<QueueId>) {
        if let (Party::Agent(agent), Some(_), Some(caller)) = (party, queue, self.known_caller()) {
            plant.last_agents.remember(plant.now, caller, agent);
        }
        if let Party::Agent(agent) = party {
            self.session.served_by(agent.clone());
        }
        let queue = queue.map(|queue| plant.directory.queue_name(queue).clone());
        plant.fact(What::Connected { call: self.id, party: party.clone(), queue });
    }

    pub(crate) fn phase(&self) -> &Phase {
        self.phase.as_ref().expect("a phase is taken only inside `handle`, and put back by it or by `fail`")
    }

    pub(crate) fn phase_mut(&mut self) -> &mut Phase {
        self.phase.as_mut().expect("a phase is taken only inside `handle`, and put back by it or by `fail`")
    }

    pub(crate) fn handle(&mut self, plant: &mut Plant, event: Event) {
        let event = self.monitored(plant, event).and_then(|event| self.guested(plant, event));
        let event = event.and_then(|event| self.with_bot(plant, event));
        if let Some(event) = event {
            self.proceed(plant, event);
        }
        self.see_guests_off(plant);
        self.leave_bot(plant);
        self.fork(plant);
        self.tune(plant);
    }

    fn proceed(&mut self, plant: &mut Plant, event: Event) {
        let phase = self.phase.take().expect("handlers do not nest");
        if let Event::Progress { leg, status, .. } = event {
            self.rang(plant, leg, status);
        }
        let next = match event {
            Event::Begin if self.callback.is_some() => self.promise(plant),
            Event::Begin if !phase.runs_program() => phase.handle(self, plant, Event::Begin),
            Event::Begin => self.run_program(plant, phase, busyhour_ivr::Input::Start),
            Event::Closed { leg } => {
                self.open.retain(|open| *open != leg);
                phase
            }
            Event::TapeEnded { tape, voice } => {
                self.tape_ended(tape, voice);
                phase
            }
            Event::Filed { tape, file } => self.filed(plant, phase, tape, file),
            Event::MediaChanged { leg, audio } => {
                plant.connect(leg, audio.clone());
                phase.media_changed(self, plant, leg, &audio)
            }
            Event::Gone { leg, how } if leg == self.caller && self.goes_on_without_caller(&phase) => {
                plant.lost_leg(leg, how.status());
                phase.turned(self).handle(self, plant, Event::Gone { leg, how })
            }
            Event::Gone { leg, how } if leg == self.caller => {
                plant.lost_leg(leg, how.status());
                let cause = match how {
                    Gone::HungUp if self.session.is_passed_on() => Cause::PassedOn,
                    Gone::Cancelled => Cause::CallerCancelled,
                    Gone::Vanished => Cause::PeerVanished,
                    Gone::HungUp | Gone::Refused(_) => Cause::CallerHungUp,
                };
                self.abandon(plant, phase, cause)
            }
            Event::Moved { leg, how, to } => {
                plant.lost_leg(leg, how.status());
                let followed = matches!(phase, Phase::Ringing(_) | Phase::Passing(_));
                let event = if followed { Event::Moved { leg, how, to } } else { Event::Gone { leg, how } };
                phase.handle(self, plant, event)
            }
            Event::Gone { leg, how } => {
                plant.lost_leg(leg, how.status());
                match self.dial_on(plant, leg, how.status()) {
                    Some(other) => phase.relieved(leg, other),
                    None => {
                        plant.pass_cause(leg, self.caller);
                        phase.handle(self, plant, Event::Gone { leg, how })
                    }
                }
            }
            Event::Give { leg, to, whole } => self.give(plant, phase, (leg, to), whole),
            Event::HangUp => self.abandon(plant, phase, Cause::OperatorHungUp),
            Event::Timeout if self.too_long(plant) && !phase.is_ended() => self.abandon(plant, phase, Cause::TooLong),
            Event::PickedUp { leg, agent } if !phase.may_be_picked_up() => {
                self.open.push(leg);
                plant.drop_leg(leg, 486);
                plant.leave(self.id, &plant.party_of(leg, self), agent);
                phase
            }
            event => phase.handle(self, plant, event),
        };
        self.phase = Some(next);
    }

    /// An agent who made the call leaves the others with each other; a caller from outside leaves nobody to be talked about.
    fn goes_on_without_caller(&self, phase: &Phase) -> bool {
        phase.is_talking() && self.origin.agent().is_some() && self.guests.talking().next().is_some()
    }

    /// The caller is gone or sent away: the phase gives up what it holds, every leg goes down.
    fn abandon(&mut self, plant: &mut Plant, phase: Phase, cause: Cause) -> Phase {
        if phase.is_ended() {
            return phase;
        }
        phase.abandoned(self, plant);
        self.end(plant, cause, 503)
    }

    /// An agent who had it beside another call that is over has only this one now.
    pub(crate) fn adopt(&mut self, agent: AgentId, number: &Name) {
        let partner = self.phase.as_mut().and_then(Phase::partner_mut);
        match partner.filter(|partner| partner.party.agent() == Some(number)) {
            Some(partner) => partner.purpose = Purpose::Dial { agent: Some(agent), keys: Vec::new() },
            None => self.occupied = Some(agent),
        }
    }

    /// Takes every leg down; `status` refuses a caller who was never answered.
    pub(crate) fn end(&mut self, plant: &mut Plant, cause: Cause, status: u16) -> Phase {
        for leg in self.open.clone() {
            plant.drop_leg(leg, status);
        }
        self.kept_promise(plant);
        self.dismiss_all(plant);
        if let Some(agent) = self.occupied.take() {
            plant.release(agent);
        }
        plant.consults.retain(|_, call| *call != self.id);
        let cause =
            if plant.is_answered(self.caller) || cause != Cause::IvrHungUp { cause } else { Cause::Refused(status) };
        Phase::Ended(Ended { cause, since: plant.now })
    }

    /// A handler panicked: whatever the phase held is found again and given up.
    pub(crate) fn fail(&mut self, plant: &mut Plant) {
        let _ = plant.acd(Command::Leave { call: self.id });
        let agents: Vec<AgentId> =
            plant.acd.agents().filter(|view| view.call == Some(self.id)).map(|view| view.agent).collect();
        for agent in agents {
            let _ = plant.acd(Command::Released { agent });
        }
        self.occupied = None;
        (self.guests, self.monitors) = (Guests::default(), Monitors::default());
        self.open = plant.legs.iter().filter(|(_, leg)| leg.call == self.id).map(|(id, _)| id).collect();
        plant.fact(What::Fault { call: Some(self.id), detail: "a call's handler panicked".into() });
        self.phase = Some(self.end(plant, Cause::Fault, 500));
        self.leave_bot(plant);
        self.fork(plant);
    }

    /// Rings a party on a further leg.
    pub(crate) fn ring_leg(&mut self, plant: &mut Plant, party: Party, ring: Ring) -> Result<LegId, OfferOutcome> {
        let leg = plant.ring_leg(self.id, self.caller, party, ring)?;
        self.open.push(leg);
        Ok(leg)
    }

    fn too_long(&self, plant: &Plant) -> bool {
        self.callback.is_none() && plant.now >= self.begun + plant.setup.call_max
    }

    /// When the call wants `Event::Timeout`.
    pub(crate) fn deadline(&self, plant: &Plant) -> Time {
        let phase = self.phase();
        let limit = self.begun + plant.setup.call_max;
        let at = match phase.deadline(self, plant) {
            Some(at) if phase.is_ended() || self.callback.is_some() => at,
            Some(at) => at.min(limit),
            None => limit,
        };
        self.monitors.deadline().into_iter().chain(self.guests.deadline()).fold(at, Time::min)
    }

    /// The cause, once every leg is down.
    pub(crate) fn over(&self) -> Option<Cause> {
        match self.phase() {
            Phase::Ended(ended) if self.open.is_empty() && self.unfiled().next().is_none() => Some(ended.cause),
            _ => None,
        }
    }

    /// The number to show to agents.
    pub(crate) fn shown_number(&self) -> String {
        match self.withheld || self.from.national.is_empty() {
            true => "anonymous".into(),
            false => self.from.national.clone(),
        }
    }

    /// What the dialplan shows of the caller, without a number that is withheld.
    pub(crate) fn shown_data(&self) -> Vec<(Name, String)> {
        let mut data = self.session.shown();
        let forms = [&self.from.national, &self.from.e164, &self.from.raw];
        for (_, value) in data.iter_mut().filter(|(_, value)| self.withheld && forms.contains(&value)) {
            *value = "anonymous".into();
        }
        data
    }

    /// A state no input leads to: the next handler panics.
    #[cfg(test)]
    pub(crate) fn corrupt(&mut self) {
        self.phase = None;
    }
}
