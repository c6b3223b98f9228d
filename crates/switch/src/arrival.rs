//! How a call comes to be: which number, which dialplan, is there room.

use crate::call::Call;
use crate::desk;
use crate::outward::AGENT_LIMIT;
use crate::policy::Known;
use crate::setup::TrunkSetup;
use crate::switch::Switch;
use crate::trunks::{Channel, Full};
use busyhour_acd::Command;
use busyhour_ivr::{Caller, Dialplan, Session};
use busyhour_model::{AgentId, AgentState, CallId, Name, Number, Party, PlanId, TrunkId, What};
use busyhour_sip::{Incoming, Origin};
use std::time::Duration;

/// A caller turned away for want of room may try again after this.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why an INVITE does not become a call.
struct Refusal {
    reason: &'static str,
    status: u16,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// Who is refused by 503 may try again.
    fn new(reason: &'static str, status: u16) -> Refusal {
        Refusal { reason, status, retry_after: (status == 503).then_some(RETRY_AFTER) }
    }

    /// A trunk takes no more; what that is called depends on the trunk.
    fn full(full: Full, setup: &TrunkSetup) -> Refusal {
        let status = match full.reason {
            "drained" | "rate" => 503,
            "number_full" => 486,
            _ => setup.full_status,
        };
        Refusal { retry_after: full.after, ..Refusal::new(full.reason, status) }
    }
}

/// What an INVITE asks for, once it is known to be possible.
struct Arrival {
    origin: Party,
    channel: Option<Channel>,
    to: Number,
    plan: PlanId,
}

impl Switch {
    /// Takes or refuses a new INVITE.
    pub(crate) fn arrive(&mut self, mut incoming: Incoming) {
        let phone = match &incoming.origin {
            Origin::Account(account) => Some(account.clone()),
            Origin::Trunk(_) => None,
        };
        if let Err(refusal) = self.name_agent(&mut incoming) {
            return self.refuse(&incoming, &refusal);
        }
        if let Some(old) = incoming.replaces {
            if let Err(status) = self.take_place(&incoming, old) {
                self.refuse(&incoming, &Refusal::new("replaces", status));
            }
            return;
        }
        if let Origin::Account(account) = &incoming.origin
            && let Some(call) = self.to_pick_up(account, &incoming.dialled)
        {
            let taken = call.ok_or(404).and_then(|call| self.pick_up(account, &incoming, call));
            if let Err(status) = taken {
                self.refuse(&incoming, &Refusal::new("pickup", status));
            }
            return;
        }
        let admitted = match self.calls.len() - self.plant.callbacks.len() >= self.plant.setup.calls_max {
            true => Err(Refusal::new("overload", 503)),
            false => self.admit(&incoming),
        };
        match admitted {
            Ok(arrival) => self.begin(incoming, arrival, phone),
            Err(refusal) => self.refuse(&incoming, &refusal),
        }
    }

    /// A phone speaks for the agent who has it; for itself only to sign one in.
    fn name_agent(&mut self, incoming: &mut Incoming) -> Result<(), Refusal> {
        let Origin::Account(account) = &incoming.origin else { return Ok(()) };
        let (account, codes) = (account.clone(), &self.plant.setup.codes);
        if incoming.dialled.starts_with(&*codes.sign_in) {
            return Ok(());
        }
        if incoming.dialled == *codes.ready || incoming.dialled.starts_with(&*codes.not_ready) {
            self.plant.come_back(&account);
        }
        match self.plant.agent_at(&account) {
            Some(agent) => incoming.origin = Origin::Account(agent),
            None if self.leads_to_sign_in(&incoming.dialled) => {}
            None => return Err(Refusal::new("nobody_here", 403)),
        }
        Ok(())
    }

    /// Whether agents sign in by the dialplan of this number.
    fn leads_to_sign_in(&self, dialled: &str) -> bool {
        let route = self.plant.trunks.route(None, &Number::parse(dialled));
        route.and_then(|route| self.plant.plans.current(&route.dialplan)).is_some_and(Dialplan::signs_in)
    }

    fn admit(&mut self, incoming: &Incoming) -> Result<Arrival, Refusal> {
        match &incoming.origin {
            Origin::Trunk(trunk) => self.admit_trunk(*trunk, incoming),
            Origin::Account(account) => self.admit_account(account.clone(), incoming),
        }
    }

    fn admit_trunk(&mut self, trunk: TrunkId, incoming: &Incoming) -> Result<Arrival, Refusal> {
        let to = self.plant.trunks.dialled(trunk, incoming);
        let name = self.plant.trunks.trunk(trunk).setup.name.clone();
        let route = self.plant.trunks.route(Some(&name), &to).ok_or(Refusal::new("unknown_number", 404))?;
        let (dialplan, calls_max) = (route.dialplan.clone(), route.calls_max);
        let tier = self.plant.tiers.of(&self.caller(incoming).number);
        let number = calls_max.map(|max| (&*to.national, max));
        let admitted = self.plant.trunks.admit(self.plant.now, trunk, tier.as_ref(), number);
        let channel = admitted.map_err(|full| Refusal::full(full, &self.plant.trunks.trunk(trunk).setup))?;
        match self.plant.plans.enter(&dialplan) {
            Some(plan) => Ok(Arrival { origin: Party::Trunk(name), channel: Some(channel), to, plan }),
            None => {
                self.plant.trunks.release(&channel);
                Err(Refusal::new("unknown_number", 404))
            }
        }
    }

    /// An agent dials: a star code, the own messages, a number of ours, a colleague, or out by the first trunk.
    fn admit_account(&mut self, account: Name, incoming: &Incoming) -> Result<Arrival, Refusal> {
        if let Some(said) = incoming.dialled.strip_prefix(&*self.plant.setup.codes.sign_in) {
            return self.admit_sitting(&account, said);
        }
        if incoming.dialled == *self.plant.setup.codes.park {
            return self.admit_parking(account);
        }
        let to = Number::parse(&incoming.dialled);
        let busy = self.plant.directory.agent_id(&account).is_some_and(|id| self.is_busy(id));
        let route = match self.star_code(&account, &incoming.dialled) {
            Some(plan) => plan.into(),
            None if busy => return Err(Refusal::new("agent_busy", 486)),
            None if !self.plant.has_room_beside(&account, None) => return Err(Refusal::new("agent_calls", 403)),
            None if incoming.dialled == *self.plant.setup.codes.voicemail => desk::VOICEMAIL.into(),
            None => match self.plant.trunks.route(None, &to) {
                Some(route) => route.dialplan.clone(),
                None => self.way_out(&account, &incoming.dialled)?.into(),
            },
        };
        let plan = self.plant.plans.enter(&route).ok_or(Refusal::new("unknown_number", 404))?;
        Ok(Arrival { origin: Party::Agent(account), channel: None, to, plan })
    }

    /// To a colleague, or outside as often as one agent may.
    fn way_out(&mut self, account: &Name, dialled: &str) -> Result<&'static str, Refusal> {
        let plan = desk::outward(&self.plant, dialled);
        if plan == desk::OUTSIDE && !self.plant.calls_out(account) {
            return Err(Refusal::new(AGENT_LIMIT, 403));
        }
        Ok(plan)
    }

    /// An agent parks the caller on hold, and hears where.
    fn admit_parking(&mut self, account: Name) -> Result<Arrival, Refusal> {
        let slot = self.park_held(&account);
        let plan = if slot.is_some() { "desk/parked" } else { "desk/refused" };
        let to = Number::parse(&slot.map(|slot| slot.to_string()).unwrap_or_default());
        let plan = self.plant.plans.enter(plan).ok_or(Refusal::new("unknown_number", 404))?;
        Ok(Arrival { origin: Party::Agent(account), channel: None, to, plan })
    }

    /// An agent signs in at this phone, and hears so; by keys, when nothing is dialled beside the code: that is forgotten.
    fn admit_sitting(&mut self, account: &Name, said: &str) -> Result<Arrival, Refusal> {
        let said = said.trim_end_matches('#');
        let (number, pin) = said.split_once('*').unwrap_or((said, ""));
        let seated = (!said.is_empty()).then(|| self.plant.sit_down(account, number, pin));
        let (origin, plan) = match seated {
            None => (account.clone(), desk::SIGN_IN),
            Some(Ok(agent)) => (agent, "desk/signed-in"),
            Some(Err(_)) => (account.clone(), "desk/refused"),
        };
        let plan = self.plant.plans.enter(plan).ok_or(Refusal::new("unknown_number", 404))?;
        let to = Number::parse(&self.plant.setup.codes.sign_in);
        Ok(Arrival { origin: Party::Agent(origin), channel: None, to, plan })
    }

    /// Whether an agent may not call now: one call in hand, and on hold at most one.
    pub(crate) fn is_busy(&self, agent: AgentId) -> bool {
        let Some(view) = self.plant.acd.agent(agent) else { return false };
        let consults = self.plant.consults.contains_key(&agent);
        match self.state_of(&view) {
            AgentState::Ringing | AgentState::Talking => true,
            AgentState::Hold => consults,
            _ => false,
        }
    }

    fn begin(&mut self, incoming: Incoming, arrival: Arrival, phone: Option<Name>) {
        let Arrival { origin, channel, to, plan } = arrival;
        let id = CallId(self.next_call);
        if !self.plant.take_leg(incoming.leg, id, origin.clone(), channel.clone(), incoming.audio.as_ref()) {
            channel.inspect(|channel| self.plant.trunks.release(channel));
            self.plant.plans.leave(plan);
            return self.refuse(&incoming, &Refusal::new("no_ports", 503));
        }
        self.next_call += 1;
        let aside = self.is_aside(plan);
        self.plant.legs.leg_mut(incoming.leg).into_iter().for_each(|leg| leg.aside = aside);
        let Known { number: from, withheld } = self.caller(&incoming);
        self.plant.fact(What::Arrived {
            call: id,
            leg: Some(incoming.leg),
            callback_of: None,
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            sip_call_id: incoming.call_id.as_str().into(),
        });
        if channel.is_some() {
            self.plant.fact(What::Identified { call: id, withheld, headers: incoming.caller.raw });
        }
        if let Some(audio) = incoming.audio {
            self.plant.connect(incoming.leg, audio);
        }
        let now = self.plant.now;
        let tier = matches!(origin, Party::Trunk(_)).then(|| self.plant.tiers.of(&from)).flatten();
        let caller = Caller { from: from.clone(), to: to.clone(), origin: origin.name().clone(), tier };
        let session = Session::new(now, self.plant.plans.plan(plan), caller);
        let mut call = Call::new(id, now, incoming.leg, origin, from, to, plan, session);
        (call.withheld, call.phone) = (withheld, phone);
        call.max_forwards = incoming.max_forwards.saturating_sub(1);
        self.occupy(&mut call);
        self.calls.insert(id, call);
        self.tell(id, crate::event::Event::Begin);
    }

    /// Whether it is with us that an agent talks: by a star code, or to sign in.
    fn is_aside(&self, plan: PlanId) -> bool {
        desk::is_desk(self.plant.plans.name(plan)) || self.plant.plans.plan(plan).signs_in()
    }

    /// Who calls: an agent by the account, others as far as their trunk is believed.
    fn caller(&self, incoming: &Incoming) -> Known {
        match &incoming.origin {
            Origin::Account(account) => Known { number: Number::parse(account), withheld: false },
            Origin::Trunk(trunk) => self.plant.trunks.trunk(*trunk).setup.policy.caller(&incoming.caller),
        }
    }

    /// An agent who calls is not offered another call; who has one on hold asks somebody beside it.
    fn occupy(&mut self, call: &mut Call) {
        let Party::Agent(number) = &call.origin else { return };
        let Some(agent) = self.plant.directory.agent_id(number) else { return };
        if self.is_aside(call.plan) {
            return;
        }
        if self.plant.acd(Command::Occupy { agent, call: call.id }).is_ok() {
            call.occupied = Some(agent);
        } else if self.plant.acd.agent(agent).is_some_and(|view| view.state == AgentState::Talking) {
            self.plant.consults.insert(agent, call.id);
        }
    }

    fn refuse(&mut self, incoming: &Incoming, refusal: &Refusal) {
        let retry = refusal.retry_after.map(|after| Duration::from_secs(after.as_secs_f64().ceil() as u64));
        let _ = self.plant.sip.refuse(self.plant.now, incoming.leg, refusal.status, retry);
        if let Origin::Trunk(trunk) = incoming.origin {
            let trunk = self.plant.trunks.trunk(trunk).setup.name.clone();
            self.plant.fact(What::TrunkRefused { trunk, reason: refusal.reason.into(), status: refusal.status });
        }
    }
}
