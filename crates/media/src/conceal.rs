//! Sound for what was lost: the last pitch periods again, fading (in the manner of ITU-T G.711 Appendix I, but without its delay).

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Samples remembered: three of the longest periods and the quarter of one that joins them.
const HISTORY: usize = 3 * PERIOD_MAX + PERIOD_MAX / 4;
/// Periods of voices, in samples: 200 Hz and 66 Hz. Higher voices are found at a multiple of theirs.
pub(crate) const PERIOD_MIN: usize = 40;
pub(crate) const PERIOD_MAX: usize = 120;
/// Samples compared to find a period: 20 ms.
pub(crate) const COMPARED: usize = 160;
/// Every so many samples one more period is repeated, and a fifth of the level goes: 10 ms.
const STEP: usize = 80;
/// From here on a gap is silent: 60 ms.
const SILENT: usize = 6 * STEP;
/// The longest join behind a gap: 10 ms. For each `STEP` of the gap it is 4 ms longer.
const JOIN_MAX: usize = 80;
const JOIN_STEP: usize = 32;
/// The join behind silence, where speech begins: 2.5 ms.
const JOIN_SILENT: usize = 20;
/// The sum of the squares of so many sixteenths that is too quiet to have a period: -50 dBm0.
const QUIET: i32 = 10 * COMPARED as i32;

/// Remembers what was heard, and goes on with it where something is missing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Concealer {
    history: Vec<i16>,
    /// What is repeated: the last three periods before the gap, with a quarter in front.
    pattern: Vec<i16>,
    gap: Option<Gap>,
}

/// The gap that is being filled.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Gap {
    period: usize,
    /// Samples filled.
    len: usize,
    voice: Voice,
    /// The voice with fewer periods that this one takes over from, and for how many samples still.
    former: Voice,
    fading: usize,
    /// What the first sample repeated is off the last one heard.
    off: f32,
    /// How much of the sound behind the gap is joined.
    joined: usize,
}

/// Where the repetition is: at which sample of how many periods.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Voice {
    periods: usize,
    at: usize,
}

impl Default for Concealer {
    /// Nothing was heard yet: that is silence.
    fn default() -> Concealer {
        let mut concealer = Concealer { history: vec![0; HISTORY], pattern: Vec::with_capacity(HISTORY), gap: None };
        concealer.gap = Some(Gap { len: SILENT, ..concealer.begun() });
        concealer
    }
}

impl Concealer {
    /// Takes what is heard now; behind a gap, its beginning is joined with what filled the gap.
    pub fn hear(&mut self, sound: &mut [i16]) {
        if let Some(gap) = &mut self.gap {
            let len = gap.join_len();
            for sample in sound.iter_mut().take(len - gap.joined) {
                gap.joined += 1;
                let share = gap.joined as f32 / (len + 1) as f32;
                *sample = blend(gap.next(&self.pattern), f32::from(*sample), share);
            }
            if gap.joined >= len {
                self.gap = None;
            }
        }
        self.remember(sound);
    }

    /// Fills a gap, or the next part of it.
    pub fn fill(&mut self, sound: &mut [i16]) {
        if self.gap.as_ref().is_none_or(|gap| gap.joined > 0) {
            self.gap = Some(self.begun());
        }
        if let Some(gap) = &mut self.gap {
            sound.iter_mut().for_each(|sample| *sample = blend(gap.next(&self.pattern), 0.0, 0.0));
        }
        self.remember(sound);
    }

    /// Takes sound made for a pause, which is no gap.
    pub(crate) fn pause(&mut self, sound: &[i16]) {
        let gap = self.gap.take().unwrap_or_else(|| self.begun());
        self.gap = Some(Gap { len: SILENT, joined: 0, ..gap });
        self.remember(sound);
    }

    /// Whether a gap has become silence.
    pub fn is_silent(&self) -> bool {
        self.gap.as_ref().is_some_and(|gap| gap.len >= SILENT)
    }

    /// The last samples heard.
    pub(crate) fn last(&self, len: usize) -> &[i16] {
        &self.history[HISTORY - len..]
    }

    /// The period of what was heard last, and how alike its two last cycles are.
    pub(crate) fn period(&self) -> (usize, f32) {
        let (before, now) = (&self.history[HISTORY - COMPARED - PERIOD_MAX..], self.last(COMPARED));
        let (at, alike) = best(now, before, 0..=PERIOD_MAX - PERIOD_MIN);
        (PERIOD_MAX - at, alike)
    }

    fn begun(&mut self) -> Gap {
        let (period, _) = self.period();
        let join = period / 4;
        self.pattern.clear();
        self.pattern.extend_from_slice(&self.history[HISTORY - 3 * period - join..]);
        let heard = |back: usize| f32::from(self.history[HISTORY - back]);
        let voice = Voice { periods: 1, at: 0 };
        Gap { period, len: 0, voice, former: voice, fading: 0, off: heard(1) - heard(period + 1), joined: 0 }
    }

    fn remember(&mut self, sound: &[i16]) {
        let new = &sound[sound.len().saturating_sub(HISTORY)..];
        self.history.copy_within(new.len().., 0);
        self.history[HISTORY - new.len()..].copy_from_slice(new);
    }
}

impl Gap {
    fn quarter(&self) -> usize {
        self.period / 4
    }

    fn join_len(&self) -> usize {
        match self.len - self.joined {
            SILENT.. => JOIN_SILENT,
            len => (self.quarter() + JOIN_STEP * len / STEP).min(JOIN_MAX),
        }
    }

    /// The next sample; more periods the longer it lasts, or it would buzz.
    fn next(&mut self, pattern: &[i16]) -> f32 {
        if self.len >= SILENT {
            self.len += 1;
            return 0.0;
        }
        if self.len == STEP * self.voice.periods && self.voice.periods < 3 {
            self.former = self.voice;
            self.fading = self.quarter();
            self.voice = Voice { periods: self.voice.periods + 1, at: self.voice.at % self.period };
        }
        let quarter = self.quarter() as f32;
        let mut sample = self.voice.next(pattern, self.period);
        if self.fading > 0 {
            let share = self.fading as f32 / (quarter + 1.0);
            sample += (self.former.next(pattern, self.period) - sample) * share;
            self.fading -= 1;
        }
        let left = 1.0 - (self.len + 1) as f32 / (quarter + 1.0);
        sample += self.off * left.max(0.0);
        let fade = self.len.saturating_sub(STEP) as f32 / (SILENT - STEP) as f32;
        self.len += 1;
        sample * (1.0 - fade)
    }
}

impl Voice {
    /// The end of the periods goes over into what stood before their beginning, and so into the beginning.
    fn next(&mut self, pattern: &[i16], period: usize) -> f32 {
        let (len, quarter) = (self.periods * period, period / 4);
        let begin = pattern.len() - len;
        let sample = f32::from(pattern[begin + self.at]);
        let over = (self.at + quarter).checked_sub(len);
        let at = self.at;
        self.at = (at + 1) % len;
        over.map_or(sample, |over| {
            let before = f32::from(pattern[begin + at - len]);
            sample + (before - sample) * (over + 1) as f32 / (quarter + 1) as f32
        })
    }
}

/// Where in `sound` it is most like these `COMPARED` samples, the last of equals; and how alike, at most 1. What is quiet is alike.
pub(crate) fn best(of: &[i16], sound: &[i16], starts: RangeInclusive<usize>) -> (usize, f32) {
    // Sums of so many products stay below 2^31 then.
    let scale = |sample: &i16| sample >> 4;
    let (mut a, mut b) = ([0; COMPARED], [0; COMPARED + PERIOD_MAX]);
    a.iter_mut().zip(of).for_each(|(to, from)| *to = scale(from));
    b.iter_mut().zip(sound).for_each(|(to, from)| *to = scale(from));
    let aa = dot(&a, &a);
    let score = |at: usize| {
        let b = &b[at..at + COMPARED];
        let bb = dot(b, b);
        let alike = dot(&a, b) as f32 / (aa as f32 * bb as f32).sqrt().max(1.0);
        (at, if aa.max(bb) <= QUIET { 1.0 } else { alike })
    };
    let better = |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
    starts.rev().map(score).reduce(better).unwrap_or((0, 0.0))
}

fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

fn blend(from: f32, to: f32, share: f32) -> i16 {
    (from + (to - from) * share).round() as i16
}

#[cfg(test)]
mod tests;
