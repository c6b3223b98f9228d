//! Whether anything is heard of a leg that talks to another, and why not: what came instead is remembered by its fault.

use crate::latch::Latch;
use crate::talk::Meter;
use busyhour_model::{Deafness, Direction, Time};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// So long after two began to hear each other each must have been heard.
const FIRST: Duration = Duration::from_secs(4);
/// Then it is looked again each time so long after.
const AGAIN: Duration = Duration::from_secs(10);
/// Who hangs up earlier had not time enough to say something.
const SHORTEST: Duration = Duration::from_secs(2);
/// As many packets may have come from whoever was on trial (see `Latch`).
const STRAYS: u64 = 5;

/// Looks that find sound all the time, after which none at all is a fault: the first two, 14 s.
const STEADY: u32 = 2;

/// Why no packet was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Before anything was agreed on.
    Early,
    /// Before there were keys.
    Unkeyed,
    /// Its keys are others.
    Sealed,
    NoRtp,
    PayloadType,
    /// From an address that is not believed.
    Elsewhere,
    /// None: one of ours came back.
    Undelivered,
}

/// How often, since the peer's address was agreed on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Refusals {
    unkeyed: u32,
    sealed: u32,
    no_rtp: u32,
    payload_type: u32,
    elsewhere: u32,
    undelivered: u32,
}

impl Refusals {
    pub(crate) fn note(&mut self, refusal: Refusal) {
        let count = match refusal {
            Refusal::Early => return,
            Refusal::Unkeyed => &mut self.unkeyed,
            Refusal::Sealed => &mut self.sealed,
            Refusal::NoRtp => &mut self.no_rtp,
            Refusal::PayloadType => &mut self.payload_type,
            Refusal::Elsewhere => &mut self.elsewhere,
            Refusal::Undelivered => &mut self.undelivered,
        };
        *count = count.saturating_add(1);
    }

    /// What came before is no fault any more.
    pub(crate) fn keyed(&mut self) {
        self.unkeyed = 0;
    }

    /// What most of them were refused for.
    fn most(&self) -> Option<Deafness> {
        let counts = [
            (self.no_rtp, Deafness::NoRtp),
            (self.elsewhere, Deafness::OtherAddress),
            (self.payload_type, Deafness::PayloadType),
            (self.sealed, Deafness::Keys),
            (self.unkeyed, Deafness::Unkeyed),
        ];
        counts.into_iter().filter(|(count, _)| *count > 0).max_by_key(|(count, _)| *count).map(|(_, cause)| cause)
    }
}

/// Looks at a leg from time to time while it talks to another.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Watch {
    since: Time,
    last: Time,
    /// When to look next.
    pub(crate) at: Time,
    /// Looks since which sound had come all the time, and part of the time. A peer that leaves silence out has many of these.
    whole: u32,
    partial: u32,
}

/// What a watch looks at.
pub(crate) struct Sight<'a> {
    pub(crate) meter: &'a Meter,
    /// Packets taken since the peer's address was agreed on.
    pub(crate) packets: u64,
    pub(crate) refusals: Refusals,
    pub(crate) direction: Direction,
    pub(crate) latch: &'a Latch,
    pub(crate) local: IpAddr,
}

impl Watch {
    pub(crate) fn new(now: Time) -> Watch {
        Watch { since: now, last: now, at: now + FIRST, whole: 0, partial: 0 }
    }

    /// Looks; what is wrong, if something is. The meter's samples are then to be counted anew.
    pub(crate) fn look(&mut self, now: Time, sight: &Sight<'_>) -> Option<Deafness> {
        let (samples, expected) = (u64::from(sight.meter.samples), now.since(self.last).as_micros() as u64 / 125);
        let first = self.last == self.since;
        let stopped = samples == 0 && self.whole >= STEADY && self.partial <= 1;
        let whole = samples * 20 >= expected * 19;
        self.whole += u32::from(whole);
        self.partial += u32::from(samples > 0 && !whole);
        (self.last, self.at) = (now, now + AGAIN);
        match sight {
            _ if sight.packets <= STRAYS => Some(sight.cause()),
            _ if stopped && sight.refusals.undelivered > 0 => Some(Deafness::Unreachable),
            _ if stopped => Some(Deafness::Stopped),
            _ if !first && samples > 0 && sight.meter.loudest == 0 => Some(Deafness::Muted),
            _ => None,
        }
    }

    /// The same at the end, when only what never came is certain.
    pub(crate) fn end(&self, now: Time, sight: &Sight<'_>) -> Option<Deafness> {
        (now.since(self.since) >= SHORTEST && sight.packets <= STRAYS).then(|| sight.cause())
    }
}

impl Sight<'_> {
    /// Why nothing was heard ever.
    fn cause(&self) -> Deafness {
        let nothing = match self.refusals.undelivered {
            _ if self.latch.is_behind_nat(self.local) => Deafness::PrivateAddress,
            0 => Deafness::NothingCame,
            _ => Deafness::Unreachable,
        };
        match self.direction.receives() {
            false => Deafness::SendsNothing,
            true => self.refusals.most().unwrap_or(nothing),
        }
    }
}
