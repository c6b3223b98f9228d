//! What a program says: sound that waits to be heard, and marks in it.

use crate::g711;
use busyhour_model::{ForkId, G711, Name};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Samples that wait; what comes beyond is left out: 30 s.
pub(crate) const WAITING_MAX: usize = 30 * 8000;
/// Marks that wait; the first is given back unheard for one more.
pub(crate) const MARKS_MAX: usize = 64;
/// After a silence sound waits so long for more, so that a network that hesitates does not chop it: 40 ms.
const RUN_UP: usize = 320;

/// One program's speech.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Speech {
    pub(crate) fork: ForkId,
    sound: VecDeque<i16>,
    /// Silence to be heard before it.
    run_up: usize,
    /// Samples that are through.
    heard: u64,
    /// Behind which sample each is.
    marks: VecDeque<(u64, Name)>,
}

impl Speech {
    pub(crate) fn new(fork: ForkId) -> Speech {
        Speech { fork, sound: VecDeque::new(), run_up: 0, heard: 0, marks: VecDeque::new() }
    }

    /// Adds sound; how many samples there is no room for.
    pub(crate) fn say(&mut self, sound: &[i16]) -> usize {
        if self.sound.is_empty() && self.run_up == 0 {
            self.run_up = RUN_UP;
        }
        let fits = sound.len().min(WAITING_MAX - self.sound.len());
        self.sound.extend(&sound[..fits]);
        sound.len() - fits
    }

    /// Notes where the sound so far ends; a mark that is given up for it.
    pub(crate) fn mark(&mut self, name: Name) -> Option<Name> {
        let oldest = if self.marks.len() < MARKS_MAX { None } else { self.marks.pop_front() };
        self.marks.push_back((self.heard + self.sound.len() as u64, name));
        oldest.map(|(_, name)| name)
    }

    /// Says nothing of what waits; its marks are reached.
    pub(crate) fn hush(&mut self) {
        self.heard += self.sound.len() as u64;
        self.sound.clear();
        self.run_up = 0;
    }

    /// The next samples, silence where there are none.
    pub(crate) fn fill(&mut self, law: G711, frame: &mut [u8]) {
        let silent = self.run_up.min(frame.len());
        self.run_up -= silent;
        frame.fill(g711::silence(law));
        let spoken = self.sound.len().min(frame.len() - silent);
        for (code, sample) in frame[silent..].iter_mut().zip(self.sound.drain(..spoken)) {
            *code = g711::encode(law, sample);
        }
        self.heard += spoken as u64;
    }

    /// The next mark that is reached.
    pub(crate) fn reached(&mut self) -> Option<Name> {
        self.marks.pop_front_if(|(at, _)| *at <= self.heard).map(|(_, name)| name)
    }
}
