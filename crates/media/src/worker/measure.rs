//! Bridges that are measured: who talks in them, and whether both are heard.

use super::Worker;
use crate::Event;
use crate::talk::{Meter, Spurt, Talking};
use busyhour_model::{CallId, LegId, Time};

impl Worker {
    pub(super) fn measure(&mut self, now: Time, call: CallId, caller: LegId, partner: LegId) {
        let bridged = self.state.legs.get(&caller).is_some_and(|leg| leg.partner == Some(partner));
        if !bridged {
            self.state.counters.strays += 1;
            return;
        }
        self.end_talk(now, caller);
        for leg in [caller, partner] {
            self.with(leg, |leg| leg.hearing.meter = Some(Box::new(Meter::new(caller))));
        }
        self.state.talks.insert(caller, Talking::new(call, partner));
        self.run_talk(now, caller);
    }

    /// Counts while each wants to hear the other, and not while one is on hold.
    pub(super) fn run_talk(&mut self, now: Time, leg: LegId) {
        let Some((caller, [one, other])) = self.talk_of(leg) else { return };
        let runs = [one, other].iter().all(|id| self.state.legs.get(id).is_some_and(|leg| leg.is_sent_to()));
        let last = self.spurts([one, other]);
        let Some(talking) = self.state.talks.get_mut(&caller).filter(|talking| talking.runs() != runs) else { return };
        match runs {
            true => talking.begin(now),
            false => talking.pause(now, last),
        }
        for id in [one, other] {
            self.with(id, |leg| leg.hearing.expect(runs.then_some(now)));
            self.arm(id);
        }
    }

    /// A leg begins to talk.
    pub(super) fn talks(&mut self, leg: LegId, spurt: Spurt) {
        let Some((caller, both)) = self.talk_of(leg) else { return };
        let last = self.spurts(both);
        self.state.talks.entry(caller).and_modify(|talking| talking.renew(spurt, last));
        self.with(leg, |leg| leg.hearing.meter.iter_mut().for_each(|meter| meter.spurt = Some(spurt)));
    }

    /// The bridge this leg is in is measured no more.
    pub(super) fn end_talk(&mut self, now: Time, leg: LegId) {
        let Some((caller, both)) = self.talk_of(leg) else { return };
        let Some(mut talking) = self.state.talks.remove(&caller) else { return };
        talking.pause(now, self.spurts(both));
        let mut talk = talking.talk();
        for id in both {
            let Some(leg) = self.state.legs.get_mut(&id) else { continue };
            if let Some(why) = leg.unheard(now, true) {
                self.state.events.push_back(Event::Unheard { leg: id, why });
            }
            leg.hearing.expect(None);
            let meter = leg.hearing.meter.take();
            talk = talk.filter(|talk| meter.is_some_and(|meter| meter.is_read(talk.ms)));
        }
        if let Some(talk) = talk {
            self.state.events.push_back(Event::Talked { call: talking.call, partner: talking.partner, talk });
        }
    }

    /// The conversation a leg is in, and the legs of the caller and the partner.
    fn talk_of(&self, leg: LegId) -> Option<(LegId, [LegId; 2])> {
        let caller = self.state.legs.get(&leg)?.hearing.meter.as_ref()?.caller;
        Some((caller, [caller, self.state.talks.get(&caller)?.partner]))
    }

    fn spurts(&self, legs: [LegId; 2]) -> [Option<Spurt>; 2] {
        legs.map(|leg| self.state.legs.get(&leg)?.hearing.meter.as_ref()?.spurt)
    }
}
