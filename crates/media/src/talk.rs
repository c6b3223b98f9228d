//! Who talks while two legs hear each other: how loud each is above its own noise, and how the talk of both lies in time.

use busyhour_model::{CallId, G711, LegId, Talk, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A shorter pause belongs to the talk around it (ITU-T P.59).
const PAUSE: Duration = Duration::from_millis(200);
/// Levels are in 1/16 of a step of G.711, of which 16 are 6 dB. What is not louder is silence on any line: -42 dBm0 or so.
const LEVEL_MIN: u16 = 6 * 16;
/// No noise is louder: louder sound that never pauses is a tone or music, and counts.
const NOISE_MAX: u16 = 40 * 16;
/// Samples of one packet of 20 ms, in which noise is believed to have risen by 1/16 of a step: 1.2 dB a second.
const RISE: u16 = 160;

/// How loud one leg is, and when it talked last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meter {
    /// The caller's leg, by which the conversation is known.
    pub(crate) caller: LegId,
    /// Its level while nobody talks, as far as is known.
    noise: u16,
    /// The loudest packet.
    pub(crate) loudest: u16,
    /// Samples since it was looked at last.
    pub(crate) samples: u32,
    /// The last stretch of talk.
    pub(crate) spurt: Option<Spurt>,
    /// Samples that were only passed on, in a codec of their own: nobody knows whether they are talk.
    passed: u32,
}

/// A stretch of talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spurt {
    pub(crate) since: Time,
    pub(crate) until: Time,
}

impl Meter {
    pub(crate) fn new(caller: LegId) -> Meter {
        Meter { caller, noise: 0, loudest: 0, samples: 0, spurt: None, passed: 0 }
    }

    /// Takes a packet that came now; a new stretch of talk, when one begins: the last is to be settled before it takes its place.
    pub(crate) fn hear(&mut self, now: Time, law: G711, sound: &[u8]) -> Option<Spurt> {
        self.samples = self.samples.saturating_add(sound.len() as u32);
        if !self.is_talk(level(law, sound), sound.len()) {
            return None;
        }
        let since = now - Duration::from_micros(125 * sound.len() as u64);
        match &mut self.spurt {
            Some(last) if since <= last.until + PAUSE => {
                last.until = last.until.max(now);
                None
            }
            _ => Some(Spurt { since, until: now }),
        }
    }

    /// Takes a packet of so many samples that is only passed on, in a codec of its own.
    pub(crate) fn pass(&mut self, samples: u32) {
        self.samples = self.samples.saturating_add(samples);
        self.passed = self.passed.saturating_add(samples);
        self.loudest = u16::MAX;
    }

    /// Whether it is known who talked in so many milliseconds, but for a twentieth.
    pub(crate) fn is_read(&self, ms: u64) -> bool {
        u64::from(self.passed) * 20 <= ms * 8
    }

    /// Whether a packet of this level is talk; noise is what is left of the sound in its pauses.
    fn is_talk(&mut self, level: u16, len: usize) -> bool {
        self.loudest = self.loudest.max(level);
        let talk = level > LEVEL_MIN + self.noise + self.noise / 4;
        self.noise = if level < self.noise {
            self.noise - (self.noise - level).div_ceil(4)
        } else {
            (self.noise + (len as u16 / RISE).max(1)).min(level).min(NOISE_MAX)
        };
        talk
    }
}

/// How loud a packet is: the mean of its codes without their signs. Codes are logarithms, so that no click makes a packet loud.
fn level(law: G711, sound: &[u8]) -> u16 {
    let inverted = match law {
        G711::A => 0x55,
        G711::Mu => 0x7F,
    };
    let part = |codes: &[u8]| codes.iter().map(|code| u16::from((code ^ inverted) & 0x7F)).sum::<u16>();
    let sum: u32 = sound.chunks(256).map(|codes| u32::from(part(codes))).sum();
    (16 * sum).checked_div(sound.len() as u32).unwrap_or_default() as u16
}

/// Two legs' talk added up, from when they hear each other until they do no more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Talking {
    pub(crate) call: CallId,
    pub(crate) partner: LegId,
    /// All before is counted; `None` while it does not run, as one is on hold.
    marked: Option<Time>,
    whole: Duration,
    caller: Duration,
    other: Duration,
    both: Duration,
}

impl Talking {
    pub(crate) fn new(call: CallId, partner: LegId) -> Talking {
        let zero = Duration::ZERO;
        Talking { call, partner, marked: None, whole: zero, caller: zero, other: zero, both: zero }
    }

    pub(crate) fn runs(&self) -> bool {
        self.marked.is_some()
    }

    pub(crate) fn begin(&mut self, now: Time) {
        self.marked = Some(now);
    }

    /// Adds the last stretch of each up, and stops.
    pub(crate) fn pause(&mut self, now: Time, last: [Option<Spurt>; 2]) {
        self.settle(now, last);
        self.marked = None;
    }

    /// A new stretch begins: what was before it, and the pause that is needed between, does not change any more.
    pub(crate) fn renew(&mut self, spurt: Spurt, last: [Option<Spurt>; 2]) {
        self.settle(spurt.since - PAUSE, last);
    }

    fn settle(&mut self, until: Time, last: [Option<Spurt>; 2]) {
        let Some(marked) = self.marked.filter(|marked| *marked < until) else { return };
        let within = |spurt: Option<Spurt>| {
            spurt.map_or((until, until), |spurt| {
                (spurt.since.max(marked).min(until), spurt.until.max(marked).min(until))
            })
        };
        let [caller, other] = last.map(within);
        self.whole += until.since(marked);
        self.caller += caller.1.since(caller.0);
        self.other += other.1.since(other.0);
        self.both += caller.1.min(other.1).since(caller.0.max(other.0));
        self.marked = Some(until);
    }

    /// What was added up; `None` when they never heard each other.
    pub(crate) fn talk(&self) -> Option<Talk> {
        let silence = (self.whole + self.both).saturating_sub(self.caller + self.other);
        let [caller_ms, partner_ms, both_ms, silence_ms] =
            [self.caller, self.other, self.both, silence].map(|span| span.as_millis() as u64);
        // Of what was rounded, the parts are to fit the whole.
        let ms = caller_ms + partner_ms + silence_ms - both_ms;
        (ms > 0).then_some(Talk { ms, caller_ms, partner_ms, both_ms, silence_ms })
    }
}
