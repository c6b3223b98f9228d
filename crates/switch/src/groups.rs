//! Groups of trunks: which one is next for a call out.

use busyhour_model::{Name, TrunkId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Statuses after which another trunk is tried, when a group does not say: it could not take the call, or did not answer.
pub const NEXT_ON: [u16; 6] = [408, 480, 500, 502, 503, 504];

/// What a trunk's silence counts as (RFC 3261 section 8.1.3.1).
pub(crate) const SILENT: u16 = 408;

/// The group for calls that name none, when there is one of that name.
pub(crate) const DEFAULT: &str = "default";

/// Trunks that stand for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkGroup {
    /// Its name; no trunk has it.
    pub name: Name,
    /// Its trunks.
    pub members: Vec<GroupMember>,
    /// Statuses, and causes of Q.850 (below 128), after which the next one is tried, unless it rang.
    pub next_on: Vec<u16>,
}

/// A trunk of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMember {
    /// Which.
    pub trunk: Name,
    /// A lower one comes first.
    pub priority: u32,
    /// Share of the calls among those of one priority.
    pub weight: u32,
}

/// A trunk that may take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) trunk: TrunkId,
    pub(crate) priority: u32,
    pub(crate) weight: u32,
}

/// Whose turn it is among trunks of one priority: by weight, spread evenly, without chance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Turns(BTreeMap<TrunkId, i64>);

impl Turns {
    /// One of them; each gains its weight, the chosen one pays for all.
    pub(crate) fn choose(&mut self, among: &[Candidate]) -> Option<TrunkId> {
        let mut best: Option<(i64, TrunkId)> = None;
        for candidate in among {
            let credit = self.0.entry(candidate.trunk).or_default();
            *credit += i64::from(candidate.weight);
            if best.is_none_or(|(most, _)| *credit > most) {
                best = Some((*credit, candidate.trunk));
            }
        }
        let (_, chosen) = best?;
        let sum: i64 = among.iter().map(|candidate| i64::from(candidate.weight)).sum();
        *self.0.entry(chosen).or_default() -= sum;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_weights_and_are_spread() {
        let among = [(0, 3), (1, 1)].map(|(id, weight)| Candidate { trunk: TrunkId(id), priority: 1, weight });
        let mut turns = Turns::default();
        let chosen: Vec<u32> = (0..8).filter_map(|_| turns.choose(&among)).map(|trunk| trunk.0).collect();
        assert_eq!(chosen, [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(turns.choose(&among[1..]), Some(TrunkId(1)), "the others are down");
        assert_eq!(turns.choose(&[]), None);
    }
}
