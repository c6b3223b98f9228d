//! Agents with the same skills: their idle list and the classes they may serve.

use crate::command::Skill;
use crate::slab::{NONE, Slot};
use serde::{Deserialize, Serialize};

/// Agents with the same skills.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// In order.
    pub(crate) skills: Vec<Skill>,
    pub(crate) edges: Vec<ToClass>,
    pub(crate) members: u32,
    pub(crate) signed_in: u32,
    pub(crate) not_ready: u32,
    /// End of the idle list; its head is in [`Idle`].
    pub(crate) tail: Slot,
}

/// A class this group may serve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToClass {
    pub(crate) class: Slot,
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
