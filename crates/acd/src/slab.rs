//! A vector of slots that are used again: indices stay valid until removed.

use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut};

/// An index into a [`Slab`].
pub(crate) type Slot = u32;

/// No slot.
pub(crate) const NONE: Slot = Slot::MAX;

/// Values by slot. The slot freed last is used first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<Slot>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Inlined, so that the value is made where it belongs instead of being moved there.
    #[inline(always)]
    pub(crate) fn insert(&mut self, value: T) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| self.grow());
        self.entries[slot as usize] = Some(value);
        slot
    }

    #[cold]
    fn grow(&mut self) -> Slot {
        self.entries.push(None);
        (self.entries.len() - 1) as Slot
    }

    #[inline]
    pub(crate) fn remove(&mut self, slot: Slot) -> T {
        self.free.push(slot);
        self.entries[slot as usize].take().expect("only slots in use are removed")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Slot, &T)> {
        self.entries.iter().enumerate().filter_map(|(slot, e)| e.as_ref().map(|e| (slot as Slot, e)))
    }
}

impl<T> Index<Slot> for Slab<T> {
    type Output = T;
    fn index(&self, slot: Slot) -> &T {
        self.entries[slot as usize].as_ref().expect("slots are held only while in use")
    }
}

impl<T> IndexMut<Slot> for Slab<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        self.entries[slot as usize].as_mut().expect("slots are held only while in use")
    }
}
