//! Timers on virtual time: an indexed four-ary heap, so that the next deadline is exact and cancelling is cheap.

use busyhour_model::Time;
use serde::{Deserialize, Serialize};

/// A running timer; becomes meaningless when it fires or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    slot: u32,
    serial: u64,
}

/// All timers. Equal deadlines fire in the order they were set.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timers<T> {
    heap: Vec<Node<T>>,
    /// Position in `heap` of each slot; `FREE` when unused.
    positions: Vec<u32>,
    free: Vec<u32>,
    serial: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Node<T> {
    at: Time,
    serial: u64,
    slot: u32,
    what: T,
}

const FREE: u32 = u32::MAX;
const ARITY: usize = 4;

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { heap: Vec::new(), positions: Vec::new(), free: Vec::new(), serial: 0 }
    }
}

impl<T> Timers<T> {
    /// Fires `what` at `at`.
    pub fn set(&mut self, at: Time, what: T) -> Timer {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.positions.push(FREE);
            (self.positions.len() - 1) as u32
        });
        self.serial += 1;
        let serial = self.serial;
        self.heap.push(Node { at, serial, slot, what });
        self.positions[slot as usize] = (self.heap.len() - 1) as u32;
        self.up(self.heap.len() - 1);
        Timer { slot, serial }
    }

    /// Stops `timer`; does nothing when it has fired.
    pub fn cancel(&mut self, timer: Timer) {
        let Some(&position) = self.positions.get(timer.slot as usize) else { return };
        if self.heap.get(position as usize).is_some_and(|node| node.serial == timer.serial) {
            self.remove(position as usize);
        }
    }

    /// The next deadline.
    pub fn next(&self) -> Option<Time> {
        self.heap.first().map(|node| node.at)
    }

    /// Takes the next timer that is due.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        (self.next()? <= now).then(|| self.remove(0))
    }

    /// How many run.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn remove(&mut self, position: usize) -> T {
        let node = self.heap.swap_remove(position);
        self.positions[node.slot as usize] = FREE;
        self.free.push(node.slot);
        if position < self.heap.len() {
            self.positions[self.heap[position].slot as usize] = position as u32;
            let position = self.up(position);
            self.down(position);
        }
        node.what
    }

    fn up(&mut self, mut position: usize) -> usize {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.key(parent) <= self.key(position) {
                break;
            }
            self.swap(parent, position);
            position = parent;
        }
        position
    }

    fn down(&mut self, mut position: usize) {
        loop {
            let first = position * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..last).min_by_key(|&child| self.key(child)) else { return };
            if self.key(position) <= self.key(least) {
                return;
            }
            self.swap(position, least);
            position = least;
        }
    }

    fn key(&self, position: usize) -> (Time, u64) {
        (self.heap[position].at, self.heap[position].serial)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.positions[self.heap[a].slot as usize] = a as u32;
        self.positions[self.heap[b].slot as usize] = b as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn fires_exactly_as_an_ordered_map_would() {
        let mut timers = Timers::default();
        let mut model: BTreeMap<(Time, u64), Timer> = BTreeMap::new();
        let mut random = busyhour_model::Seed(7);
        let (mut now, mut serial) = (Time::ZERO, 0);
        for _ in 0..20_000 {
            match random.draw() % 4 {
                0 | 1 => {
                    serial += 1;
                    let at = Time::from_micros(now.as_micros() + random.draw() % 500);
                    model.insert((at, serial), timers.set(at, serial));
                }
                2 if !model.is_empty() => {
                    let victim = (random.draw() % model.len() as u64) as usize;
                    let key = *model.keys().nth(victim).expect("the index is below the length");
                    timers.cancel(model.remove(&key).expect("the key was just read"));
                }
                _ => {
                    now = Time::from_micros(now.as_micros() + random.draw() % 200);
                    while let Some(fired) = timers.pop(now) {
                        let ((at, expected), gone) = model.pop_first().expect("the model has as many");
                        assert!(at <= now);
                        assert_eq!(fired, expected);
                        timers.cancel(gone);
                    }
                }
            }
            assert_eq!(timers.next(), model.keys().next().map(|key| key.0));
            assert_eq!(timers.len(), model.len());
        }
    }
}
