//! Packets to sound: RTP, RTCP, telephone-event, G.711, prompts and the relay, as one machine without a clock or socket.

mod anchor;
pub mod comfort;
mod command;
pub mod conceal;
pub mod dtmf;
pub mod fax;
mod fork;
pub mod g711;
pub mod g722;
mod handshake;
mod heard;
mod hearing;
mod ice;
mod incoming;
pub mod jitter;
pub mod keypad;
mod latch;
mod lateness;
mod leg;
mod line;
mod master;
mod mix;
#[cfg(feature = "opus")]
pub mod ogg;
#[cfg(feature = "opus")]
mod opus;
mod outbox;
mod outgoing;
mod play;
mod program;
mod prompt;
mod quality;
mod reel;
pub mod report;
mod resample;
pub mod rtcp;
pub mod rtp;
pub mod sealed;
mod signal;
mod speech;
mod srtp;
mod talk;
mod tape;
mod timeline;
pub mod tone;
mod watch;
pub mod wav;
mod wide;
mod worker;

pub use command::{Command, Event, Filed};
pub use handshake::Shake;
pub use incoming::{Arrival, Incoming};
pub use latch::Latch;
pub use master::mastered;
pub use outbox::Transmit;
pub use program::NOWHERE;
pub use prompt::{Library, PROMPTS_MAX};
pub use quality::Quality;
pub use signal::{COUNTRIES, Country};
pub use tape::{Limits, Live, TapeEnd, Taped, Track};
pub use timeline::Timeline;
pub use wav::{PROMPT_BYTES_MAX, WavError};
pub use worker::{Config, Counters, LEGS_MAX, Moved, Snapshot, Worker};

/// Samples per second of every codec here.
pub const SAMPLE_RATE: u32 = 8000;

/// Samples in `span`, rounded down.
pub(crate) fn samples(span: std::time::Duration) -> u32 {
    (span.as_micros() as u64 / 125) as u32
}
