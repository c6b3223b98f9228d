//! Slots by call id: open addressing with linear probing, never more than half full.
//!
//! Call ids are counted up, so sixteen in a row share one block of the table and the next arrival finds its line of the
//! cache warm; only the blocks are scattered. Half the time of a general hash map, which would scatter every id.

use crate::slab::{NONE, Slot};
use busyhour_model::CallId;

#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// A power of two of them.
    entries: Vec<Entry>,
    /// 32 less the bits that number the blocks.
    shift: u32,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The low half of the id: says where the entry belongs.
    low: u32,
    /// `NONE` when vacant.
    slot: Slot,
}

const VACANT: Entry = Entry { low: 0, slot: NONE };
const BLOCK_BITS: u32 = 4;
const ENTRIES_MIN: usize = 64;
/// 2^32 / golden ratio (Knuth, The Art of Computer Programming, 6.4).
const SCATTER: u32 = 0x9e37_79b1;

impl Index {
    pub(crate) fn new() -> Index {
        Index {
            entries: vec![VACANT; ENTRIES_MIN],
            shift: u32::BITS + BLOCK_BITS - ENTRIES_MIN.trailing_zeros(),
            len: 0,
        }
    }

    /// The slot under this id; `is` looks whether a slot of the same low half is really meant.
    pub(crate) fn find(&self, id: CallId, is: impl Fn(Slot) -> bool) -> Option<Slot> {
        let (low, mask) = (id.0 as u32, self.entries.len() - 1);
        let mut at = self.home(low);
        loop {
            let entry = self.entries[at];
            match entry.slot {
                NONE => return None,
                slot if entry.low == low && is(slot) => return Some(slot),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds an id that is not there yet.
    pub(crate) fn insert(&mut self, id: CallId, slot: Slot) {
        if 2 * (self.len + 1) > self.entries.len() {
            self.grow();
        }
        self.place(Entry { low: id.0 as u32, slot });
        self.len += 1;
    }

    #[cold]
    fn grow(&mut self) {
        self.shift -= 1;
        let doubled = vec![VACANT; 2 * self.entries.len()];
        for entry in std::mem::replace(&mut self.entries, doubled) {
            if entry.slot != NONE {
                self.place(entry);
            }
        }
    }

    /// Who is farther from home stays (Robin Hood hashing): so what lies behind a gap and is at home closes it.
    fn place(&mut self, mut entry: Entry) {
        let mask = self.entries.len() - 1;
        let (mut at, mut probes) = (self.home(entry.low), 0);
        while self.entries[at].slot != NONE {
            let other = self.probes(at);
            if other < probes {
                std::mem::swap(&mut entry, &mut self.entries[at]);
                probes = other;
            }
            (at, probes) = ((at + 1) & mask, probes + 1);
        }
        self.entries[at] = entry;
    }

    /// Removes an id that is there; those behind it that are not at home move up, so no gap hides them.
    pub(crate) fn remove(&mut self, id: CallId, slot: Slot) {
        let mask = self.entries.len() - 1;
        let mut gap = self.home(id.0 as u32);
        while self.entries[gap].slot != slot {
            gap = (gap + 1) & mask;
        }
        let mut next = (gap + 1) & mask;
        // Nearly always one of both is the end of it, but which is a guess: so no branch between them.
        while (self.entries[next].slot != NONE) & (self.probes(next) > 0) {
            self.entries[gap] = self.entries[next];
            (gap, next) = (next, (next + 1) & mask);
        }
        self.entries[gap] = VACANT;
        self.len -= 1;
    }

    /// How far the entry at this place is from home.
    fn probes(&self, at: usize) -> usize {
        at.wrapping_sub(self.home(self.entries[at].low)) & (self.entries.len() - 1)
    }

    fn home(&self, low: u32) -> usize {
        let block = (low >> BLOCK_BITS).wrapping_mul(SCATTER) >> self.shift;
        ((block << BLOCK_BITS) | (low & ((1 << BLOCK_BITS) - 1))) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn finds_what_a_sorted_map_would() {
        let (mut index, mut model) = (Index::new(), BTreeMap::new());
        let mut seed = 7u64;
        let mut draw = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        for step in 0..60_000u64 {
            // Some ids differ in the upper half only, some follow each other, some are far apart.
            let id = CallId(draw(3) << 32 | draw(400) << (4 * draw(5)) & 0xffff_ffff);
            let known = model.get(&id).copied();
            assert_eq!(index.find(id, |slot| known == Some(slot)), known);
            match known {
                Some(slot) => {
                    index.remove(id, slot);
                    model.remove(&id);
                }
                None => {
                    index.insert(id, step as Slot);
                    model.insert(id, step as Slot);
                }
            }
            assert!(index.len == model.len() && 2 * index.len <= index.entries.len());
        }
        for (&id, &slot) in &model {
            assert_eq!(index.find(id, |found| found == slot), Some(slot));
        }
    }
}
