//! A partner's phone rings: an agent the ACD chose, or somebody dialled.

use super::queued::{decline, offer_ended};
use super::{Phase, Purpose, Talking};
use crate::call::{Call, Event, Gone};
use crate::plant::Plant;
use busyhour_acd::Command;
use busyhour_ivr::Input;
use busyhour_model::{Audio, DequeueReason, LegId, OfferOutcome, Time, What};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ringing {
    pub(crate) leg: LegId,
    pub(crate) purpose: Purpose,
    pub(crate) deadline: Time,
}

impl Ringing {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match event {
            Event::Progress { leg, audio, .. } if leg == self.leg => self.progress(call, plant, audio),
            Event::LegAnswered { leg, audio } if leg == self.leg => self.answered(call, plant, audio),
            Event::Gone { leg, how } if leg == self.leg => self.failed(call, plant, outcome(how)),
            Event::Timeout if plant.now >= self.deadline => {
                plant.drop_leg(self.leg, 487);
                self.failed(call, plant, OfferOutcome::NoAnswer)
            }
            Event::Withdrawn => self.withdrawn(call, plant),
            _ => Phase::Ringing(self),
        }
    }

    /// Lets an unanswered caller hear that it rings, or the far end's own early media.
    fn progress(self, call: &mut Call, plant: &mut Plant, audio: Option<Audio>) -> Phase {
        let caller_waits = !plant.is_answered(call.caller);
        match audio {
            Some(audio) if matches!(self.purpose, Purpose::Dial { .. }) => {
                plant.connect(self.leg, audio);
                if caller_waits {
                    call.open_early(plant);
                }
                plant.stop(call.caller);
                plant.bridge(call.caller, self.leg);
            }
            _ if caller_waits => {
                let _ = plant.sip.ring(plant.now, call.caller, None);
            }
            _ => {}
        }
        Phase::Ringing(self)
    }

    fn answered(self, call: &mut Call, plant: &mut Plant, audio: Audio) -> Phase {
        plant.answered(self.leg);
        plant.fact(What::LegAnswered { call: call.id, leg: self.leg });
        plant.connect(self.leg, audio);
        call.answer(plant);
        plant.stop(call.caller);
        plant.bridge(call.caller, self.leg);
        let mut queue_name = None;
        if let Purpose::Offer { queue, agent } = self.purpose {
            offer_ended(call, plant, queue, agent, OfferOutcome::Answered);
            let _ = plant.acd(Command::Accepted { call: call.id, agent });
            queue_name = Some(plant.directory.queue_name(queue).clone());
        }
        let party = plant.legs.leg(self.leg).map_or_else(|| call.origin.clone(), |leg| leg.party.clone());
        plant.fact(What::Connected { call: call.id, party: party.clone(), queue: queue_name });
        Phase::Talking(Talking { leg: self.leg, party, purpose: self.purpose, held_by: Vec::new() })
    }

    /// The partner did not take it: back to the queue's head, or on in the dialplan.
    fn failed(self, call: &mut Call, plant: &mut Plant, outcome: OfferOutcome) -> Phase {
        match self.purpose {
            Purpose::Offer { queue, agent } => {
                decline(call, plant, queue, agent, outcome);
                call.session.resume_waiting(plant.now);
                call.run_steps(plant, Phase::queued(queue))
            }
            Purpose::Dial { agent } => {
                if let Some(agent) = agent {
                    let _ = plant.acd(Command::Released { agent });
                }
                plant.stop(call.caller);
                call.run_program(plant, Phase::in_ivr(), Input::DialFailed(outcome))
            }
        }
    }

    /// The ACD took the offer back (the agent signed out); the call waits again.
    fn withdrawn(self, call: &mut Call, plant: &mut Plant) -> Phase {
        let Purpose::Offer { queue, agent } = self.purpose else { return Phase::Ringing(self) };
        plant.drop_leg(self.leg, 487);
        offer_ended(call, plant, queue, agent, OfferOutcome::Refused);
        call.session.resume_waiting(plant.now);
        call.run_steps(plant, Phase::queued(queue))
    }

    pub(crate) fn abandoned(self, call: &mut Call, plant: &mut Plant) {
        match self.purpose {
            Purpose::Offer { queue, agent } => {
                offer_ended(call, plant, queue, agent, OfferOutcome::Abandoned);
                call.leave_queue(plant, queue, DequeueReason::Abandoned);
            }
            Purpose::Dial { agent } => {
                if let Some(agent) = agent {
                    let _ = plant.acd(Command::Released { agent });
                }
            }
        }
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
