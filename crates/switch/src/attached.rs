//! Programs that hear a call which goes on: they came by themselves, hear whoever talks in it, and say nothing.

use crate::bots::ForkNews;
use crate::call::Call;
use crate::phase::{Phase, Talking};
use crate::plant::Plant;
use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_media::{self as media, Track};
use busyhour_model::{Attached, CallId, ForkId, LegId, Name, What};
use serde::{Deserialize, Serialize};

/// Programs in one call.
const ATTACHED_MAX: usize = 3;

/// One program in a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listener {
    fork: ForkId,
    by: Name,
    /// Whom it hears.
    legs: Vec<(LegId, Track)>,
}

impl Call {
    /// Who is heard by programs: the caller on the left, whoever talks to the caller on the right.
    fn sides(&self) -> Vec<(LegId, Track)> {
        let partner = match self.phase() {
            Phase::Talking(Talking { partner, .. }) => Some((partner.leg, Track::Right)),
            _ => self.bot.as_ref().map(|with| (with.leg, Track::Right)),
        };
        [(self.caller, Track::Left)].into_iter().chain(partner).collect()
    }

    /// Tells the media plane whom programs hear, where that has changed; when the call is over, that they hear nobody.
    pub(crate) fn fork(&mut self, plant: &mut Plant) {
        if self.attached.is_empty() {
            return;
        }
        if self.phase().is_ended() {
            while let Some(attached) = self.attached.pop() {
                self.detached(plant, &attached);
            }
            return;
        }
        let sides = self.sides();
        for Listener { fork, legs, .. } in &mut self.attached {
            let fork = *fork;
            for (leg, _) in legs.iter().filter(|side| !sides.contains(side)) {
                unfork(plant, *leg, fork);
            }
            for (leg, track) in sides.iter().filter(|side| !legs.contains(side)) {
                plant.media.push_back(media::Command::Fork { leg: *leg, fork, track: *track });
            }
            legs.clone_from(&sides);
        }
    }

    fn detached(&self, plant: &mut Plant, Listener { fork, by, legs }: &Listener) {
        for (leg, _) in legs {
            unfork(plant, *leg, *fork);
        }
        plant.forks.push_back((*fork, ForkNews::Over { outcome: "ended".into() }));
        plant.fact(What::Attached(Attached { call: self.id, by: by.clone(), on: false }));
    }

    /// Whether programs hear exactly those who talk.
    pub(crate) fn forks_are_right(&self) -> bool {
        let right = !self.phase().is_ended() || self.attached.is_empty();
        right && self.attached.iter().all(|attached| attached.legs == self.sides())
    }
}

/// A leg that is going down hands out nothing more by itself.
fn unfork(plant: &mut Plant, leg: LegId, fork: ForkId) {
    if plant.legs.leg(leg).is_some_and(|leg| !leg.closing) {
        plant.media.push_back(media::Command::Unfork { leg, fork });
    }
}

impl Switch {
    /// A program hears a call from now on.
    pub(crate) fn attach(&mut self, id: CallId, fork: ForkId, by: Name) -> Result<Reply, Denied> {
        let call = self.calls.get_mut(&id).filter(|call| !call.phase().is_ended()).ok_or(Denied::UnknownCall(id))?;
        if !call.has_caller() || call.attached.len() >= ATTACHED_MAX {
            return Err(Denied::NotMonitored(id));
        }
        call.attached.push(Listener { fork, by: by.clone(), legs: Vec::new() });
        call.fork(&mut self.plant);
        self.plant.fact(What::Attached(Attached { call: id, by, on: true }));
        Ok(Reply::Done)
    }

    /// A program has gone.
    pub(crate) fn detach(&mut self, id: CallId, fork: ForkId) -> Result<Reply, Denied> {
        let call = self.calls.get_mut(&id).ok_or(Denied::UnknownCall(id))?;
        let at = call.attached.iter().position(|attached| attached.fork == fork).ok_or(Denied::NotMonitored(id))?;
        let attached = call.attached.remove(at);
        call.detached(&mut self.plant, &attached);
        Ok(Reply::Done)
    }
}
