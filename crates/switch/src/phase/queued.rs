//! The caller waits for an agent and hears the in-queue programme.

use super::in_ivr::program_input;
use super::{Phase, Purpose, Ringing, Rung};
use crate::call::Call;
use crate::event::Event;
use crate::plant::{Plant, Ring};
use busyhour_acd::Command;
use busyhour_ivr::percent_encoded;
use busyhour_model::{AgentId, Candidate, DequeueReason, Name, OfferOutcome, QueueId, What, Why};
use busyhour_sip::Identity;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bytes of the caller's data in an INVITE, which is to fit into a datagram.
const DATA_MAX: usize = 400;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queued {
    pub(crate) queue: QueueId,
}

impl Queued {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match event {
            Event::Offered { queue, agent, why } => call.ring_for(plant, queue, agent, why, Phase::Queued(self)),
            Event::Overflowed(reason) => call.turned_away(plant, self.queue, reason),
            Event::Timeout if plant.sends_away(self.queue) => {
                let _ = plant.acd(Command::Leave { call: call.id });
                call.turned_away(plant, self.queue, DequeueReason::Closed)
            }
            event => match program_input(call, plant, &event) {
                Some(input) => call.run_program(plant, Phase::Queued(self), input),
                None => Phase::Queued(self),
            },
        }
    }

    pub(crate) fn abandoned(self, call: &mut Call, plant: &mut Plant) {
        call.leave_queue(plant, self.queue, DequeueReason::Abandoned);
    }
}

impl Call {
    /// What the agent's phone, or what listens to it, is told of the call beside the number.
    fn told(&self, queue: &Name) -> Vec<(String, String)> {
        let mut headers =
            vec![("X-Busyhour-Call".into(), self.id.to_string()), ("X-Busyhour-Queue".into(), ascii(queue))];
        let mut data = String::new();
        for (name, value) in self.shown_data() {
            let one = format!("{}={}", percent_encoded(&name), percent_encoded(&value));
            if data.len() + one.len() < DATA_MAX {
                data.push_str(if data.is_empty() { "" } else { ";" });
                data.push_str(&one);
            }
        }
        if !data.is_empty() {
            headers.push(("X-Busyhour-Data".into(), data));
        }
        headers
    }

    /// The ACD offers the call to an agent, alone or beside those who ring already.
    pub(super) fn ring_for(
        &mut self,
        plant: &mut Plant,
        queue: QueueId,
        agent: AgentId,
        why: Why,
        phase: Phase,
    ) -> Phase {
        let number = plant.directory.agent_number(agent).clone();
        let name = plant.directory.queue_name(queue).clone();
        let runner_up = match why.runner_up {
            Some(Candidate::Agent(other, _)) => Some(plant.directory.agent_number(other).clone()),
            _ => None,
        };
        let (offered, agent_number) = (name.clone(), number.clone());
        plant.fact(What::Offered { call: self.id, queue: offered, agent: agent_number, why, runner_up });
        let answered = plant.answers_itself(queue, agent);
        let ring = |target| Ring {
            target,
            from: self.shown_number(),
            display: self.callback.as_ref().map(|_| format!("Call-back {}", self.shown_number())),
            identity: Identity::default(),
            headers: self.told(&name).into_iter().chain(answered).collect(),
            max_forwards: self.max_forwards,
            channel: None,
            after: Duration::ZERO,
            replaceable: false,
        };
        let ring = plant.phone_for(&number, self.id).map(ring);
        let leg = match ring.and_then(|ring| self.ring_agent(plant, number, ring, Some(name))) {
            Ok(leg) => leg,
            Err(outcome) => {
                decline(self, plant, queue, agent, outcome);
                return phase;
            }
        };
        let rung = Rung::new(leg, Purpose::Offer { queue, agent }, plant.now + plant.setup.ring_timeout);
        match phase {
            Phase::Ringing(ringing) => ringing.beside(rung),
            _ => Phase::Ringing(Ringing { rung: vec![rung] }),
        }
    }
}

impl Plant {
    /// What asks a phone to answer by itself, each in the words of some makers; the last is RFC 5373's.
    fn answers_itself(&self, queue: QueueId, agent: AgentId) -> Vec<(String, String)> {
        let by_agent = self.directory.agent(agent).is_some_and(|agent| agent.auto_answer);
        if !by_agent && !self.directory.queue(queue).is_some_and(|queue| queue.auto_answer) {
            return Vec::new();
        }
        let us = format!("<sip:{}>", self.setup.domain);
        vec![
            ("Call-Info".into(), format!("{us};answer-after=0")),
            ("Alert-Info".into(), format!("{us};info=alert-autoanswer;delay=0")),
            ("Answer-Mode".into(), "Auto".into()),
        ]
    }
}

/// Tells the ACD and the facts that an offer was not taken.
pub(super) fn decline(call: &Call, plant: &mut Plant, queue: QueueId, agent: AgentId, outcome: OfferOutcome) {
    offer_ended(call, plant, queue, agent, outcome);
    let leaves = plant.leaves(agent);
    let _ = plant.acd(Command::Declined { call: call.id, agent, outcome });
    if !leaves {
        plant.let_bot_rest(agent, Some(queue));
    }
}

pub(super) fn offer_ended(call: &Call, plant: &mut Plant, queue: QueueId, agent: AgentId, outcome: OfferOutcome) {
    let queue = plant.directory.queue_name(queue).clone();
    let agent = plant.directory.agent_number(agent).clone();
    plant.fact(What::OfferEnded { call: call.id, queue, agent, outcome });
}

/// Header values are kept to printable ASCII; queue names need not be.
fn ascii(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect()
}
