//! One stream's packets, as they come, to sound without a gap: waiting as long as its packets are late, and no longer.

use crate::comfort::Comfort;
use crate::conceal::{self, COMPARED, Concealer, PERIOD_MAX, PERIOD_MIN};
use crate::lateness::Lateness;
use serde::{Deserialize, Serialize};

pub use crate::lateness::DELAY_MAX;

/// The first packet of a stream waits so long, in samples: 40 ms.
pub const DELAY_FIRST: i64 = 320;
/// The most sound that waits, in samples: 500 ms. What comes when there is no room for it is a new beginning.
pub const ROOM: usize = 4000;
/// A packet so far behind its time is a sender whose clock jumped: 1 s.
const LATE_MAX: i64 = 8000;
/// So is a stream of which nothing comes in time for so long: 200 ms.
const LATE_RUN: i64 = 1600;
/// Between two periods left out of speech or put into it: 50 ms.
const PACE: i64 = 400;
/// Where none is found that would not be missed, it is looked again after 30 ms.
const RETRY: i64 = 240;
/// Less delay than this too much is left alone: 5 ms.
const EXCESS_MIN: i64 = PERIOD_MIN as i64;
/// Two cycles of a voice are so much alike that one of them is not missed; less, the longer sound waits too long.
const ALIKE: f32 = 0.9;
/// So much more delay than wanted makes that less by 1: 300 ms.
const IMPATIENCE: f32 = 2400.0;
/// How long what is left out goes over into what follows: 4 ms.
const FADE: usize = 32;
/// What stands where nothing has come. No codec says it: sound is kept off it.
const MISSING: i16 = i16::MIN;

/// How many samples were heard, and of what kind; some that came were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// As they came.
    pub played: u64,
    /// Made in place of what had not come.
    pub concealed: u64,
    /// Silence, or comfort noise.
    pub silent: u64,
    /// Made to wait longer, of those two.
    pub inserted: u64,
    /// Left out to wait less.
    pub dropped: u64,
    /// Of a stream that came too late to be heard.
    pub late: u64,
}

/// The sound of one stream on its way from packets to frames.
///
/// Time is the sound taken out: it is asked for as it is heard, so a sender whose clock is faster or slower shows as packets that
/// come ever earlier or later.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Jitter {
    /// Samples taken out, ever.
    out: i64,
    /// The place of the next sample in the stream.
    next: i64,
    /// What has come, from there on.
    sound: Vec<i16>,
    /// The newest packet's stream and timestamp, and its place.
    last: Option<(u32, u32, i64)>,
    /// Since when every packet came too late.
    late_since: Option<i64>,
    lateness: Lateness,
    concealer: Concealer,
    /// From that place on, until something is said, silence sounds like this.
    comfort: Option<(i64, Comfort)>,
    /// Samples still to be put in here.
    held: usize,
    /// When the delay may change in speech again.
    paced: i64,
    counts: Counts,
}

impl Jitter {
    /// Takes a packet that is no duplicate. `stream` differs whenever the sender started over.
    pub fn take(&mut self, stream: u32, timestamp: u32, sound: impl ExactSizeIterator<Item = i16>) {
        let len = sound.len();
        let at = self.place(stream, timestamp, len);
        self.lateness.take(self.out - at, len);
        let skip = (self.next - at).max(0) as usize;
        self.counts.late += skip.min(len) as u64;
        if skip >= len {
            return;
        }
        let start = (at - self.next).max(0) as usize;
        let end = start + len - skip;
        if end > self.sound.len() {
            self.sound.resize(end, MISSING);
        }
        let heard = sound.skip(skip).map(|sample| sample.max(MISSING + 1));
        self.sound[start..].iter_mut().zip(heard).for_each(|(to, from)| *to = from);
    }

    /// Takes a packet that says how the silence from there on sounds.
    pub fn take_comfort(&mut self, stream: u32, timestamp: u32, payload: &[u8]) {
        let Some(told) = Comfort::told(payload) else { return };
        let at = self.place(stream, timestamp, 0);
        match &mut self.comfort {
            Some((_, comfort)) if self.sound.is_empty() => comfort.change(&told),
            _ => self.comfort = Some((at, told)),
        }
    }

    /// The next sound, of any length.
    pub fn pull(&mut self, mut sound: &mut [i16]) {
        self.adapt();
        while !sound.is_empty() {
            let len = self.part(sound);
            self.out += len as i64;
            sound = &mut sound[len..];
        }
    }

    /// So many samples will not be asked for any more.
    pub fn skip(&mut self, len: u64) {
        self.out += len as i64;
        self.advance(len as usize);
    }

    /// How long sound waits now that comes as early as the earliest does, in samples; 0 while nothing has come.
    pub fn delay(&self) -> i64 {
        self.lateness.waits(self.out - self.next)
    }

    /// The place in the stream of what is heard next, in samples from an arbitrary one.
    pub fn next(&self) -> i64 {
        self.next
    }

    /// What was heard so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where a packet belongs.
    fn place(&mut self, stream: u32, timestamp: u32, len: usize) -> i64 {
        let known = self.last.filter(|(of, ..)| *of == stream);
        let by_stamp = known.map(|(_, last, at)| at + i64::from(timestamp.wrapping_sub(last) as i32));
        let at = by_stamp.filter(|at| self.suits(*at, len)).unwrap_or_else(|| self.begin());
        self.last = Some((stream, timestamp, at));
        at
    }

    /// Whether a packet may belong there.
    fn suits(&mut self, at: i64, len: usize) -> bool {
        let end = at + len.max(1) as i64;
        self.late_since = if end > self.next { None } else { self.late_since.or(Some(self.out)) };
        let late = self.late_since.is_some_and(|since| self.out > since + LATE_RUN) || at < self.next - LATE_MAX;
        !late && end <= self.next + ROOM as i64
    }

    /// The place of the first packet of a stream, of which nothing is known.
    fn begin(&mut self) -> i64 {
        self.sound.clear();
        self.lateness.clear();
        (self.comfort, self.late_since) = (None, None);
        self.next + DELAY_FIRST
    }

    /// Makes the next part of some sound, at least one sample.
    fn part(&mut self, sound: &mut [i16]) -> usize {
        if self.held > 0 {
            let len = self.held.min(sound.len());
            self.held -= len;
            self.make(&mut sound[..len], true);
            return len;
        }
        let missing = missing(&self.sound);
        if missing == 0 && !self.sound.is_empty() {
            return self.play(sound);
        }
        self.gap(if missing < self.sound.len() { Some(missing) } else { None }, sound)
    }

    fn play(&mut self, sound: &mut [i16]) -> usize {
        let len = whole(&self.sound[..sound.len().min(self.sound.len())]);
        sound[..len].copy_from_slice(&self.sound[..len]);
        self.advance(len);
        self.concealer.hear(&mut sound[..len]);
        self.comfort.take_if(|(since, _)| *since < self.next);
        self.counts.played += len as u64;
        len
    }

    /// Fills a gap; how long it is, when its end is known. Here the delay changes without being heard.
    fn gap(&mut self, known: Option<usize>, sound: &mut [i16]) -> usize {
        let excess = self.lateness.excess(self.out - self.next);
        let mut len = sound.len();
        if excess < 0 {
            len = len.min(excess.unsigned_abs() as usize);
            self.make(&mut sound[..len], true);
            return len;
        }
        let pause = self.is_pause();
        if excess >= EXCESS_MIN && (pause || known.is_some()) {
            let dropped = known.unwrap_or(usize::MAX).min(excess as usize);
            self.advance(dropped);
            self.counts.dropped += dropped as u64;
            if known == Some(dropped) {
                return 0;
            }
        }
        let left = missing(&self.sound);
        if left < self.sound.len() {
            len = len.min(left);
        }
        self.advance(len);
        self.make(&mut sound[..len], false);
        len
    }

    fn is_pause(&self) -> bool {
        self.comfort.as_ref().is_some_and(|(since, _)| *since <= self.next) || self.concealer.is_silent()
    }

    /// Makes sound: noise where the sender pauses, else what is most like what was heard.
    fn make(&mut self, sound: &mut [i16], inserted: bool) {
        let len = sound.len() as u64;
        self.counts.inserted += if inserted { len } else { 0 };
        let silent = self.is_pause();
        *(if silent { &mut self.counts.silent } else { &mut self.counts.concealed }) += len;
        match &mut self.comfort {
            Some((since, comfort)) if *since <= self.next => {
                comfort.fill(sound);
                self.concealer.pause(sound);
            }
            _ => self.concealer.fill(sound),
        }
    }

    /// Leaves a period out, or puts one in, where that is not heard much.
    fn adapt(&mut self) {
        let excess = self.lateness.excess(self.out - self.next);
        if self.out < self.paced || self.held > 0 || excess.abs() < EXCESS_MIN {
            return;
        }
        // Looking costs more than all else that is done with a frame.
        self.paced = self.out + RETRY;
        let wanted = ALIKE - excess.abs() as f32 / IMPATIENCE;
        let (period, alike) = if excess > 0 { self.spare(excess as usize) } else { self.concealer.period() };
        if alike < wanted {
            return;
        }
        self.paced = self.out + PACE;
        if excess < 0 {
            self.held = period;
        } else {
            self.leave_out(period);
        }
    }

    /// What of the next sound may be left out, at most so much, and how much what follows it is like it.
    fn spare(&self, most: usize) -> (usize, f32) {
        let ahead = &self.sound[..self.sound.len().min(PERIOD_MAX + FADE)];
        let most = whole(ahead).saturating_sub(FADE).min(most);
        if most < PERIOD_MIN {
            return (0, 0.0);
        }
        let mut around = [0; COMPARED + PERIOD_MAX];
        around[..COMPARED].copy_from_slice(self.concealer.last(COMPARED));
        around[COMPARED..][..most].copy_from_slice(&self.sound[..most]);
        conceal::best(&around[..COMPARED], &around, PERIOD_MIN..=most)
    }

    fn leave_out(&mut self, len: usize) {
        for at in 0..FADE {
            let (from, to) = (i32::from(self.sound[at]), i32::from(self.sound[len + at]));
            self.sound[len + at] = (from + (to - from) * (at as i32 + 1) / (FADE as i32 + 1)) as i16;
        }
        self.advance(len);
        self.counts.dropped += len as u64;
    }

    fn advance(&mut self, len: usize) {
        self.next += len as i64;
        self.sound.drain(..len.min(self.sound.len()));
    }
}

/// How much at the beginning has come.
fn whole(sound: &[i16]) -> usize {
    sound.iter().position(|sample| *sample == MISSING).unwrap_or(sound.len())
}

/// How much at the beginning has not come.
fn missing(sound: &[i16]) -> usize {
    sound.iter().position(|sample| *sample != MISSING).unwrap_or(sound.len())
}

#[cfg(test)]
pub(crate) mod tests;
