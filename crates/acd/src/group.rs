//! Agents with the same profile: their idle list and the classes they may serve.

use crate::class::Fit;
use crate::command::Skill;
use crate::policy::Site;
use crate::slab::{NONE, Slot};
use busyhour_model::{QueueId, SkillId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the matcher tells agents apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// In order.
    pub(crate) skills: Vec<Skill>,
    pub(crate) site: Site,
    /// Points by queue, in order, none of them 0.
    pub(crate) prefers: Vec<(QueueId, i32)>,
}

impl Profile {
    /// At which level such agents have a skill; 0 for not at all.
    pub(crate) fn level(&self, skill: SkillId) -> u8 {
        self.skills.binary_search_by_key(&skill, |s| s.0).map_or(0, |at| self.skills[at].1)
    }

    /// What calls of this queue gain with such agents.
    pub(crate) fn points(&self, queue: QueueId) -> i32 {
        self.prefers.binary_search_by_key(&queue, |p| p.0).map_or(0, |at| self.prefers[at].1)
    }
}

/// Preferences in order, the last word on each queue.
pub(crate) fn preferences(prefers: Vec<(QueueId, i32)>) -> Vec<(QueueId, i32)> {
    let last: BTreeMap<QueueId, i32> = prefers.into_iter().collect();
    last.into_iter().filter(|p| p.1 != 0).collect()
}

/// Agents with the same profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) profile: Profile,
    /// Classes whose calls it may take at once, all its idle agents.
    pub(crate) at_once: Vec<Slot>,
    /// Classes whose calls it may take when they have waited or when enough of its agents are idle, or likes more or
    /// less than others.
    pub(crate) later: Vec<ToClass>,
    pub(crate) members: u32,
    pub(crate) signed_in: u32,
    pub(crate) not_ready: u32,
    /// End of the idle list; its head is in [`Idle`].
    pub(crate) tail: Slot,
}

impl Group {
    pub(crate) fn new(profile: Profile) -> Group {
        let (at_once, later) = (Vec::new(), Vec::new());
        Group { profile, at_once, later, members: 0, signed_in: 0, not_ready: 0, tail: NONE }
    }

    /// All classes it may serve.
    pub(crate) fn classes(&self) -> impl Iterator<Item = Slot> {
        self.at_once.iter().copied().chain(self.later.iter().map(|edge| edge.class))
    }

    /// A class of this queue may be served by it.
    pub(crate) fn connect(&mut self, class: Slot, queue: QueueId, fit: Fit) {
        let (Fit { min_age, keep, .. }, points) = (fit, self.profile.points(queue));
        match (min_age, keep, points) {
            (0, 0, 0) => self.at_once.push(class),
            _ => self.later.push(ToClass { class, keep, min_age, points: points.into() }),
        }
    }

    /// How long calls of that class must have waited, and the points they gain.
    pub(crate) fn terms(&self, class: Slot) -> (u64, f64) {
        self.later.iter().find(|edge| edge.class == class).map_or((0, 0.0), |edge| (edge.min_age, edge.points))
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
    /// Its calls gain so many points.
    pub(crate) points: f64,
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
