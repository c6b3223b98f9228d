//! Alarms, at most one per slot: a binary heap whose entries can be moved and taken out.

use crate::slab::{NONE, Slot};
use busyhour_model::Time;
use serde::{Deserialize, Serialize};

/// Earliest first; at the same time the lower slot first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alarms {
    heap: Vec<(Time, Slot)>,
    /// Index in `heap` by slot, or `NONE`.
    position: Vec<u32>,
}

impl Alarms {
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.first().map(|&(at, _)| at)
    }

    /// When the alarm of `slot` rings.
    pub(crate) fn at(&self, slot: Slot) -> Option<Time> {
        self.index(slot).map(|i| self.heap[i].0)
    }

    pub(crate) fn set(&mut self, slot: Slot, at: Time) {
        let index = match self.index(slot) {
            Some(index) => index,
            None => {
                if self.position.len() <= slot as usize {
                    self.position.resize(slot as usize + 1, NONE);
                }
                self.heap.push((at, slot));
                self.heap.len() - 1
            }
        };
        self.heap[index] = (at, slot);
        let index = self.sift_up(index);
        self.sift_down(index);
    }

    pub(crate) fn clear(&mut self, slot: Slot) {
        let Some(index) = self.index(slot) else { return };
        self.position[slot as usize] = NONE;
        let last = self.heap.pop().expect("the alarm found is in the heap");
        if index < self.heap.len() {
            self.heap[index] = last;
            let index = self.sift_up(index);
            self.sift_down(index);
        }
    }

    /// Takes the first alarm due at or before `now`.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<Slot> {
        let &(at, slot) = self.heap.first()?;
        if at > now {
            return None;
        }
        self.clear(slot);
        Some(slot)
    }

    fn index(&self, slot: Slot) -> Option<usize> {
        self.position.get(slot as usize).filter(|&&i| i != NONE).map(|&i| i as usize)
    }

    fn sift_up(&mut self, mut index: usize) -> usize {
        let entry = self.heap[index];
        while index > 0 && entry < self.heap[(index - 1) / 2] {
            let parent = (index - 1) / 2;
            self.put(index, self.heap[parent]);
            index = parent;
        }
        self.put(index, entry);
        index
    }

    fn sift_down(&mut self, mut index: usize) {
        let entry = self.heap[index];
        loop {
            let left = 2 * index + 1;
            let Some(&first) = self.heap.get(left) else { break };
            let (child, value) = match self.heap.get(left + 1) {
                Some(&second) if second < first => (left + 1, second),
                _ => (left, first),
            };
            if entry <= value {
                break;
            }
            self.put(index, value);
            index = child;
        }
        self.put(index, entry);
    }

    fn put(&mut self, index: usize, entry: (Time, Slot)) {
        self.heap[index] = entry;
        self.position[entry.1 as usize] = index as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn rings_as_a_sorted_map_would() {
        let mut alarms = Alarms::default();
        let mut model: BTreeMap<Slot, Time> = BTreeMap::new();
        let mut seed = 7u64;
        let mut draw = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % n
        };
        for _ in 0..50_000 {
            let slot = draw(40) as Slot;
            match draw(4) {
                0 => {
                    alarms.clear(slot);
                    model.remove(&slot);
                }
                1 => {
                    let now = Time::from_micros(draw(1000));
                    let first = model.iter().map(|(&s, &at)| (at, s)).min().filter(|&(at, _)| at <= now);
                    assert_eq!(alarms.pop_due(now), first.map(|(_, s)| s));
                    first.map(|(_, s)| model.remove(&s));
                }
                _ => {
                    let at = Time::from_micros(draw(1000));
                    alarms.set(slot, at);
                    model.insert(slot, at);
                }
            }
            assert_eq!(alarms.next(), model.values().min().copied());
            assert_eq!(alarms.at(slot), model.get(&slot).copied());
        }
    }
}
