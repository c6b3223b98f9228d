//! How long sound must wait for its packets: their lateness, counted, of which the older counts less.

use serde::{Deserialize, Serialize};

/// Samples one count stands for: 2.5 ms.
const BIN: i64 = 20;
/// Counts kept; what is later than all of them above the earliest is lost.
const BINS: usize = 120;
/// The longest delay that is ever asked for, in samples: 300 ms.
pub const DELAY_MAX: i64 = BIN * BINS as i64;
/// One part in so many may come too late.
const LATE: u32 = 64;
/// Counts halve whenever so much sound has come, in 10 ms: what was is half forgotten after 5 s.
const HALF: u32 = 1024;
/// Before so much sound was seen, in 10 ms, it is too soon to wait less: 1 s.
const SEEN_MIN: u32 = 100;

/// Of each packet the delay at which it would just have been in time, by how often.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Lateness {
    /// The least delay of the first count.
    base: i64,
    counts: Vec<u16>,
    total: u32,
    seen: u32,
    /// The delay that all but a few need at most.
    target: i64,
}

impl Default for Lateness {
    fn default() -> Lateness {
        Lateness { base: 0, counts: vec![0; BINS], total: 0, seen: 0, target: 0 }
    }
}

impl Lateness {
    /// Counts a packet of `len` samples that needed this delay.
    pub(crate) fn take(&mut self, needed: i64, len: usize) {
        if self.total == 0 {
            self.base = needed - needed.rem_euclid(BIN);
        }
        let below = (self.base - needed + BIN - 1).max(0) / BIN;
        if below > 0 {
            self.lower(below);
        }
        let at = ((needed - self.base) / BIN).min(BINS as i64 - 1) as usize;
        let weight = (len / 80).clamp(1, 100) as u16;
        self.counts[at] = self.counts[at].saturating_add(weight);
        self.total += u32::from(weight);
        self.seen = self.seen.saturating_add(weight.into());
        if self.total >= HALF {
            self.halve();
        }
        self.target = self.sought();
    }

    /// Forgets everything: another stream.
    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        (self.total, self.seen) = (0, 0);
    }

    /// By how much a delay is longer than wanted; less than 0: too short. 0 while nothing is known.
    pub(crate) fn excess(&self, delay: i64) -> i64 {
        match delay - self.target {
            _ if self.total == 0 => 0,
            excess if excess > 0 && self.seen < SEEN_MIN => 0,
            excess => excess,
        }
    }

    /// By how much a delay is longer than the earliest packets need.
    pub(crate) fn waits(&self, delay: i64) -> i64 {
        let first = self.counts.iter().position(|count| *count > 0);
        first.map_or(0, |first| delay - self.base - first as i64 * BIN)
    }

    fn sought(&self) -> i64 {
        let mut late = 0;
        let enough = self.counts.iter().rposition(|count| {
            late += u32::from(*count);
            late > self.total / LATE
        });
        self.base + (enough.unwrap_or(0) as i64 + 1) * BIN
    }

    /// Makes room for packets that are earlier than any before.
    fn lower(&mut self, bins: i64) {
        let shift = bins.min(BINS as i64) as usize;
        let over: u32 = self.counts[BINS - shift..].iter().map(|count| u32::from(*count)).sum();
        self.counts.copy_within(..BINS - shift, shift);
        self.counts[..shift].fill(0);
        let top = &mut self.counts[BINS - 1];
        *top = top.saturating_add(over.min(u16::MAX.into()) as u16);
        self.base -= bins * BIN;
    }

    /// Forgets half of it, and where nothing comes any more.
    fn halve(&mut self) {
        self.counts.iter_mut().for_each(|count| *count /= 2);
        let empty = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        self.counts.rotate_left(empty);
        self.base += empty as i64 * BIN;
        self.total = self.counts.iter().map(|count| u32::from(*count)).sum();
    }
}
