//! Which tier a caller is of.

use crate::setup::TierSetup;
use busyhour_model::{Name, Number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By number, however many there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tiers {
    whole: BTreeMap<Name, Name>,
    prefixes: BTreeMap<Name, Name>,
    priorities: BTreeMap<Name, i32>,
}

impl Tiers {
    pub(crate) fn new(setups: &[TierSetup]) -> Tiers {
        let mut tiers = Tiers::default();
        for TierSetup { name, numbers, priority } in setups {
            tiers.priorities.insert(name.clone(), *priority);
            for number in numbers {
                let by = if number.prefix { &mut tiers.prefixes } else { &mut tiers.whole };
                by.entry(number.digits.clone()).or_insert_with(|| name.clone());
            }
        }
        tiers
    }

    /// The tier of whoever calls from this number.
    pub(crate) fn of(&self, number: &Number) -> Option<Name> {
        let forms = [&*number.national, &*number.e164];
        let whole = || forms.iter().filter(|form| !form.is_empty()).find_map(|form| self.whole.get(*form));
        let begins = |form: &&str| (0..=form.len()).rev().find_map(|cut| self.prefixes.get(form.get(..cut)?));
        whole().or_else(|| forms.iter().find_map(begins)).cloned()
    }

    /// Points a tier adds; 0 for none and for one that is no longer configured.
    pub(crate) fn priority(&self, tier: Option<&Name>) -> i32 {
        tier.and_then(|tier| self.priorities.get(tier)).copied().unwrap_or(0)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.priorities.keys()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_model::Pattern;

    #[test]
    fn a_whole_number_comes_before_prefixes_and_a_longer_prefix_before_a_shorter() {
        let tier = |name: &str, priority, numbers: &[&str]| TierSetup {
            name: name.into(),
            numbers: numbers.iter().map(|n| Pattern::parse(n).unwrap()).collect(),
            priority,
        };
        let tiers = Tiers::new(&[
            tier("home", 10, &["+86*"]),
            tier("gold", 300, &["13800138000", "1390*"]),
            tier("silver", 100, &["138*", "139*", "+8613900000001"]),
        ]);
        let table = [
            ("13800138000", Some("gold")),
            ("+8613800138000", Some("gold")),
            ("13800138001", Some("silver")),
            ("13901234567", Some("gold")),
            ("13900000001", Some("silver")),
            ("02112345678", Some("home")),
            ("+14085551212", None),
            ("anonymous", None),
        ];
        for (number, expected) in table {
            assert_eq!(tiers.of(&Number::parse(number)).as_deref(), expected, "{number}");
        }
        let everybody = Tiers::new(&[tier("all", 1, &["*"])]);
        assert_eq!(everybody.of(&Number::parse("anonymous")).as_deref(), Some("all"));
        assert_eq!(
            (tiers.priority(Some(&"gold".into())), tiers.priority(Some(&"x".into())), tiers.priority(None)),
            (300, 0, 0)
        );
    }
}
