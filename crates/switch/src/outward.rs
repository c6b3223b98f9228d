//! A number outside is called: whether it may be, by which trunk, and as whom.

use crate::call::Call;
use crate::phase::Rung;
use crate::plant::{Plant, Ring};
use crate::policy::{Calling, Numbers};
use crate::rewriting::Place;
use busyhour_model::{LegId, Name, Number, OfferOutcome, Party, TrunkId, What};
use busyhour_sip::Target;

impl Call {
    /// Rings a number outside, by this trunk or any.
    pub(crate) fn ring_outside(
        &mut self,
        plant: &mut Plant,
        number: &str,
        trunk: Option<&Name>,
    ) -> Result<LegId, OfferOutcome> {
        let id = match trunk {
            Some(name) => plant.trunks.by_name(name),
            None => plant.trunks.outbound(),
        };
        let Some(id) = id else {
            return Err(self.dial_refused(plant, trunk.cloned(), "no_trunk", OfferOutcome::Unreachable));
        };
        if !plant.trunks.trunk(id).setup.policy.allows(&Number::parse(number)) {
            let name = plant.trunks.trunk(id).setup.name.clone();
            return Err(self.dial_refused(plant, Some(name), "barred", OfferOutcome::Refused));
        }
        self.ring_by(plant, id, number)
    }

    fn ring_by(&mut self, plant: &mut Plant, trunk: TrunkId, number: &str) -> Result<LegId, OfferOutcome> {
        let setup = &plant.trunks.trunk(trunk).setup;
        let Numbers { number, from, identity } = setup.policy.numbers(&self.calling(number));
        let party = Party::Trunk(setup.name.clone());
        let target = Target::Trunk { trunk, number };
        self.ring_leg(plant, party, Ring { target, from, display: None, identity, headers: Vec::new() })
    }

    /// For whom the number is called: a caller on the line is passed on, an agent or a call-back calls by itself.
    fn calling<'a>(&'a self, number: &'a str) -> Calling<'a> {
        match (&self.origin, &self.callback) {
            (Party::Agent(agent), _) => Calling { number, own: agent, passed_on: None },
            (Party::Trunk(_), Some(_)) => Calling { number, own: &self.to.national, passed_on: None },
            (Party::Trunk(_), None) => {
                let caller = Some(&*self.from.national).filter(|number| !self.withheld && !number.is_empty());
                Calling { number, own: &self.to.national, passed_on: Some(caller) }
            }
        }
    }

    /// The callee is elsewhere: calls there by the same trunk, as often as that allows. False: it is not followed.
    pub(crate) fn follow(&mut self, plant: &mut Plant, rung: &mut Rung, to: &str) -> bool {
        let Some((trunk, _)) = plant.legs.leg(rung.leg).and_then(|leg| leg.channel) else { return false };
        let setup = &plant.trunks.trunk(trunk).setup;
        let (name, most) = (setup.name.clone(), setup.policy.redirects);
        let number = setup.policy.rewrite_in.read(Place::To, to).national;
        if rung.redirects >= most {
            return false;
        }
        let Ok(leg) = self.ring_outside(plant, &number, Some(&name)) else { return false };
        (rung.leg, rung.redirects) = (leg, rung.redirects + 1);
        true
    }

    fn dial_refused(
        &self,
        plant: &mut Plant,
        trunk: Option<Name>,
        reason: &str,
        outcome: OfferOutcome,
    ) -> OfferOutcome {
        plant.fact(What::DialRefused { call: self.id, trunk, reason: reason.into() });
        outcome
    }
}
