//! A list of sounds being played, cut into frames.

use crate::Library;
use busyhour_model::{G711, PlayId, Sound, Time};
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
    /// Who is told of the end; `None`: a key of the partner's, whose end nobody waits for.
    pub(crate) play: Option<PlayId>,
    sounds: Vec<Sound>,
    /// Begins again when it is through, for ever.
    pub(crate) repeat: bool,
    /// Which sound, and how many of its samples are done.
    at: usize,
    done: usize,
    /// When the next frame is due; `None` before the leg is connected.
    pub(crate) next: Option<Time>,
    /// Those of the sounds that are not in the library.
    brought: Vec<Brought>,
}

/// A sound that somebody brings: a tape, or words.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Brought {
    wanted: Sound,
    sound: Supplied,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Supplied {
    /// Silence is heard until it comes.
    NotYet,
    Never,
    Sound(Arc<[u8]>),
}

impl Playing {
    pub(crate) fn new(play: PlayId, mut sounds: Vec<Sound>, repeat: bool) -> Playing {
        sounds.truncate(SOUNDS_MAX);
        let mut brought: Vec<Brought> = Vec::new();
        for sound in sounds.iter().filter(|sound| matches!(sound, Sound::Tape(_) | Sound::Spoken(_))) {
            if brought.iter().all(|one| one.wanted != *sound) {
                brought.push(Brought { wanted: sound.clone(), sound: Supplied::NotYet });
            }
        }
        Playing { play: Some(play), sounds, repeat, at: 0, done: 0, next: None, brought }
    }

    /// A key that the partner presses.
    pub(crate) fn key(digit: char) -> Playing {
        Playing { play: None, ..Playing::new(PlayId(0), vec![Sound::Key(digit)], false) }
    }

    /// Another key behind those of the partner's that are not through; false for a play that is none.
    pub(crate) fn add_key(&mut self, digit: char) -> bool {
        let fits = self.play.is_none() && self.sounds.len() < SOUNDS_MAX;
        self.sounds.extend(fits.then_some(Sound::Key(digit)));
        self.play.is_none()
    }

    /// Whether a key is what comes next.
    pub(crate) fn is_key(&self) -> bool {
        matches!(self.sounds.get(self.at), Some(Sound::Key(_)))
    }

    /// What somebody has to bring.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &Sound> + '_ {
        self.brought.iter().map(|one| &one.wanted)
    }

    /// Takes what was brought; `None`: it is not to be had.
    pub(crate) fn supply(&mut self, wanted: &Sound, sound: Option<Arc<[u8]>>) {
        if let Some(one) = self.brought.iter_mut().find(|one| one.wanted == *wanted) {
            one.sound = sound.map_or(Supplied::Never, Supplied::Sound);
        }
    }

    /// The next samples in `law`, silence behind the last. A key is a frame of its own where `events` are agreed on.
    pub(crate) fn fill(&mut self, library: &Library, law: G711, events: bool, frame: &mut [u8]) -> Frame {
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
            let Some(copied) = copy(library, &self.brought, sound, self.done, law, &mut frame[filled..]) else {
                frame[filled..].fill(g711::silence(law));
                return Frame::Sound;
            };
            filled += copied;
            self.done += copied;
            empty = if copied > 0 { 0 } else { empty + 1 };
            if filled < frame.len() {
                (self.at, self.done) = (self.at + 1, 0);
            }
        }
        frame[filled..].fill(g711::silence(law));
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

/// Copies samples of a sound from `done` on; how many, or `None` while it is still to come.
fn copy(
    library: &Library,
    brought: &[Brought],
    sound: &Sound,
    done: usize,
    law: G711,
    frame: &mut [u8],
) -> Option<usize> {
    let sound = match sound {
        Sound::Silence(ms) => {
            let len = (*ms as usize * 8).saturating_sub(done).min(frame.len());
            frame[..len].fill(g711::silence(law));
            return Some(len);
        }
        Sound::Prompt { language, id } => library.find(language, id),
        Sound::Key(digit) => library.find("", &dtmf::tone_id(*digit)),
        wanted => match &brought.iter().find(|one| one.wanted == *wanted)?.sound {
            Supplied::NotYet => return None,
            Supplied::Never => None,
            Supplied::Sound(sound) => Some(sound),
        },
    };
    let samples = sound.and_then(|samples| samples.get(done..)).unwrap_or_default();
    let len = samples.len().min(frame.len());
    match g711::transcoder(G711::A, law) {
        Some(table) => frame.iter_mut().zip(samples).for_each(|(to, from)| *to = table[*from as usize]),
        None => frame[..len].copy_from_slice(&samples[..len]),
    }
    Some(len)
}
