//! A partner's phone rings, or several at once: agents the ACD chose, or somebody dialled.

use super::queued::{decline, offer_ended};
use super::{Briefing, Partner, Phase, Purpose, Talking};
use crate::call::Call;
use crate::event::{Event, Gone};
use crate::plant::Plant;
use crate::transfer::Side;
use busyhour_acd::Command;
use busyhour_ivr::Input;
use busyhour_model::{AgentId, Audio, DequeueReason, LegId, OfferOutcome, QueueId, Time, What};
use busyhour_sip::NOT_SELECTED;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ringing {
    /// Never empty; more than one only for an offer to several agents.
    pub(crate) rung: Vec<Rung>,
}

/// A leg that rings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rung {
    pub(crate) leg: LegId,
    pub(crate) purpose: Purpose,
    pub(crate) deadline: Time,
    /// Redirections followed to get here.
    pub(crate) redirects: u8,
}

impl Rung {
    pub(crate) fn new(leg: LegId, purpose: Purpose, deadline: Time) -> Rung {
        Rung { leg, purpose, deadline, redirects: 0 }
    }
}

impl Ringing {
    pub(crate) fn handle(mut self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match event {
            Event::Progress { leg, audio, .. } => self.progress(call, plant, leg, audio),
            Event::LegAnswered { leg, audio } => self.answered(call, plant, leg, audio),
            Event::Gone { leg, how } => self.failed(call, plant, leg, outcome(how)),
            Event::Moved { leg, how, to } => {
                let rung = self.rung.iter_mut().find(|rung| rung.leg == leg);
                match rung.is_some_and(|rung| call.follow(plant, rung, &to)) {
                    true => Phase::Ringing(self),
                    false => self.failed(call, plant, leg, outcome(how)),
                }
            }
            Event::PickedUp { leg, agent } => self.picked_up(call, plant, leg, agent),
            Event::Fax { leg } if leg == call.caller => self.fax(call, plant),
            Event::Timeout => self.timed_out(call, plant),
            Event::Offered { queue, agent, why } => call.ring_for(plant, queue, agent, why, Phase::Ringing(self)),
            Event::Withdrawn { agent } => self.withdrawn(call, plant, agent),
            _ => Phase::Ringing(self),
        }
    }

    /// The one phone that somebody's dialling rings; `Err` for an offer, with its queue.
    pub(crate) fn dialled(mut self, plant: &Plant) -> Result<Side, (QueueId, Ringing)> {
        if let Some(queue) = self.rung[0].purpose.queue() {
            return Err((queue, self));
        }
        let Rung { leg, purpose, deadline, .. } = self.rung.remove(0);
        let party = plant.legs.leg(leg).map(|leg| leg.party.clone()).expect("a phone that rings has its leg");
        Ok(Side { partner: Partner { leg, party, purpose }, rings: Some(deadline) })
    }

    /// Somebody else rings too.
    pub(crate) fn beside(mut self, rung: Rung) -> Phase {
        self.rung.push(rung);
        Phase::Ringing(self)
    }

    /// The leg rings no more; `None` when it never did.
    fn take(&mut self, leg: LegId) -> Option<Rung> {
        let at = self.rung.iter().position(|rung| rung.leg == leg)?;
        Some(self.rung.remove(at))
    }

    /// Lets an unanswered caller hear that it rings, or the far end's own early media.
    fn progress(self, call: &mut Call, plant: &mut Plant, leg: LegId, audio: Option<Audio>) -> Phase {
        let Some(rung) = self.rung.iter().find(|rung| rung.leg == leg) else { return Phase::Ringing(self) };
        let caller_waits = !plant.is_answered(call.caller);
        match audio {
            Some(audio) if matches!(rung.purpose, Purpose::Dial { .. }) => {
                plant.connect(leg, audio);
                if caller_waits {
                    call.open_early(plant);
                }
                plant.stop(call.caller);
                plant.bridge(call.caller, leg);
            }
            _ if caller_waits => {
                let _ = plant.sip.ring(plant.now, call.caller, None);
            }
            _ => {}
        }
        Phase::Ringing(self)
    }

    /// The first to answer has the call; the others stop ringing.
    fn answered(mut self, call: &mut Call, plant: &mut Plant, leg: LegId, audio: Audio) -> Phase {
        let Some(Rung { purpose, .. }) = self.take(leg) else { return Phase::Ringing(self) };
        plant.answered(leg);
        plant.fact(What::LegAnswered { call: call.id, leg });
        plant.connect(leg, audio);
        let keys = match &purpose {
            Purpose::Dial { keys, .. } => keys.clone(),
            &Purpose::Offer { queue, agent } => {
                self.taken(call, plant, agent);
                return Briefing::begin(call, plant, leg, queue, agent);
            }
        };
        call.answer(plant);
        plant.stop(call.caller);
        plant.bridge(call.caller, leg);
        if !keys.is_empty() {
            plant.play(leg, keys, false);
        }
        let party = plant.party_of(leg, call);
        call.connected(plant, &party, None);
        Phase::Talking(Talking::new(call, plant, Partner { leg, party, purpose }, None))
    }

    /// A colleague takes the call from where it rings.
    fn picked_up(self, call: &mut Call, plant: &mut Plant, leg: LegId, agent: Option<AgentId>) -> Phase {
        let queue = self.rung[0].purpose.queue();
        self.answered_elsewhere(call, plant);
        if queue.is_some() {
            let _ = plant.acd(Command::Leave { call: call.id });
        }
        call.open.push(leg);
        call.answer(plant);
        call.answer_leg(plant, leg);
        plant.stop(call.caller);
        plant.bridge(call.caller, leg);
        let party = plant.party_of(leg, call);
        call.connected(plant, &party, queue);
        let purpose = Purpose::Dial { agent, keys: Vec::new() };
        Phase::Talking(Talking::new(call, plant, Partner { leg, party, purpose }, queue))
    }

    /// An agent took the offer.
    fn taken(self, call: &Call, plant: &mut Plant, agent: AgentId) {
        self.answered_elsewhere(call, plant);
        let _ = plant.acd(Command::Accepted { call: call.id, agent });
    }

    /// A partner did not take it: others ring on, else back to the queue's head, or on in the dialplan.
    fn failed(mut self, call: &mut Call, plant: &mut Plant, leg: LegId, outcome: OfferOutcome) -> Phase {
        match self.take(leg).map(|rung| rung.purpose) {
            None => Phase::Ringing(self),
            Some(Purpose::Offer { queue, agent }) => {
                decline(call, plant, queue, agent, outcome);
                self.ring_on(call, plant, queue)
            }
            Some(Purpose::Dial { agent, .. }) => {
                release(plant, agent);
                plant.stop(call.caller);
                call.run_program(plant, Phase::in_ivr(), Input::DialFailed(outcome))
            }
        }
    }

    fn timed_out(self, call: &mut Call, plant: &mut Plant) -> Phase {
        let late = |rung: &&Rung| plant.now >= rung.deadline;
        let Some(leg) = self.rung.iter().find(late).map(|rung| rung.leg) else { return Phase::Ringing(self) };
        plant.drop_leg(leg, 487);
        match self.failed(call, plant, leg, OfferOutcome::NoAnswer) {
            Phase::Ringing(others) => others.timed_out(call, plant),
            phase => phase,
        }
    }

    /// The ACD took the offer to this agent back, who signed out or was stopped.
    fn withdrawn(mut self, call: &mut Call, plant: &mut Plant, agent: AgentId) -> Phase {
        let rings = |rung: &&Rung| matches!(rung.purpose, Purpose::Offer { agent: rung, .. } if rung == agent);
        let Some(leg) = self.rung.iter().find(rings).map(|rung| rung.leg) else { return Phase::Ringing(self) };
        plant.drop_leg(leg, 487);
        match self.take(leg).map(|rung| rung.purpose) {
            Some(Purpose::Offer { queue, .. }) => {
                offer_ended(call, plant, queue, agent, OfferOutcome::Withdrawn);
                self.ring_on(call, plant, queue)
            }
            _ => Phase::Ringing(self),
        }
    }

    /// The caller is a fax machine: no call for an agent, where the dialplan has a place for it.
    fn fax(self, call: &mut Call, plant: &mut Plant) -> Phase {
        let minds = call.session.minds_fax(plant.plans.plan(call.plan));
        let Some(queue) = self.rung[0].purpose.queue().filter(|_| minds) else { return Phase::Ringing(self) };
        self.stop_all(call, plant, OfferOutcome::Withdrawn);
        call.run_program(plant, Phase::queued(queue), Input::Fax)
    }

    /// Others ring, or the caller waits again.
    fn ring_on(self, call: &mut Call, plant: &mut Plant, queue: QueueId) -> Phase {
        if !self.rung.is_empty() {
            return Phase::Ringing(self);
        }
        if call.callback.is_some() {
            return Phase::promised();
        }
        call.session.resume_waiting(plant.now);
        call.run_steps(plant, Phase::queued(queue))
    }

    /// Somebody else has the call: the phones that rang show none that was missed.
    fn answered_elsewhere(self, call: &Call, plant: &mut Plant) {
        self.rung.iter().for_each(|rung| plant.sip.give_reason(rung.leg, NOT_SELECTED));
        self.stop_all(call, plant, OfferOutcome::Withdrawn);
    }

    /// Nobody rings any more, for this reason.
    pub(crate) fn stop_all(self, call: &Call, plant: &mut Plant, outcome: OfferOutcome) {
        for rung in self.rung {
            plant.drop_leg(rung.leg, 487);
            match rung.purpose {
                Purpose::Offer { queue, agent } => offer_ended(call, plant, queue, agent, outcome),
                Purpose::Dial { agent, .. } => release(plant, agent),
            }
        }
    }

    /// The caller is gone: of several agents rung the first counts as abandoned.
    pub(crate) fn abandoned(mut self, call: &mut Call, plant: &mut Plant) {
        let first = self.rung.remove(0);
        self.stop_all(call, plant, OfferOutcome::Withdrawn);
        match first.purpose {
            Purpose::Offer { queue, agent } => {
                offer_ended(call, plant, queue, agent, OfferOutcome::Abandoned);
                call.leave_queue(plant, queue, DequeueReason::Abandoned);
            }
            Purpose::Dial { agent, .. } => release(plant, agent),
        }
    }
}

/// An agent rung past the ACD may be offered calls again.
fn release(plant: &mut Plant, agent: Option<AgentId>) {
    if let Some(agent) = agent {
        plant.release(agent);
    }
}

/// What a final response means for an offer.
fn outcome(how: Gone) -> OfferOutcome {
    match how {
        Gone::Refused(408 | 404 | 410 | 502 | 503 | 504) | Gone::Vanished => OfferOutcome::Unreachable,
        Gone::Refused(480 | 487) => OfferOutcome::NoAnswer,
        Gone::Refused(_) | Gone::Cancelled | Gone::HungUp => OfferOutcome::Refused,
    }
}
