//! Calls that wait or are offered, and the lines they stand in.

use crate::slab::{NONE, Slab, Slot};
use busyhour_model::{AgentId, CallId, Time};
use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// A call that waits or is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    /// Since when it counts as waiting.
    pub(crate) since: Time,
    /// Order of arrival: decides between equal times.
    pub(crate) seq: u64,
    pub(crate) class: Slot,
    pub(crate) prev: Slot,
    pub(crate) next: Slot,
    /// Waits on this agent's personal list instead of its class.
    pub(crate) direct: Option<AgentId>,
    /// Being offered to this agent, so in no line.
    pub(crate) ringing: Option<AgentId>,
}

impl Call {
    /// Its place in any line.
    pub(crate) fn order(&self) -> (Time, u64) {
        (self.since, self.seq)
    }
}

/// All calls, found by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) slab: Slab<Call>,
    index: Index,
}

/// Written out in order of the id, so that equal states give equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<CallId, Slot>", into = "BTreeMap<CallId, Slot>")]
struct Index(HashMap<CallId, Slot, FixedState>);

impl From<BTreeMap<CallId, Slot>> for Index {
    fn from(sorted: BTreeMap<CallId, Slot>) -> Index {
        Index(sorted.into_iter().collect())
    }
}

impl From<Index> for BTreeMap<CallId, Slot> {
    fn from(index: Index) -> BTreeMap<CallId, Slot> {
        index.0.into_iter().collect()
    }
}

impl Calls {
    pub(crate) fn new() -> Calls {
        Calls { slab: Slab::new(), index: Index::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn find(&self, id: CallId) -> Option<Slot> {
        self.index.0.get(&id).copied()
    }

    pub(crate) fn insert(&mut self, call: Call) -> Slot {
        let id = call.id;
        let slot = self.slab.insert(call);
        self.index.0.insert(id, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Call {
        let call = self.slab.remove(slot);
        self.index.0.remove(&call.id);
        call
    }
}

/// Calls in order of `(since, seq)`, linked through the calls themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) head: Slot,
    tail: Slot,
    pub(crate) len: u32,
}

impl Line {
    pub(crate) const EMPTY: Line = Line { head: NONE, tail: NONE, len: 0 };

    /// Puts a call in its place: new ones belong at the end and calls that come back near the head, so both are short.
    pub(crate) fn insert(&mut self, calls: &mut Slab<Call>, slot: Slot) {
        let order = calls[slot].order();
        let (mut prev, mut next) = (self.tail, NONE);
        if prev != NONE && calls[prev].order() > order {
            (prev, next) = (NONE, self.head);
            while calls[next].order() < order {
                (prev, next) = (next, calls[next].next);
            }
        }
        calls[slot].prev = prev;
        calls[slot].next = next;
        match prev {
            NONE => self.head = slot,
            _ => calls[prev].next = slot,
        }
        match next {
            NONE => self.tail = slot,
            _ => calls[next].prev = slot,
        }
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, calls: &mut Slab<Call>, slot: Slot) {
        let Call { prev, next, .. } = calls[slot];
        match prev {
            NONE => self.head = next,
            _ => calls[prev].next = next,
        }
        match next {
            NONE => self.tail = prev,
            _ => calls[next].prev = prev,
        }
        self.len -= 1;
    }

    /// The calls, first to be served first.
    pub(crate) fn iter<'a>(&self, calls: &'a Slab<Call>) -> impl Iterator<Item = (Slot, &'a Call)> + use<'a> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let slot = at;
            (slot != NONE).then(|| {
                at = calls[slot].next;
                (slot, &calls[slot])
            })
        })
    }
}
