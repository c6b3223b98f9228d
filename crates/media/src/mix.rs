//! What several legs say, heard together by one: a packet of the sum each time the hearer's next one is due.

use crate::anchor::Anchor;
use crate::leg::{Heard, Kind};
use crate::timeline::Timeline;
use crate::{SAMPLE_RATE, g711};
use busyhour_model::{G711, LegId, Time};
use serde::{Deserialize, Serialize};

/// Legs heard at once.
pub(crate) const SOURCES_MAX: usize = 16;
/// Packets may come so late, in samples: 60 ms.
const DELAY: u64 = 480;
/// A hearer that is further behind goes on from now: 200 ms.
const LAG_MAX: u64 = 1600;
/// As much of each source as ever waits.
const ROOM: usize = (DELAY + LAG_MAX) as usize;

/// All that one leg hears.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mix {
    clock: Anchor,
    /// The next sample to be heard.
    at: u64,
    /// When sources were looked at for being in step.
    stepped: u64,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Source {
    leg: LegId,
    anchor: Anchor,
    line: Timeline,
}

impl Mix {
    pub(crate) fn new(now: Time) -> Mix {
        Mix { clock: Anchor::new(now), at: 0, stepped: 0, sources: Vec::new() }
    }

    /// Hears these from now on; who was heard before goes on without a gap.
    pub(crate) fn tune(&mut self, legs: &[LegId]) {
        self.sources.retain(|source| legs.contains(&source.leg));
        for leg in legs.iter().take(SOURCES_MAX) {
            if self.sources.iter().all(|source| source.leg != *leg) {
                let line = Timeline::new(self.at, ROOM);
                self.sources.push(Source { leg: *leg, anchor: self.clock.clone(), line });
            }
        }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = LegId> + '_ {
        self.sources.iter().map(|source| source.leg)
    }

    /// Takes a packet of one of them.
    pub(crate) fn hear(&mut self, now: Time, from: LegId, heard: &Heard<'_>) {
        let Some(source) = self.sources.iter_mut().find(|source| source.leg == from) else { return };
        let Kind::Speech(law) = heard.kind else { return };
        let at = source.anchor.place(now, &heard.origin, heard.payload.len() as i64);
        // What is far ahead of its time would only take room.
        if at > (self.at + ROOM as u64) as i64 {
            return;
        }
        match g711::transcoder(law, G711::A) {
            Some(table) => source.line.put(at, heard.payload.iter().map(|code| table[*code as usize])),
            None => source.line.put(at, heard.payload.iter().copied()),
        }
    }

    /// When a packet of `len` samples is due.
    pub(crate) fn due(&self, len: u64) -> Time {
        self.clock.at(self.at + len + DELAY)
    }

    /// The sum of the next samples.
    pub(crate) fn frame(&mut self, now: Time, out: &mut [i16]) {
        let len = out.len() as u64;
        let newest = self.clock.position(now).saturating_sub(len + DELAY);
        if newest > self.at + LAG_MAX {
            self.at = newest;
        }
        out.fill(0);
        for source in &mut self.sources {
            drop(source.line.drain(self.at));
            source.line.reach(self.at + len);
            for (sum, code) in out.iter_mut().zip(source.line.drain(self.at + len)) {
                *sum = sum.saturating_add(g711::decode_a(code));
            }
        }
        self.at += len;
        if self.at >= self.stepped + u64::from(SAMPLE_RATE) {
            self.stepped = self.at;
            self.sources.iter_mut().for_each(|source| source.anchor.step());
        }
    }
}
