//! A trial: a number outside rings, is played to for a while, and is hung up.

use super::Phase;
use crate::call::Call;
use crate::event::Event;
use crate::plant::Plant;
use busyhour_model::{Audio, Cause, LegId, Time, What};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A telephone rings so long.
const RING: Duration = Duration::from_secs(45);
/// Whoever answers hears music so long.
const PLAY: Duration = Duration::from_secs(4);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trying {
    /// `None` before it begins.
    pub(crate) leg: Option<LegId>,
    pub(crate) deadline: Time,
}

impl Trying {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: Event) -> Phase {
        match event {
            Event::Begin => self.begin(call, plant),
            Event::Progress { leg, status, audio } if self.leg == Some(leg) => {
                plant.trial_called(call.id, leg);
                plant.trial_progress(call.id, status, audio.is_some());
                audio.into_iter().for_each(|audio| plant.connect(leg, audio));
                Phase::Trying(self)
            }
            Event::LegAnswered { leg, audio } if self.leg == Some(leg) => self.answered(call, plant, leg, audio),
            Event::Gone { leg, how } if self.leg == Some(leg) => {
                call.end(plant, Cause::Refused(how.status()), how.status())
            }
            Event::Timeout if plant.now >= self.deadline => match plant.is_answered(call.caller) {
                true => call.end(plant, Cause::IvrHungUp, 200),
                false => call.end(plant, Cause::Refused(480), 487),
            },
            _ => Phase::Trying(self),
        }
    }

    fn begin(self, call: &mut Call, plant: &mut Plant) -> Phase {
        let (number, trunk) = (call.to.raw.clone(), call.origin.name().clone());
        match call.ring_outside(plant, &number, Some(&trunk), false) {
            Ok(leg) => {
                plant.trial_called(call.id, leg);
                Phase::Trying(Trying { leg: Some(leg), deadline: plant.now + RING })
            }
            Err(_) => call.end(plant, Cause::Refused(503), 503),
        }
    }

    /// Whoever is called is the only one on the line, and so the caller from now on.
    fn answered(self, call: &mut Call, plant: &mut Plant, leg: LegId, audio: Audio) -> Phase {
        plant.answered(leg);
        plant.fact(What::LegAnswered { call: call.id, leg });
        plant.trial_called(call.id, leg);
        plant.trial_answered(call.id, &audio);
        plant.connect(leg, audio);
        plant.play_system(leg, "system/moh");
        call.caller = leg;
        Phase::Trying(Trying { deadline: plant.now + PLAY, ..self })
    }
}
