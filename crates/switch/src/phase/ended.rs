//! Every leg is going down; the call is over when the last one's media has closed and every recording is filed.

use super::Phase;
use crate::call::Call;
use crate::event::Event;
use crate::plant::{CLOSE_MAX, Plant};
use busyhour_model::{Cause, StreamStats, Time, What};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) cause: Cause,
    pub(crate) since: Time,
}

impl Ended {
    pub(crate) fn handle(self, call: &mut Call, plant: &mut Plant, event: &Event) -> Phase {
        if matches!(event, Event::Timeout) && plant.now >= self.since + CLOSE_MAX {
            let what = if call.open.is_empty() {
                "no file came of a recording"
            } else {
                "the media plane did not close a leg"
            };
            plant.fact(What::Fault { call: Some(call.id), detail: format!("{what} in 10 s").into() });
            call.give_up_tapes(plant);
            for leg in std::mem::take(&mut call.open) {
                plant.closed_leg(leg, StreamStats::default());
            }
        }
        Phase::Ended(self)
    }
}
