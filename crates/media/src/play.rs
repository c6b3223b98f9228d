//! A list of sounds being played, cut into frames.

use crate::Library;
use busyhour_model::{Codec, PlayId, Sound, TapeId, Time};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

use crate::{dtmf, g711};

/// Sounds of one play; more are left out and counted.
pub(crate) const SOUNDS_MAX: usize = 256;

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The samples.
    Sound,
    /// A key, pressed for so many samples by the end of the frame; the first frame of it, the last.
    Key { digit: char, held: u16, first: bool, last: bool },
    /// Nothing: that was all.
    End,
}

/// Where a play stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Playing {
    pub(crate) play: PlayId,
    sounds: Vec<Sound>,
    /// Begins again when it is through, for ever.
    pub(crate) repeat: bool,
    /// Which sound, and how many of its samples are done.
    at: usize,
    done: usize,
    /// When the next frame is due; `None` before the leg is connected and while a tape is still to come.
    pub(crate) next: Option<Time>,
    /// The tapes among the sounds, once they came.
    tapes: Vec<(TapeId, Option<Arc<[u8]>>)>,
    /// How many are still to come.
    missing: usize,
}

impl Playing {
    pub(crate) fn new(play: PlayId, mut sounds: Vec<Sound>, repeat: bool) -> Playing {
        sounds.truncate(SOUNDS_MAX);
        let mut tapes = Vec::new();
        for sound in &sounds {
            if let Sound::Tape(tape) = sound
                && !tapes.contains(&(*tape, None))
            {
                tapes.push((*tape, None));
            }
        }
        let missing = tapes.len();
        Playing { play, sounds, repeat, at: 0, done: 0, next: None, tapes, missing }
    }

    /// The tapes that must come before it can begin.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = TapeId> + '_ {
        self.tapes.iter().filter(|_| self.missing > 0).map(|(tape, _)| *tape)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Takes a tape; whether it was the last one missing.
    pub(crate) fn supply(&mut self, tape: TapeId, sound: Option<Arc<[u8]>>) -> bool {
        let Some(place) = self.tapes.iter_mut().find(|(wanted, _)| *wanted == tape) else { return false };
        place.1 = sound;
        self.missing = self.missing.saturating_sub(1);
        self.missing == 0
    }

    /// The next samples in `codec`, silence behind the last. A key is a frame of its own where `events` are agreed on.
    pub(crate) fn fill(&mut self, library: &Library, codec: Codec, events: bool, frame: &mut [u8]) -> Frame {
        let mut filled = 0;
        // A repeated list without any sound in it would go round for ever.
        let mut empty = 0;
        while filled < frame.len() && empty <= self.sounds.len() {
            let Some(sound) = self.sounds.get(self.at) else {
                if !self.repeat || self.sounds.is_empty() {
                    break;
                }
                self.at = 0;
                continue;
            };
            if let Sound::Key(digit) = *sound
                && events
                && self.done < dtmf::PRESSED
            {
                if filled > 0 {
                    break;
                }
                return self.press(digit, frame.len());
            }
            let copied = copy(library, &self.tapes, sound, self.done, codec, &mut frame[filled..]);
            filled += copied;
            self.done += copied;
            empty = if copied > 0 { 0 } else { empty + 1 };
            if filled < frame.len() {
                (self.at, self.done) = (self.at + 1, 0);
            }
        }
        frame[filled..].fill(g711::silence(codec));
        if filled > 0 { Frame::Sound } else { Frame::End }
    }

    fn press(&mut self, digit: char, samples: usize) -> Frame {
        let first = self.done == 0;
        self.done += samples;
        let held = self.done.min(dtmf::PRESSED) as u16;
        Frame::Key { digit, held, first, last: self.done >= dtmf::PRESSED }
    }

    /// Puts the clock right after a frame; a worker that slept too long goes on from now instead of hurrying.
    pub(crate) fn advance(&mut self, now: Time, due: Time, frame: Duration, lag_max: Duration) {
        self.next = Some(if now.since(due) > lag_max { now + frame } else { due + frame });
    }
}

/// Copies samples of a sound from `done` on; how many.
fn copy(
    library: &Library,
    tapes: &[(TapeId, Option<Arc<[u8]>>)],
    sound: &Sound,
    done: usize,
    codec: Codec,
    frame: &mut [u8],
) -> usize {
    let sound = match sound {
        Sound::Silence(ms) => {
            let len = (*ms as usize * 8).saturating_sub(done).min(frame.len());
            frame[..len].fill(g711::silence(codec));
            return len;
        }
        Sound::Prompt { language, id } => library.find(language, id),
        Sound::Key(digit) => library.find("", &dtmf::tone_id(*digit)),
        Sound::Tape(tape) => tapes.iter().find(|(id, _)| id == tape).and_then(|(_, sound)| sound.as_ref()),
    };
    let samples = sound.and_then(|samples| samples.get(done..)).unwrap_or_default();
    let len = samples.len().min(frame.len());
    match g711::transcoder(Codec::Pcma, codec) {
        Some(table) => frame.iter_mut().zip(samples).for_each(|(to, from)| *to = table[*from as usize]),
        None => frame[..len].copy_from_slice(&samples[..len]),
    }
    len
}
