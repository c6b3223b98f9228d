//! The caller is passed on, and the next one's phone rings; who passes on gets the caller back when nobody answers.

use super::{Partner, Phase, Purpose, Rung, Talking};
use crate::call::Call;
use crate::event::Event;
use crate::plant::Plant;
use busyhour_ivr::{DialTarget, Input};
use busyhour_model::{Audio, Entrance, Name, OfferOutcome, Party, QueueId, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A telephone outside rings so long.
pub(crate) const RING_OUTSIDE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Passing {
    /// Who passes on, while that one has not hung up.
    pub(crate) from: Option<Partner>,
    pub(crate) rung: Rung,
    /// Where the caller goes when nobody answers and who passed on is gone.
    pub(crate) back: Back,
}

/// The ways back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Back {
    /// First to who passed on; `None` once that has been tried.
    pub(crate) agent: Option<Name>,
    /// Then into the queue the caller came from.
    pub(crate) queue: Option<QueueId>,
}

impl Passing {
    pub(crate) fn begin(from: Partner, rung: Rung, queue: Option<QueueId>) -> Phase {
        let agent =
            Some(&from.party).filter(|party| matches!(party, Party::Agent(_))).map(|party| party.name().clone());
        Phase::Passing(Passing { from: Some(from), rung, back: Back { agent, queue } })
    }

    pub(crate) fn handle(mut self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        let rung = self.rung.leg;
        match event {
            Event::LegAnswered { leg, audio } if leg == rung => self.answered(call, plant, audio),
            Event::Progress { leg, audio, .. } if leg == rung => {
                self.progress(call, plant, audio);
                Phase::Passing(self)
            }
            Event::Moved { leg, how, to } if leg == rung => match call.follow(plant, &mut self.rung, &to) {
                true => Phase::Passing(self),
                false => self.failed(call, plant, how.status()),
            },
            Event::Gone { leg, how } if leg == rung => self.failed(call, plant, how.status()),
            Event::Gone { leg, .. } if self.from.as_ref().is_some_and(|from| from.leg == leg) => {
                if let Some(from) = self.from.take() {
                    from.free(call, plant);
                }
                Phase::Passing(self)
            }
            Event::Timeout if plant.now >= self.rung.deadline => {
                plant.drop_leg(rung, 487);
                self.failed(call, plant, 480)
            }
            _ => Phase::Passing(self),
        }
    }

    /// The caller hears it ring, or the far end's own early media.
    fn progress(&self, call: &Call, plant: &mut Plant, audio: Option<Audio>) {
        if let Some(from) = &self.from {
            plant.tell_transfer(from.leg, 180);
        }
        if let Some(audio) = audio {
            plant.connect(self.rung.leg, audio);
            plant.stop(call.caller);
            plant.bridge(call.caller, self.rung.leg);
        }
    }

    fn answered(self, call: &mut Call, plant: &mut Plant, audio: Audio) -> Phase {
        let Rung { leg, purpose, .. } = self.rung;
        plant.answered(leg);
        plant.fact(What::LegAnswered { call: call.id, leg });
        plant.connect(leg, audio);
        let party = plant.legs.leg(leg).map_or_else(|| call.origin.clone(), |leg| leg.party.clone());
        if let Some(queue) = self.back.queue {
            call.places.forget(queue);
        }
        if let Some(from) = self.from {
            from.sent_on(call, plant, party.name());
        }
        Talking::begin(call, plant, Partner { leg, party, purpose })
    }

    /// Nobody there: back to who passed on, who is rung once when gone, then to the queue, then on in the dialplan.
    fn failed(self, call: &mut Call, plant: &mut Plant, status: u16) -> Phase {
        if let Some(agent) = self.rung.purpose.agent() {
            plant.release(agent);
        }
        plant.stop(call.caller);
        plant.unbridge(call.caller);
        let Back { agent, queue } = self.back;
        if let Some(from) = self.from {
            plant.tell_transfer(from.leg, status);
            return Talking::begin(call, plant, from);
        }
        let recall = agent.and_then(|agent| call.ring_on(plant, DialTarget::Agent(agent)).ok());
        match (recall, queue) {
            (Some(rung), _) => Phase::Passing(Passing { from: None, rung, back: Back { agent: None, queue } }),
            (None, Some(queue)) => call.send_to(plant, queue, Some(queue), Entrance::Transferred),
            (None, None) => call.run_program(plant, Phase::in_ivr(), Input::PartnerLeft),
        }
    }

    pub(crate) fn abandoned(self, plant: &mut Plant) {
        let agents = [self.rung.purpose.agent(), self.from.and_then(|from| from.purpose.agent())];
        agents.into_iter().flatten().for_each(|agent| plant.release(agent));
    }
}

impl Call {
    /// Rings somebody while the caller hears that.
    pub(crate) fn ring_on(&mut self, plant: &mut Plant, to: DialTarget) -> Result<Rung, OfferOutcome> {
        let span = match &to {
            DialTarget::Agent(_) => plant.setup.ring_timeout,
            DialTarget::Number { .. } => RING_OUTSIDE,
        };
        let (leg, agent) = self.ring_target(plant, to)?;
        plant.play_system(self.caller, "system/ringback");
        Ok(Rung::new(leg, Purpose::Dial { agent, keys: Vec::new() }, plant.now + span))
    }
}
