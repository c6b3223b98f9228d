//! A-law samples by their place in time: silence wherever nothing was put.

use crate::g711;
use busyhour_model::G711;
use serde::{Deserialize, Serialize};

/// A window of samples that moves forward: put sound anywhere in it, take it from the front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    base: u64,
    sound: Vec<u8>,
}

impl Timeline {
    /// An empty window that begins at sample `base`, with room for so many.
    pub fn new(base: u64, room: usize) -> Timeline {
        Timeline { base, sound: Vec::with_capacity(room) }
    }

    /// The first sample not taken yet.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// The sample behind the last.
    pub fn end(&self) -> u64 {
        self.base + self.sound.len() as u64
    }

    /// Puts sound at sample `at`, over what is there; what lies before the window is left out.
    pub fn put(&mut self, at: i64, sound: impl ExactSizeIterator<Item = u8>) {
        let skip = (self.base as i64 - at).max(0) as usize;
        if skip >= sound.len() {
            return;
        }
        let start = (at.max(self.base as i64) as u64 - self.base) as usize;
        self.reach(self.base + (start + sound.len() - skip) as u64);
        self.sound[start..].iter_mut().zip(sound.skip(skip)).for_each(|(to, from)| *to = from);
    }

    /// Makes the window end at `end` or later.
    pub fn reach(&mut self, end: u64) {
        let len = end.saturating_sub(self.base) as usize;
        if len > self.sound.len() {
            // Windows are many: none is to be twice as large as it must.
            self.sound.reserve_exact(len - self.sound.len());
            self.sound.resize(len, g711::silence(G711::A));
        }
    }

    /// Makes the window end at `end` or before.
    pub fn cut(&mut self, end: u64) {
        self.sound.truncate(end.saturating_sub(self.base) as usize);
    }

    /// Takes all samples before `until` out at the front.
    pub fn take(&mut self, until: u64) -> Vec<u8> {
        let len = (until.saturating_sub(self.base) as usize).min(self.sound.len());
        self.base += len as u64;
        self.sound.drain(..len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: u8 = 0xD5;

    #[test]
    fn sound_stands_where_it_was_put_and_silence_between() {
        let mut line = Timeline::new(10, 0);
        line.put(14, [1, 2].into_iter());
        line.put(8, [3, 4, 5, 6].into_iter());
        line.put(0, [7; 10].into_iter());
        assert_eq!((line.base(), line.end()), (10, 16));
        assert_eq!(line.take(13), [5, 6, SILENCE]);
        line.put(12, [9, 9].into_iter());
        assert_eq!(line.take(99), [9, 1, 2]);
        assert_eq!((line.base(), line.end()), (16, 16));
        line.reach(18);
        line.cut(17);
        assert_eq!(line.take(99), [SILENCE]);
    }
}
