//! What one leg's sound tells beside being passed on: who talks, a fax machine, or nothing at all.

use crate::fax;
use crate::heard::{Heard, Kind};
use crate::latch::Latch;
use crate::talk::{Meter, Spurt};
use crate::watch::{Refusal, Refusals, Sight, Watch};
use crate::wide;
use busyhour_model::{Audio, Deafness, FaxTone, Side, Time};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Fax machines are listened for so long after terms were agreed on with a trunk, bridged or not: those that are called answer with 2,100 Hz,
/// and those that call have called twice by then. Later only while it is not bridged.
const FAX: Duration = Duration::from_secs(15);

/// One leg's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hearing {
    /// While it is measured who talks.
    pub(crate) meter: Option<Box<Meter>>,
    watch: Option<Watch>,
    /// It was told that nothing is heard.
    told: bool,
    refusals: Refusals,
    /// Where the peer is; and how many packets had come when that was agreed on.
    remote: Option<(SocketAddr, u64)>,
    fax: Option<Box<fax::Ear>>,
    /// Until then also while it is bridged.
    fax_until: Time,
}

impl Hearing {
    /// What was agreed on; `packets` have come by now.
    pub(crate) fn connect(&mut self, now: Time, side: Side, audio: &Audio, packets: u64) {
        if side == Side::Trunk {
            self.fax_until = now + FAX;
            if self.remote.is_none() {
                self.fax = Some(Box::default());
            }
        }
        if self.remote.is_none_or(|(remote, _)| remote != audio.remote) {
            (self.remote, self.refusals) = (Some((audio.remote, packets)), Refusals::default());
        }
    }

    pub(crate) fn refused(&mut self, refusal: Refusal) {
        self.refusals.note(refusal);
    }

    /// There are keys now.
    pub(crate) fn keyed(&mut self) {
        self.refusals.keyed();
    }

    /// Nothing will be heard of it; whether that was not told before.
    pub(crate) fn tell(&mut self) -> bool {
        self.watch = None;
        !std::mem::replace(&mut self.told, true)
    }

    /// Takes a packet: a new stretch of talk that begins with it, and a fax machine that is known by it.
    pub(crate) fn hear(&mut self, now: Time, heard: &Heard<'_>, bridged: bool) -> (Option<Spurt>, Option<FaxTone>) {
        let law = match (heard.kind, heard.native, &mut self.meter) {
            (Kind::Speech(law), _, _) => law,
            (Kind::Undecoded, Some((codec, payload)), Some(meter)) => {
                meter.pass(wide::samples(codec, payload));
                return (None, None);
            }
            _ => return (None, None),
        };
        let meter = self.meter.as_mut().filter(|_| !heard.toned);
        let spurt = meter.and_then(|meter| meter.hear(now, law, heard.payload));
        let listens = !bridged || now < self.fax_until;
        let ear = self.fax.as_mut().filter(|_| listens);
        let tone = ear.and_then(|ear| ear.take(heard.origin.header.timestamp, law, heard.payload));
        if tone.is_some() {
            self.fax = None;
        }
        (spurt, tone)
    }

    /// It must be heard from now on; `None`: it need not any more.
    pub(crate) fn expect(&mut self, since: Option<Time>) {
        self.watch = since.filter(|_| !self.told).map(Watch::new);
        self.meter.iter_mut().for_each(|meter| meter.samples = 0);
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.watch.map(|watch| watch.at)
    }

    /// Looks whether it is heard, if it is time, or at the `end`.
    pub(crate) fn look(
        &mut self,
        now: Time,
        end: bool,
        packets: u64,
        audio: &Audio,
        latch: &Latch,
        local: IpAddr,
    ) -> Option<Deafness> {
        let (Some(watch), Some(meter)) = (&mut self.watch, &mut self.meter) else { return None };
        if !end && watch.at > now {
            return None;
        }
        let packets = packets - self.remote.map_or(0, |(_, before)| before);
        let sight = Sight { meter, packets, refusals: self.refusals, direction: audio.direction, latch, local };
        let cause = if end { watch.end(now, &sight) } else { watch.look(now, &sight) };
        meter.samples = 0;
        if cause.is_some() {
            (self.told, self.watch) = (true, None);
        }
        cause
    }
}
