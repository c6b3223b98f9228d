//! What several legs say, heard together by one: a packet of the sum each time the hearer's next one is due.

use crate::anchor::Anchor;
use crate::g711;
use crate::heard::{Heard, Kind};
use crate::jitter::Jitter;
use crate::leg::FRAME_MAX;
use busyhour_model::{LegId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Legs heard at once.
pub(crate) const SOURCES_MAX: usize = 16;
/// A hearer that is further behind goes on from now: 200 ms.
const LAG_MAX: Duration = Duration::from_millis(200);
/// All that one leg hears.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mix {
    clock: Anchor,
    /// The next sample to be heard.
    at: u64,
    sources: Vec<Source>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Source {
    leg: LegId,
    jitter: Jitter,
}

impl Mix {
    pub(crate) fn new(now: Time) -> Mix {
        Mix { clock: Anchor::new(now), at: 0, sources: Vec::new() }
    }

    /// Hears these from now on; who was heard before goes on without a gap.
    pub(crate) fn tune(&mut self, legs: &[LegId]) {
        self.sources.retain(|source| legs.contains(&source.leg));
        for leg in legs.iter().take(SOURCES_MAX) {
            if self.sources.iter().all(|source| source.leg != *leg) {
                self.sources.push(Source { leg: *leg, jitter: Jitter::default() });
            }
        }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = LegId> + '_ {
        self.sources.iter().map(|source| source.leg)
    }

    /// Takes a packet of one of them.
    pub(crate) fn hear(&mut self, from: LegId, heard: &Heard<'_>) {
        let Some(Source { jitter, .. }) = self.sources.iter_mut().find(|source| source.leg == from) else { return };
        let (stream, timestamp) = (heard.origin.stream, heard.origin.header.timestamp);
        match heard.kind {
            Kind::Speech(law) => {
                jitter.take(stream, timestamp, heard.payload.iter().map(|code| g711::decode(law, *code)))
            }
            Kind::Comfort => jitter.take_comfort(stream, timestamp, heard.payload),
            Kind::Event | Kind::Undecoded | Kind::Other => {}
        }
    }

    /// The next sample to be heard, counted from the beginning.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// When a packet of `len` samples is due.
    pub(crate) fn due(&self, len: u64) -> Time {
        self.clock.at(self.at + len)
    }

    /// The sum of the next samples.
    pub(crate) fn frame(&mut self, now: Time, out: &mut [i16]) {
        let len = out.len() as u64;
        self.catch_up(now, len, LAG_MAX);
        out.fill(0);
        let mut buffer = [0; FRAME_MAX];
        for source in &mut self.sources {
            let said = &mut buffer[..out.len()];
            source.jitter.pull(said);
            out.iter_mut().zip(said).for_each(|(sum, sample)| *sum = sum.saturating_add(*sample));
        }
        self.at += len;
    }

    /// Goes on from now when the next packet, of `len` samples, is overdue by more than `most`.
    pub(crate) fn catch_up(&mut self, now: Time, len: u64, most: Duration) {
        let overdue = now.since(self.due(len));
        if overdue > most {
            let behind = (overdue.as_micros() as u64).div_ceil(125);
            self.at += behind;
            self.sources.iter_mut().for_each(|source| source.jitter.skip(behind));
        }
    }
}
