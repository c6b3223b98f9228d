//! The words of recording: what ends a tape, its tracks, and what a worker hands out of it.

use crate::Shake;
use busyhour_model::{ForkId, LegId, Name, Sound, TapeId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a recording ends by itself. The default: never.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// After so long.
    pub longest: Option<Duration>,
    /// When nothing louder than -42 dBm0 came for so long.
    pub silence: Option<Duration>,
    /// At any of these keys.
    pub keys: String,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapeEnd {
    /// It was as long as it may be.
    Longest,
    /// Nobody spoke any more.
    Silence,
    /// A key was pressed.
    Key(char),
    /// `StopRecord`.
    Stopped,
    /// The leg was closed.
    Closed,
    /// It never began: no such leg, or too many tapes on it.
    Failed,
}

/// Where on a tape the sound of a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// The only one.
    Mono,
    /// The left of two. The tape ends with it.
    Left,
    /// The right of two; legs may follow one another on it.
    Right,
    /// The right of two as well: one of several legs that are heard there together.
    Beside(u8),
}

impl Track {
    /// The tape does not end with it.
    pub fn is_right(self) -> bool {
        matches!(self, Track::Right | Track::Beside(_))
    }
}

/// What a worker hands out for tapes, for programs that listen and for handshakes: the way outside, which never waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Taped {
    /// The next A-law samples of a track, without a hole to those before.
    Sound {
        /// The tape.
        tape: TapeId,
        /// The track.
        track: Track,
        /// The first sample's place, in 1/8000 s since the tape began.
        at: u64,
        /// A second, less at the end.
        sound: Vec<u8>,
    },
    /// A track has ended; what was handed out beyond is to be cut off.
    End {
        /// Whose sound it was.
        leg: LegId,
        /// The tape.
        tape: TapeId,
        /// The track.
        track: Track,
        /// Behind the last sample.
        at: u64,
    },
    /// A leg is to hear a tape or words: answer by `Command::Supply`, always, once.
    Wanted {
        /// The leg.
        leg: LegId,
        /// `Sound::Tape` or `Sound::Spoken`.
        sound: Sound,
    },
    /// For a program that hears a leg.
    Live {
        /// Which.
        fork: ForkId,
        /// What.
        live: Live,
    },
    /// For whoever shakes hands.
    Shake {
        /// At which leg.
        leg: LegId,
        /// Which of its handshakes.
        attempt: u32,
        /// What.
        shake: Shake,
    },
}

/// What a program that hears a leg is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Live {
    /// What the leg's peer has said: the next 20 ms at 8 kHz.
    Heard {
        /// Which side of the conversation that is.
        track: Track,
        /// The first sample's place since the program began to listen; a hole to those before was lost.
        at: u64,
        /// Linear.
        sound: Vec<i16>,
    },
    /// All that the program said before this mark was heard, or never will be.
    Reached(Name),
    /// There was no room for so many samples of what it said.
    Unsaid(usize),
}
