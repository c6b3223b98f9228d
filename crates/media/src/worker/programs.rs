//! Legs of programs among those of phones.

use super::{Snapshot, Worker};
use crate::leg::Leg;
use crate::program::{NOWHERE, Program};
use busyhour_model::{ForkId, LegId, Side, Time};

impl Worker {
    /// A leg whose peer is a program.
    pub(super) fn program(&mut self, now: Time, leg: LegId, side: Side, fork: ForkId) {
        if self.open(leg, NOWHERE, side) {
            self.with(leg, |leg| {
                leg.program = Some(Box::new(Program::new(fork)));
                leg.tune(now, &[]);
            });
        }
    }

    /// Everything that is due between a program and its leg.
    pub(super) fn converse(&mut self, now: Time, id: LegId) {
        loop {
            let Snapshot { legs, taped, .. } = &mut self.state;
            let Some(leg) = legs.get(&id).filter(|leg| leg.program.is_some()) else { return };
            let is_heard = leg.partner.and_then(|id| legs.get(&id)).is_some_and(|partner| !partner.is_playing());
            let Some(packet) = legs.get_mut(&id).and_then(|leg| leg.converse(now, is_heard, taped)) else { return };
            self.handle_rtp(now, id, NOWHERE, &packet);
        }
    }

    /// A program hears its partner, unless it was said whom else.
    pub(super) fn follow(&mut self, now: Time, leg: LegId) {
        let program = |leg: &Leg| leg.program.as_ref().is_some_and(|program| !program.tuned);
        if self.state.legs.get(&leg).is_some_and(program) {
            self.tune(now, leg, &[]);
        }
    }
}
