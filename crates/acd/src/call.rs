//! Calls that wait or are offered, and the lines they stand in.

use crate::index::Index;
use crate::slab::{NONE, Slab, Slot};
use busyhour_model::{AgentId, CallId, Time};
use serde::{Deserialize, Serialize};

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
    /// Being offered to this agent, so in no line; or `NONE`. Kept small: a call is three quarters of a cache line.
    ringer: Slot,
}

impl Call {
    pub(crate) fn new(id: CallId, since: Time, seq: u64, class: Slot, direct: Option<AgentId>) -> Call {
        Call { id, since, seq, class, prev: NONE, next: NONE, direct, ringer: NONE }
    }

    /// The agent it is being offered to; it is in no line then.
    pub(crate) fn ringing(&self) -> Option<AgentId> {
        (self.ringer != NONE).then_some(AgentId(self.ringer))
    }

    pub(crate) fn ring(&mut self, agent: Option<AgentId>) {
        self.ringer = agent.map_or(NONE, |agent| agent.0);
    }

    /// Its place in any line.
    pub(crate) fn order(&self) -> (Time, u64) {
        (self.since, self.seq)
    }
}

/// All calls, found by id. Written out without the index, which is made anew when read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Slab<Call>", into = "Slab<Call>")]
pub(crate) struct Calls {
    pub(crate) slab: Slab<Call>,
    index: Index,
}

impl PartialEq for Calls {
    fn eq(&self, other: &Calls) -> bool {
        self.slab == other.slab
    }
}

impl From<Slab<Call>> for Calls {
    fn from(slab: Slab<Call>) -> Calls {
        let mut index = Index::new();
        for (slot, call) in slab.iter() {
            index.insert(call.id, slot);
        }
        Calls { slab, index }
    }
}

impl From<Calls> for Slab<Call> {
    fn from(calls: Calls) -> Slab<Call> {
        calls.slab
    }
}

impl Calls {
    pub(crate) fn new() -> Calls {
        Calls { slab: Slab::new(), index: Index::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn find(&self, id: CallId) -> Option<Slot> {
        self.index.find(id, |slot| self.slab[slot].id == id)
    }

    #[inline(always)]
    pub(crate) fn insert(&mut self, call: Call) -> Slot {
        let id = call.id;
        let slot = self.slab.insert(call);
        self.index.insert(id, slot);
        slot
    }

    pub(crate) fn remove(&mut self, id: CallId, slot: Slot) {
        self.slab.remove(slot);
        self.index.remove(id, slot);
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

    /// The calls, last to be served first.
    pub(crate) fn iter_back<'a>(&self, calls: &'a Slab<Call>) -> impl Iterator<Item = (Slot, &'a Call)> + use<'a> {
        let mut at = self.tail;
        std::iter::from_fn(move || {
            let slot = at;
            (slot != NONE).then(|| {
                at = calls[slot].prev;
                (slot, &calls[slot])
            })
        })
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
