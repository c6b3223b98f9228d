//! One leg's sound on its way to a tape: packets put in their places by their timestamps, handed out by the second.

use crate::anchor::{Anchor, LATE_MAX};
use crate::heard::{Heard, Kind};
use crate::timeline::Timeline;
use crate::{Event, Limits, TapeEnd, Taped, Track, g711, keypad, samples};
use busyhour_model::{G711, LegId, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::Duration;

/// Tapes that one leg is recorded on at once: its call's and its own.
const TAPES_MAX: usize = 2;
/// Sound is handed out this often.
const BLOCK: Duration = Duration::from_secs(1);
/// What comes later than this after its turn is lost: reordered packets and late ones are put right until then.
const WINDOW: u64 = 1600;
/// As much as is ever kept: what is handed out, what may still be late, and two long packets.
const ROOM: usize = 8000 + WINDOW as usize + 960;
/// What is left of the silence that ended a recording: half a second.
const TAIL: u64 = 4000;
/// Mean square of a packet of -42 dBm0: what is louder is a voice.
const LOUD: i64 = 16_438;

/// All tapes one leg is recorded on.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reels(Vec<Reel>);

/// Where what was recorded goes.
pub(crate) struct Out<'a> {
    pub(crate) taped: &'a mut VecDeque<Taped>,
    pub(crate) events: &'a mut VecDeque<Event>,
}

/// One tape's track of a leg.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reel {
    leg: LegId,
    tape: TapeId,
    track: Track,
    limits: Limits,
    /// The first sample of this track.
    first: u64,
    timeline: Timeline,
    anchor: Anchor,
    /// Behind the last packet that was loud.
    loud: u64,
    /// The end of the last key, which is not to be heard.
    muted: i64,
    /// What is said is left out.
    paused: bool,
    hand_out: Time,
}

impl Reels {
    pub(crate) fn begin(&mut self, reel: Reel, out: &mut Out<'_>) {
        let Reel { leg, tape, .. } = reel;
        if self.0.len() >= TAPES_MAX || self.0.iter().any(|reel| reel.tape == tape) {
            out.events.push_back(Event::TapeEnded { leg, tape, end: TapeEnd::Failed, ms: 0, voice_ms: 0 });
        } else {
            // Who joins is waited for from now on: else the others' sound would be written without it.
            if let track @ Track::Beside(_) = reel.track {
                let at = reel.first;
                out.taped.push_back(Taped::Sound { tape, track, at, sound: Vec::new() });
            }
            self.0.push(reel);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a packet that was accepted, and ends the tapes that end at its key.
    pub(crate) fn hear(&mut self, now: Time, heard: &Heard<'_>, out: &mut Out<'_>) {
        for reel in &mut self.0 {
            reel.hear(now, heard);
        }
        if let Some(digit) = heard.digit {
            self.end(now, TapeEnd::Key(digit), out, |reel| reel.limits.keys.contains(digit));
        }
    }

    /// Leaves what is said out of a tape, or puts it in again.
    pub(crate) fn pause(&mut self, tape: TapeId, on: bool) {
        self.0.iter_mut().filter(|reel| reel.tape == tape).for_each(|reel| reel.paused = on);
    }

    /// Ends one tape.
    pub(crate) fn stop(&mut self, now: Time, tape: TapeId, out: &mut Out<'_>) {
        self.end(now, TapeEnd::Stopped, out, |reel| reel.tape == tape);
    }

    /// Ends them all: the leg is closed.
    pub(crate) fn close(&mut self, now: Time, out: &mut Out<'_>) {
        self.end(now, TapeEnd::Closed, out, |_| true);
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, out: &mut Out<'_>) {
        self.end(now, TapeEnd::Longest, out, |reel| reel.longest_at().is_some_and(|at| at <= now));
        self.end(now, TapeEnd::Silence, out, |reel| reel.silent_at().is_some_and(|at| at <= now));
        for reel in self.0.iter_mut().filter(|reel| reel.hand_out <= now) {
            reel.hand_out(now, out.taped);
        }
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.0.iter().flat_map(|reel| [Some(reel.hand_out), reel.longest_at(), reel.silent_at()]).flatten().min()
    }

    fn end(&mut self, now: Time, end: TapeEnd, out: &mut Out<'_>, which: impl Fn(&Reel) -> bool) {
        let mut index = 0;
        while let Some(reel) = self.0.get(index) {
            if which(reel) {
                self.0.remove(index).end(now, end, out);
            } else {
                index += 1;
            }
        }
    }
}

impl Reel {
    pub(crate) fn new(now: Time, leg: LegId, tape: TapeId, track: Track, since: Time, limits: Limits) -> Reel {
        let anchor = Anchor::new(since);
        let first = anchor.position(now);
        let (timeline, hand_out) = (Timeline::new(first, ROOM), now + BLOCK);
        let (loud, muted, paused) = (first, 0, false);
        Reel { leg, tape, track, limits, first, timeline, anchor, loud, muted, paused, hand_out }
    }

    fn hear(&mut self, now: Time, heard: &Heard<'_>) {
        match heard.kind {
            _ if self.paused => {}
            Kind::Speech(law) => self.speech(now, heard, law),
            Kind::Event => self.mute(now, heard),
            Kind::Undecoded | Kind::Comfort | Kind::Other => {}
        }
    }

    fn speech(&mut self, now: Time, heard: &Heard<'_>, law: G711) {
        let at = self.anchor.place(now, &heard.origin, heard.payload.len() as i64);
        let len = heard.payload.len();
        if heard.toned {
            let sounded = if heard.digit.is_some() { keypad::TOLD_AFTER } else { 0 };
            self.silence(at - sounded as i64, sounded);
            self.muted = self.muted.max(at + len as i64);
        }
        let key = ((self.muted - at).max(0) as usize).min(len);
        let spoken = &heard.payload[key..];
        if is_loud(law, spoken) {
            self.loud = self.loud.max((at + len as i64).max(0) as u64);
        }
        match g711::transcoder(law, G711::A) {
            Some(table) => self.timeline.put(at + key as i64, spoken.iter().map(|code| table[*code as usize])),
            None => self.timeline.put(at + key as i64, spoken.iter().copied()),
        }
    }

    /// A key is silence on the tape, also where the sender has its sound in its speech as well.
    fn mute(&mut self, now: Time, heard: &Heard<'_>) {
        let [_, _, high, low, ..] = *heard.payload else { return };
        let held = i64::from(u16::from_be_bytes([high, low])).min(LATE_MAX);
        let at = self.anchor.place(now, &heard.origin, held);
        self.muted = self.muted.max(at + held);
        self.silence(at, held as usize);
    }

    fn silence(&mut self, at: i64, len: usize) {
        self.timeline.put(at, std::iter::repeat_n(g711::silence(G711::A), len));
    }

    /// Hands out what can no longer change.
    fn hand_out(&mut self, now: Time, taped: &mut VecDeque<Taped>) {
        self.hand_out = now + BLOCK;
        let ripe = self.anchor.position(now).saturating_sub(WINDOW);
        self.timeline.reach(ripe);
        self.give(ripe, taped);
        self.anchor.step();
    }

    fn give(&mut self, until: u64, taped: &mut VecDeque<Taped>) {
        let at = self.timeline.base();
        let sound = self.timeline.take(until);
        if !sound.is_empty() {
            taped.push_back(Taped::Sound { tape: self.tape, track: self.track, at, sound });
        }
    }

    fn end(mut self, now: Time, end: TapeEnd, out: &mut Out<'_>) {
        let came = self.anchor.position(now);
        let until = match end {
            TapeEnd::Longest => self.first + self.limits.longest.map_or(0, samples_of),
            TapeEnd::Silence => self.loud + TAIL,
            _ => came,
        };
        let until = until.min(came);
        self.timeline.reach(until);
        self.timeline.cut(until);
        self.give(until, out.taped);
        let (leg, tape, track) = (self.leg, self.tape, self.track);
        out.taped.push_back(Taped::End { leg, tape, track, at: until });
        let [ms, voice_ms] = [until, self.loud.min(until)].map(|at| (at - self.first) / 8);
        out.events.push_back(Event::TapeEnded { leg, tape, end, ms, voice_ms });
    }

    fn longest_at(&self) -> Option<Time> {
        self.limits.longest.map(|longest| self.anchor.at(self.first) + longest)
    }

    /// When silence will have lasted too long, for all that is known; late packets are waited for.
    fn silent_at(&self) -> Option<Time> {
        self.limits.silence.map(|silence| self.anchor.at(self.loud + WINDOW) + silence)
    }
}

fn samples_of(span: Duration) -> u64 {
    u64::from(samples(span))
}

fn is_loud(law: G711, sound: &[u8]) -> bool {
    let power: i64 = sound.iter().map(|code| i64::from(g711::decode(law, *code)).pow(2)).sum();
    power > LOUD * sound.len() as i64
}
