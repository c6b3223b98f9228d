//! What one leg's peer says, handed out while it is said: 20 ms at a time, without a hole, to programs outside.

use crate::heard::Heard;
use crate::mix::Mix;
use crate::{Live, Taped, Track};
use busyhour_model::{ForkId, LegId, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Programs that hear one leg at once; further ones hear nothing.
pub(crate) const FORKS_MAX: usize = 4;
/// Samples handed out at once: 20 ms.
const FRAME: usize = 160;

/// All who hear one leg outside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Forks(Vec<Fork>);

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Fork {
    id: ForkId,
    track: Track,
    /// Of the one leg: packets in their order and at their time, silence where there are none.
    heard: Mix,
}

impl Forks {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// False: too many hear this leg.
    pub(crate) fn begin(&mut self, now: Time, leg: LegId, id: ForkId, track: Track) -> bool {
        let fits = self.0.len() < FORKS_MAX && self.0.iter().all(|fork| fork.id != id);
        if fits {
            let mut heard = Mix::new(now);
            heard.tune(&[leg]);
            self.0.push(Fork { id, track, heard });
        }
        fits
    }

    pub(crate) fn end(&mut self, id: ForkId) {
        self.0.retain(|fork| fork.id != id);
    }

    /// Takes a packet that was accepted.
    pub(crate) fn hear(&mut self, leg: LegId, heard: &Heard<'_>) {
        for fork in &mut self.0 {
            fork.heard.hear(leg, heard);
        }
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.0.iter().map(|fork| fork.heard.due(FRAME as u64)).min()
    }

    /// Hands out what is due.
    pub(crate) fn handle_timeout(&mut self, now: Time, taped: &mut VecDeque<Taped>) {
        for Fork { id, track, heard } in &mut self.0 {
            while heard.due(FRAME as u64) <= now {
                let mut sound = vec![0; FRAME];
                heard.frame(now, &mut sound);
                let at = heard.at() - FRAME as u64;
                taped.push_back(Taped::Live { fork: *id, live: Live::Heard { track: *track, at, sound } });
            }
        }
    }
}
