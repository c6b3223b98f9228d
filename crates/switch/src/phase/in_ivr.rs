//! The caller talks to the dialplan.

use super::Phase;
use crate::call::Call;
use crate::event::Event;
use crate::plant::Plant;
use busyhour_ivr::Input;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InIvr;

impl InIvr {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        match program_input(call, plant, event) {
            Some(input) => call.run_program(plant, Phase::InIvr(self), input),
            None => Phase::InIvr(self),
        }
    }
}

/// What the session hears of an event, in the IVR and in a queue alike.
pub(super) fn program_input(call: &Call, plant: &mut Plant, event: &Event) -> Option<Input> {
    match *event {
        Event::Digit { leg, digit } if leg == call.caller => Some(Input::Digit(digit)),
        Event::Fax { leg } if leg == call.caller => Some(Input::Fax),
        Event::PlayEnded { leg, play } if leg == call.caller => {
            let leg = plant.legs.leg_mut(leg)?;
            (leg.play == Some(play)).then(|| {
                leg.play = None;
                Input::PlayEnded
            })
        }
        Event::Referred { answered } => Some(Input::Referred { answered }),
        Event::Timeout => Some(Input::Timeout),
        Event::LookedUp { id, ref answer } => Some(Input::LookedUp { id, answer: answer.clone() }),
        Event::Talked { fork, ref end } => Some(Input::Talked { id: call.talk_of(fork)?, end: end.clone() }),
        _ => None,
    }
}
