//! Agents with the same skills: their idle list and the classes they may serve.

use crate::command::Skill;
use crate::policy::Site;
use crate::slab::{NONE, Slot};
use serde::{Deserialize, Serialize};

/// Agents with the same skills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// In order.
    pub(crate) skills: Vec<Skill>,
    pub(crate) site: Site,
    /// Classes whose calls it may take at once, all its idle agents.
    pub(crate) at_once: Vec<Slot>,
    /// Classes whose calls it may take when they have waited or when enough of its agents are idle.
    pub(crate) later: Vec<ToClass>,
    pub(crate) members: u32,
    pub(crate) signed_in: u32,
    pub(crate) not_ready: u32,
    /// End of the idle list; its head is in [`Idle`].
    pub(crate) tail: Slot,
}

impl Group {
    pub(crate) fn new(skills: Vec<Skill>, site: Site) -> Group {
        let (at_once, later) = (Vec::new(), Vec::new());
        Group { skills, site, at_once, later, members: 0, signed_in: 0, not_ready: 0, tail: NONE }
    }

    /// All classes it may serve.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Slot> {
        self.at_once.iter().copied().chain(self.later.iter().map(|edge| edge.class))
    }

    pub(crate) fn connect(&mut self, class: Slot, min_age: u64, keep: u32) {
        match (min_age, keep) {
            (0, 0) => self.at_once.push(class),
            _ => self.later.push(ToClass { class, keep, min_age }),
        }
    }

    pub(crate) fn disconnect(&mut self, class: Slot) {
        self.at_once.retain(|&c| c != class);
        self.later.retain(|edge| edge.class != class);
    }
}

/// A class this group may serve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToClass {
    pub(crate) class: Slot,
    /// While more than these are idle.
    pub(crate) keep: u32,
    /// Once a call has waited so many microseconds.
    pub(crate) min_age: u64,
}

/// The idle list of a group as the search for an agent sees it: kept together, by group.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Idle {
    /// `idle_seq` of the head; `u64::MAX` when nobody is idle.
    pub(crate) seq: u64,
    pub(crate) head: Slot,
    pub(crate) count: u32,
}

impl Idle {
    pub(crate) const NOBODY: Idle = Idle { seq: u64::MAX, head: NONE, count: 0 };
}
