//! A number outside is called: by which trunk, and as whom; by the next trunk when one cannot.

use crate::call::Call;
use crate::phase::Rung;
use crate::plant::{Plant, Ring};
use crate::policy::{Calling, Numbers};
use crate::rewriting::Place;
use crate::trunks::Full;
use busyhour_model::{LegId, Name, Number, OfferOutcome, Party, TrunkId, What};
use busyhour_sip::Target;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A number outside that is being rung.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dialling {
    /// The present try; `None` before the first.
    leg: Option<LegId>,
    number: String,
    /// The trunk or group named for it.
    by: Option<Name>,
    tried: Vec<TrunkId>,
    /// A telephone rings: no other trunk is tried.
    rang: bool,
    /// It is to join a talk: who called is not shown there.
    joins: bool,
}

/// Why an agent who called outside too often does not once more.
pub(crate) const AGENT_LIMIT: &str = "agent_limit";

impl Plant {
    /// An agent wants a number outside to be called, for itself or for whom it passes on. False: it did so too often.
    pub(crate) fn calls_out(&mut self, agent: &Name) -> bool {
        let Plant { now, setup, called_out, .. } = self;
        let admits = called_out.admits(*now, agent, &setup.outside_limits);
        if admits {
            called_out.remember(*now, agent, &setup.outside_limits);
        }
        admits
    }
}

impl Call {
    /// Rings a number outside, by this trunk or group, or any.
    pub(crate) fn ring_outside(
        &mut self,
        plant: &mut Plant,
        number: &str,
        by: Option<&Name>,
        joins: bool,
    ) -> Result<LegId, OfferOutcome> {
        let (number, by) = (number.to_owned(), by.cloned());
        plant.legs.leg_mut(self.caller).into_iter().for_each(|leg| leg.cause = None);
        self.ring_next(plant, Dialling { leg: None, number, by, tried: Vec::new(), rang: false, joins })
    }

    /// The telephone at the end of a leg rings, or its network plays something.
    pub(crate) fn rang(&mut self, plant: &mut Plant, leg: LegId, status: u16) {
        let of_it = |dialling: &&mut Dialling| dialling.leg == Some(leg) && !dialling.rang && status >= 180;
        if let Some(dialling) = self.dialling.as_mut().filter(of_it) {
            dialling.rang = true;
            plant.fact(What::LegRang { call: self.id, leg, status });
        }
    }

    /// A leg was refused: the one that stands for it, by the next trunk; `None` when that is not wanted or there is none.
    pub(crate) fn dial_on(&mut self, plant: &mut Plant, leg: LegId, status: u16) -> Option<LegId> {
        let dialling = self.dialling.take_if(|dialling| dialling.leg == Some(leg))?;
        let answered = plant.is_answered(leg);
        let release = plant.legs.leg(leg).and_then(|leg| leg.release);
        let cause = release.filter(|release| release.told).map(|release| release.cause);
        if answered || dialling.rang || !plant.trunks.goes_on(dialling.by.as_ref(), status, cause) {
            return None;
        }
        self.ring_next(plant, dialling).ok()
    }

    /// Rings by the first trunk that takes it at once, else by the one that does soonest.
    fn ring_next(&mut self, plant: &mut Plant, mut dialling: Dialling) -> Result<LegId, OfferOutcome> {
        let number = Number::parse(&dialling.number);
        let mut outcome = None;
        let mut soonest: Option<(Duration, TrunkId)> = None;
        while let Some(trunk) = plant.trunks.next(dialling.by.as_ref(), &dialling.tried) {
            dialling.tried.push(trunk);
            match self.ring_by(plant, trunk, &number, &mut dialling, Duration::ZERO) {
                Ok(leg) => return Ok(leg),
                Err(Refused::Wait(wait)) if soonest.is_none_or(|(least, _)| wait < least) => {
                    soonest = Some((wait, trunk));
                }
                Err(Refused::Wait(_)) => {}
                Err(Refused::No(why)) => outcome = Some(why),
            }
        }
        if let Some((_, trunk)) = soonest {
            match self.ring_by(plant, trunk, &number, &mut dialling, Duration::MAX) {
                Ok(leg) => return Ok(leg),
                Err(_) => outcome = Some(self.dial_refused(plant, trunk, "rate")),
            }
        }
        outcome.map_or_else(|| Err(self.nowhere(plant, dialling.by.as_ref())), Err)
    }

    fn ring_by(
        &mut self,
        plant: &mut Plant,
        trunk: TrunkId,
        number: &Number,
        dialling: &mut Dialling,
        wait_max: Duration,
    ) -> Result<LegId, Refused> {
        let (channel, after) = match plant.trunks.book(plant.now, trunk, number, wait_max) {
            Ok(booked) => booked,
            Err(Full { after: Some(wait), .. }) => return Err(Refused::Wait(wait)),
            Err(Full { reason, .. }) => return Err(Refused::No(self.dial_refused(plant, trunk, reason))),
        };
        let setup = &plant.trunks.trunk(trunk).setup;
        let Numbers { number, from, identity } = setup.policy.numbers(&self.calling(dialling));
        let party = Party::Trunk(setup.name.clone());
        let target = Target::Trunk { trunk, number };
        let (display, headers, channel) = (None, Vec::new(), Some(channel));
        let max_forwards = self.max_forwards;
        let replaceable = plant.trunks.has_more(dialling.by.as_ref(), &dialling.tried);
        let ring = Ring { target, from, display, identity, headers, max_forwards, channel, after, replaceable };
        let Ok(leg) = self.ring_leg(plant, party, ring) else {
            return Err(Refused::No(self.dial_refused(plant, trunk, "unreachable")));
        };
        dialling.leg = Some(leg);
        self.dialling = Some(dialling.clone());
        Ok(leg)
    }

    /// For whom the number is called: a caller on the line is passed on; an agent, a call-back or a trial calls by itself.
    fn calling<'a>(&'a self, dialling: &'a Dialling) -> Calling<'a> {
        let number = &*dialling.number;
        match (&self.origin, &self.callback) {
            (Party::Trunk(_) | Party::Bot(_), None) if dialling.joins => {
                Calling { number, own: &self.to.national, passed_on: None }
            }
            (Party::Agent(agent), _) => Calling { number, own: agent, passed_on: None },
            (Party::Trunk(_) | Party::Bot(_), Some(_)) => Calling { number, own: &self.to.national, passed_on: None },
            (Party::Trunk(_) | Party::Bot(_), None) if !self.has_caller() => {
                Calling { number, own: &self.from.raw, passed_on: None }
            }
            (Party::Trunk(_) | Party::Bot(_), None) => {
                let caller = Some(&*self.from.national).filter(|number| !self.withheld && !number.is_empty());
                Calling { number, own: &self.to.national, passed_on: Some(caller) }
            }
        }
    }

    /// The callee is elsewhere: calls there by the same trunk, as often as that allows. False: it is not followed.
    pub(crate) fn follow(&mut self, plant: &mut Plant, rung: &mut Rung, to: &str) -> bool {
        let channel = plant.legs.leg(rung.leg).and_then(|leg| leg.channel.as_ref());
        let Some(trunk) = channel.map(|channel| channel.trunk) else { return false };
        let setup = &plant.trunks.trunk(trunk).setup;
        let (name, most) = (setup.name.clone(), setup.policy.redirects);
        let number = setup.policy.rewrite_in.read(Place::To, to).national;
        if rung.redirects >= most {
            return false;
        }
        let Ok(leg) = self.ring_outside(plant, &number, Some(&name), false) else { return false };
        (rung.leg, rung.redirects) = (leg, rung.redirects + 1);
        true
    }

    fn dial_refused(&self, plant: &mut Plant, trunk: TrunkId, reason: &str) -> OfferOutcome {
        let name = plant.trunks.trunk(trunk).setup.name.clone();
        plant.fact(What::DialRefused { call: self.id, trunk: Some(name), reason: reason.into() });
        match reason {
            "down" | "drained" | "unreachable" => OfferOutcome::Unreachable,
            _ => OfferOutcome::Refused,
        }
    }

    /// No trunk is there for it at all, or none is left.
    fn nowhere(&self, plant: &mut Plant, by: Option<&Name>) -> OfferOutcome {
        plant.fact(What::DialRefused { call: self.id, trunk: by.cloned(), reason: "no_trunk".into() });
        OfferOutcome::Unreachable
    }
}

/// Why a trunk does not ring a number.
enum Refused {
    /// It would after so long.
    Wait(Duration),
    No(OfferOutcome),
}
