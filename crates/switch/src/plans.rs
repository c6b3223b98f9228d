//! Dialplan versions: a call finishes on the version it began with.

use busyhour_ivr::Dialplan;
use busyhour_model::{Name, PlanId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plans {
    versions: BTreeMap<PlanId, Version>,
    current: BTreeMap<Name, PlanId>,
    next: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Version {
    name: Name,
    plan: Dialplan,
    calls: u32,
}

impl Plans {
    /// Makes these the versions for new calls; an unchanged plan stays the version it is.
    pub(crate) fn configure(&mut self, plans: &[(Name, Dialplan)]) {
        self.current.retain(|name, _| plans.iter().any(|(n, _)| n == name));
        for (name, plan) in plans {
            let unchanged = self.current.get(name).is_some_and(|id| self.versions[id].plan == *plan);
            if !unchanged {
                let id = PlanId(self.next);
                self.next += 1;
                self.versions.insert(id, Version { name: name.clone(), plan: plan.clone(), calls: 0 });
                self.current.insert(name.clone(), id);
            }
        }
        self.forget_unused();
    }

    /// The current version of a dialplan, counted as used by one more call.
    pub(crate) fn enter(&mut self, name: &str) -> Option<PlanId> {
        let id = *self.current.get(name)?;
        self.versions.get_mut(&id)?.calls += 1;
        Some(id)
    }

    /// The current version of a dialplan.
    pub(crate) fn current(&self, name: &str) -> Option<&Dialplan> {
        Some(self.plan(*self.current.get(name)?))
    }

    /// One call more uses this version.
    pub(crate) fn stay(&mut self, id: PlanId) {
        if let Some(version) = self.versions.get_mut(&id) {
            version.calls += 1;
        }
    }

    /// One call less uses this version.
    pub(crate) fn leave(&mut self, id: PlanId) {
        if let Some(version) = self.versions.get_mut(&id) {
            version.calls -= 1;
            if version.calls == 0 {
                self.forget_unused();
            }
        }
    }

    pub(crate) fn plan(&self, id: PlanId) -> &Dialplan {
        &self.versions[&id].plan
    }

    pub(crate) fn name(&self, id: PlanId) -> &Name {
        &self.versions[&id].name
    }

    /// Calls on any version.
    pub(crate) fn calls(&self) -> u32 {
        self.versions.values().map(|v| v.calls).sum()
    }

    fn forget_unused(&mut self) {
        let current = &self.current;
        self.versions.retain(|id, v| v.calls > 0 || current.get(&v.name) == Some(id));
    }
}
