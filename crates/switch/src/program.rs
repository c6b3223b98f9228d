//! The dialplan at work: every step a session asks for, carried out.

use crate::call::Call;
use crate::conversations::DIALPLAN;
use crate::phase::{Phase, Purpose};
use crate::places::For;
use crate::plant::{Plant, Ring};
use crate::taping;
use busyhour_acd::{Command, Prefer};
use busyhour_ivr::{AgentAvailability, DialTarget, Input, Preference, Preferred, Step};
use busyhour_media::Limits;
use busyhour_model::{AgentId, AgentState, Cause, DequeueReason, LegId, Name, OfferOutcome, QueueId, Sound, What};
use busyhour_sip::Identity;
use std::time::Duration;

/// What `Step::Enqueue` asks for.
struct Wanted {
    queue: Name,
    skills: Vec<(Name, u8)>,
    priority: i32,
    agent: Option<Name>,
    wait_busy: bool,
    prefer: Vec<Preference<Name>>,
}

impl Call {
    /// Tells the session and does what it then asks for, until it waits for something.
    pub(crate) fn run_program(&mut self, plant: &mut Plant, phase: Phase, input: Input) -> Phase {
        // A dialplan that has nothing more to say when the partner has hung up did not end the call: the partner did.
        let cause = if input == Input::PartnerLeft { Cause::PartnerHungUp } else { Cause::IvrHungUp };
        self.session.handle(plant.now, plant.plans.plan(self.plan), input);
        self.run(plant, phase, cause)
    }

    /// Does what the session asks for, as long as the call is the session's.
    pub(crate) fn run_steps(&mut self, plant: &mut Plant, phase: Phase) -> Phase {
        self.run(plant, phase, Cause::IvrHungUp)
    }

    fn run(&mut self, plant: &mut Plant, mut phase: Phase, mut cause: Cause) -> Phase {
        while phase.runs_program() {
            let Some(step) = self.session.poll_step() else { break };
            if !matches!(step, Step::Entered(_) | Step::HangUp { .. }) {
                cause = Cause::IvrHungUp;
            }
            phase = self.take_step(plant, phase, step, cause);
        }
        phase
    }

    fn node_entered(&mut self, plant: &mut Plant, node: Name) {
        let plan = plant.plans.name(self.plan).clone();
        plant.fact(What::NodeEntered { call: self.id, plan, node });
    }

    fn leave_program(&mut self, plant: &mut Plant, phase: &Phase, cause: Cause, status: u16) -> Phase {
        if let Phase::Queued(queued) = phase {
            self.leave_queue(plant, queued.queue, DequeueReason::Left);
        }
        if cause == Cause::IvrHungUp {
            self.ivr_left(plant, "hung_up");
        }
        self.end(plant, cause, status)
    }

    fn take_step(&mut self, plant: &mut Plant, phase: Phase, step: Step, cause: Cause) -> Phase {
        match step {
            Step::Ring => self.let_ring(plant),
            Step::Answer => self.answer(plant),
            Step::PauseRecording { on } => self.unrecorded = on.then(|| DIALPLAN.into()),
            Step::Play { sounds, repeat } => self.play(plant, sounds, repeat),
            Step::Stop => plant.stop(self.caller),
            Step::Enqueue { queue, skills, priority, agent, wait_busy, prefer } => {
                return self.enqueue(plant, phase, &Wanted { queue, skills, priority, agent, wait_busy, prefer });
            }
            Step::AskPlace => self.tell_place(plant),
            Step::AskQueues(names) => self.tell_queues(plant, names),
            Step::LookUp(lookup) => plant.lookups.push_back((self.id, lookup)),
            Step::Talk(talk) => self.talk(plant, talk),
            Step::TellKey(key) => self.tell_key(plant, key),
            Step::Talked { outcome } => self.talked(plant, outcome),
            Step::LookedUp { .. } | Step::SurveyBegun { .. } | Step::Surveyed { .. } | Step::SurveyEnded { .. } => {
                self.tell(plant, step)
            }
            Step::Announced { ahead, wait } => self.announced(plant, &phase, ahead, wait),
            Step::LeaveQueue => {
                if let Phase::Queued(queued) = &phase {
                    self.leave_queue(plant, queued.queue, DequeueReason::Left);
                }
                return Phase::in_ivr();
            }
            Step::Callback { number } => {
                let taken = self.ask_callback(plant, number);
                return self.run_program(plant, phase, Input::Callback { taken });
            }
            Step::SignIn { agent, pin } => return self.sign_in(plant, phase, &agent, &pin),
            Step::Dial { to, timeout, keys } => return self.dial(plant, to, timeout, keys),
            Step::Record { keep, longest, shortest, silence, keys } => {
                let limits = Limits { longest: Some(longest), silence, keys };
                return self.record(plant, phase, taping::Wanted { keep, shortest, limits });
            }
            Step::OpenMailbox { mailbox } => {
                let open = plant.has_room(&mailbox);
                self.session.handle(plant.now, plant.plans.plan(self.plan), Input::Mailbox { open });
            }
            Step::AskMessages { mailbox } => {
                let messages = plant.messages_for(&mailbox);
                self.session.handle(plant.now, plant.plans.plan(self.plan), Input::Messages(messages));
            }
            Step::MessageHeard { tape } => drop(plant.hear_message(tape)),
            Step::DeleteMessage { tape } => drop(plant.delete_message(tape, false)),
            Step::Deposit { mailbox, tape } => self.deposit(plant, &mailbox, tape),
            Step::Discard { tape } => self.discard(plant, tape),
            Step::Refer { number } => {
                if plant.sip.refer(plant.now, self.caller, &number).is_err() {
                    return self.run_program(plant, phase, Input::Referred { answered: false });
                }
            }
            Step::PassedOn => {
                self.ivr_left(plant, "passed_on");
                return self.end(plant, Cause::PassedOn, 480);
            }
            Step::Entered(node) => self.node_entered(plant, node),
            Step::HangUp { status, cause: told } => {
                if let Some((told, leg)) = told.zip(plant.legs.leg_mut(self.caller)) {
                    leg.cause = Some(told);
                }
                return self.leave_program(plant, &phase, cause, status);
            }
        }
        phase
    }

    /// Tells the facts what happened: a look-up, a survey.
    fn tell(&self, plant: &mut Plant, step: Step) {
        let call = self.id;
        plant.fact(match step {
            Step::LookedUp { node, outcome, attempts, took } => {
                let plan = plant.plans.name(self.plan).clone();
                What::LookedUp { call, plan, node, outcome, attempts, took }
            }
            Step::SurveyBegun { survey } => What::SurveyBegun { call, survey },
            Step::Surveyed { question, key, score, satisfied } => {
                What::Surveyed { call, question, key, score, satisfied }
            }
            Step::SurveyEnded { complete } => What::SurveyEnded { call, complete },
            _ => return,
        });
    }

    /// Lets a caller who is not answered hear ringing.
    fn let_ring(&self, plant: &mut Plant) {
        if !plant.is_answered(self.caller) {
            let _ = plant.sip.ring(plant.now, self.caller, None);
        }
    }

    /// Sends 200 once; later calls do nothing.
    pub(crate) fn answer(&mut self, plant: &mut Plant) {
        if plant.is_answered(self.caller) {
            return;
        }
        if self.answer_leg(plant, self.caller) {
            plant.fact(What::Answered { call: self.id });
        }
    }

    /// Sends 200 to a leg that came in; false: that is not possible any more.
    pub(crate) fn answer_leg(&self, plant: &mut Plant, leg: LegId) -> bool {
        let local = plant.local(leg);
        let Ok(audio) = plant.sip.answer(plant.now, leg, local) else { return false };
        plant.answered(leg);
        plant.fact(What::LegAnswered { call: self.id, leg });
        if let Some(audio) = audio {
            plant.connect(leg, audio);
        }
        true
    }

    /// Plays to the caller; before the answer as early media (183). Who cannot hear it yet is spared it.
    fn play(&mut self, plant: &mut Plant, sounds: Vec<Sound>, repeat: bool) {
        if plant.is_answered(self.caller) || self.open_early(plant) {
            plant.play(self.caller, sounds, repeat);
        } else if !repeat {
            self.session.handle(plant.now, plant.plans.plan(self.plan), Input::PlayEnded);
        }
    }

    /// Lets the caller hear us before the answer; false: the INVITE brought no offer (RFC 3261 section 13.2.1).
    pub(crate) fn open_early(&mut self, plant: &mut Plant) -> bool {
        let local = plant.local(self.caller);
        let Ok(Some(audio)) = plant.sip.ring(plant.now, self.caller, Some(local)) else { return false };
        plant.connect(self.caller, audio);
        true
    }

    fn enqueue(&mut self, plant: &mut Plant, phase: Phase, wanted: &Wanted) -> Phase {
        let whom = match wanted.agent.as_ref().map(|number| available(plant, number, wanted.wait_busy)) {
            None => self.rather(plant, &wanted.prefer).map_or(For::Anybody, For::Rather),
            Some(Ok(agent)) => For::Only(agent),
            Some(Err(why)) => return self.run_program(plant, phase, Input::AgentUnavailable(why)),
        };
        let Some(queue) = plant.directory.queue_id(&wanted.queue) else {
            return self.run_program(plant, phase, Input::Dequeued(DequeueReason::NoAgents));
        };
        let required = plant.directory.skills(&wanted.skills);
        let (place, entrance) = self.place_in(plant, queue, wanted.priority, required);
        self.ivr_left(plant, "to_agent");
        self.wait(plant, &place, entrance, whom)
    }

    /// The first of these agents who is there, though perhaps busy.
    fn rather(&self, plant: &Plant, wanted: &[Preference<Name>]) -> Option<Prefer> {
        wanted.iter().find_map(|Preference { whom, patience }| {
            let number = match whom {
                Preferred::Agent(number) => number,
                Preferred::Last { within } => plant.last_agents.of(plant.now, self.known_caller()?, *within)?,
            };
            Some(Prefer { agent: available(plant, number, true).ok()?, patience: *patience })
        })
    }

    /// Leaves the line; coming back in the same call leads to the same place.
    pub(crate) fn leave_queue(&mut self, plant: &mut Plant, queue: QueueId, reason: DequeueReason) {
        let _ = plant.acd(Command::Leave { call: self.id });
        if self.callback.is_some() {
            return;
        }
        if reason == DequeueReason::Abandoned {
            self.give_up(plant, queue);
        }
        let queue = plant.directory.queue_name(queue).clone();
        plant.fact(What::Dequeued { call: self.id, queue, reason });
    }

    fn tell_place(&mut self, plant: &mut Plant) {
        let place = plant.acd.place(plant.now, self.id);
        let input = Input::Place { ahead: place.map_or(0, |p| p.ahead), wait: place.and_then(|p| p.wait) };
        self.session.handle(plant.now, plant.plans.plan(self.plan), input);
    }

    fn tell_queues(&mut self, plant: &Plant, names: Vec<Name>) {
        let state = |name: Name| Some((name.clone(), plant.queue_state(&name)?));
        let queues = names.into_iter().filter_map(state).collect();
        self.session.handle(plant.now, plant.plans.plan(self.plan), Input::Queues(queues));
    }

    fn announced(&mut self, plant: &mut Plant, phase: &Phase, ahead: u32, wait: Option<Duration>) {
        if let Phase::Queued(queued) = phase {
            let queue = plant.directory.queue_name(queued.queue).clone();
            plant.fact(What::Announced { call: self.id, queue, ahead, wait });
        }
    }

    fn dial(&mut self, plant: &mut Plant, to: DialTarget, timeout: Duration, keys: Vec<Sound>) -> Phase {
        match self.ring_target(plant, to) {
            Ok((leg, agent)) => {
                self.ivr_left(plant, "dialled");
                if plant.is_answered(self.caller) {
                    plant.play_system(self.caller, "system/ringback");
                }
                Phase::ringing(leg, Purpose::Dial { agent, keys }, plant.now + timeout)
            }
            Err(outcome) => self.run_program(plant, Phase::in_ivr(), Input::DialFailed(outcome)),
        }
    }

    pub(crate) fn ring_target(
        &mut self,
        plant: &mut Plant,
        to: DialTarget,
    ) -> Result<(LegId, Option<AgentId>), OfferOutcome> {
        match to {
            DialTarget::Number { number, trunk } => {
                Ok((self.ring_outside(plant, &number, trunk.as_ref(), false)?, None))
            }
            DialTarget::Agent(called) => {
                let number = plant.directory.agent_called(&called).cloned().ok_or(OfferOutcome::Unreachable)?;
                let agent = plant.directory.agent_id(&number).ok_or(OfferOutcome::Unreachable)?;
                if !plant.may_be_disturbed(&number) {
                    return Err(OfferOutcome::Refused);
                }
                let target = plant.phone_for(&number, self.id)?;
                let held = hold_for(plant, agent, self.id)?;
                let ring = Ring {
                    target,
                    from: self.shown_number(),
                    display: None,
                    identity: Identity::default(),
                    headers: Vec::new(),
                    max_forwards: self.max_forwards,
                    channel: None,
                    after: Duration::ZERO,
                    replaceable: false,
                };
                let rung = self.ring_agent(plant, number, ring, None);
                if rung.is_err() && held {
                    let _ = plant.acd(Command::Released { agent });
                }
                Ok((rung?, held.then_some(agent)))
            }
        }
    }

    /// Notes that the caller left the dialplan.
    pub(crate) fn ivr_left(&mut self, plant: &mut Plant, outcome: &str) {
        let plan = plant.plans.name(self.plan).clone();
        plant.fact(What::IvrLeft { call: self.id, plan, outcome: outcome.into() });
    }
}

/// Keeps the ACD from offering calls to an agent rung past it; false for one who is not signed in.
pub(crate) fn hold_for(plant: &mut Plant, agent: AgentId, call: busyhour_model::CallId) -> Result<bool, OfferOutcome> {
    match plant.acd.agent(agent).map(|view| view.state) {
        None | Some(AgentState::SignedOut) => Ok(false),
        Some(_) => plant.acd(Command::Occupy { agent, call }).map(|()| true).map_err(|_| OfferOutcome::Refused),
    }
}

/// The four outcomes of asking for an agent by number: rung (now or after the present call), busy, offline, unknown.
fn available(plant: &Plant, called: &str, wait_busy: bool) -> Result<AgentId, AgentAvailability> {
    let number = plant.directory.agent_called(called).ok_or(AgentAvailability::Unknown)?;
    let agent = plant.directory.agent_id(number).ok_or(AgentAvailability::Unknown)?;
    match plant.acd.agent(agent).map_or(AgentState::SignedOut, |view| view.state) {
        AgentState::Ready => Ok(agent),
        AgentState::SignedOut | AgentState::NotReady => Err(AgentAvailability::Offline),
        _ if wait_busy => Ok(agent),
        _ => Err(AgentAvailability::Busy),
    }
}
