//! What control asks of a media worker, and what the worker tells it. Plain values: they may cross a process boundary.

use crate::{Limits, TapeEnd, Track};
use busyhour_model::{
    Audio, CallId, Deafness, FaxTone, ForkId, LegId, Name, PlayId, Side, Sound, Srtp, StreamStats, Talk, TapeId, Time,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// Control -> worker. A leg hears its running play, else its bridge partner, else nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Bind `local` for RTP and `local.port() + 1` for RTCP. `Event::Failed` when that cannot be done.
    Open {
        /// A new leg.
        leg: LegId,
        /// Our RTP address; the port is even.
        local: SocketAddr,
        /// Which side it faces, for metrics.
        side: Side,
    },
    /// Open a leg whose peer is a program, without ports: what that says is heard as if a phone had sent it, and what a phone would
    /// be sent is handed out as `Taped::Live`, as the left side, each 20 ms from `Connect` on, which names no address. Prompts it is
    /// not told of; while its partner hears one, what it says waits.
    Program {
        /// A new leg.
        leg: LegId,
        /// Which side it faces, for metrics.
        side: Side,
        /// The program.
        fork: ForkId,
    },
    /// Send to and understand this peer from now on; also after re-negotiation.
    Connect {
        /// The leg.
        leg: LegId,
        /// What was negotiated.
        audio: Audio,
    },
    /// Play these, replacing what is being played. `Event::PlayEnded` once all were sent; never when replaced, stopped or `repeat`.
    Play {
        /// The leg.
        leg: LegId,
        /// Given back in `PlayEnded`.
        play: PlayId,
        /// In this order.
        sounds: Vec<Sound>,
        /// Start over at the end, for ever.
        repeat: bool,
    },
    /// Stop what is being played.
    Stop {
        /// The leg.
        leg: LegId,
    },
    /// Let two legs hear each other.
    Bridge {
        /// One.
        a: LegId,
        /// The other.
        b: LegId,
    },
    /// End the bridge this leg is in, for both.
    Unbridge {
        /// Either.
        leg: LegId,
    },
    /// Measure who talks, and whether both are heard, until their bridge ends: then `Event::Talked`.
    Measure {
        /// Given back.
        call: CallId,
        /// The caller's leg, bridged.
        caller: LegId,
        /// Its partner in the bridge.
        partner: LegId,
    },
    /// Let a leg hear these together, instead of its bridge partner, from now on; none: its partner again. What they say to each other by
    /// bridges is not touched.
    Hear {
        /// The leg.
        leg: LegId,
        /// Whom, at most 16 of the same worker.
        from: Vec<LegId>,
    },
    /// Record what this leg's peer says from now on. Answered by `Event::TapeEnded`, always, once.
    Record {
        /// The leg.
        leg: LegId,
        /// A new tape, or one that other legs are recorded on as well.
        tape: TapeId,
        /// Where on the tape.
        track: Track,
        /// When the tape began: the same for all its legs.
        since: Time,
        /// What ends it.
        limits: Limits,
    },
    /// Leave what is said out of a recording, or put it in again; the time runs on.
    PauseRecord {
        /// The leg.
        leg: LegId,
        /// The tape.
        tape: TapeId,
        /// Leave it out.
        on: bool,
    },
    /// End a recording.
    StopRecord {
        /// The leg.
        leg: LegId,
        /// The tape.
        tape: TapeId,
    },
    /// Hand out what this leg's peer says from now on, as `Taped::Live`.
    Fork {
        /// The leg.
        leg: LegId,
        /// A new fork, or one that hears other legs as well.
        fork: ForkId,
        /// Which side of the conversation this is.
        track: Track,
    },
    /// What the program says next; left out when the leg is not its own.
    Say {
        /// Its leg.
        leg: LegId,
        /// Who speaks.
        fork: ForkId,
        /// At 8 kHz, linear; what is too far ahead of being heard is left out and told as `Live::Unsaid`.
        sound: Vec<i16>,
        /// Told as `Live::Reached` once all of it was heard.
        mark: Option<Name>,
    },
    /// What the program has said and was not heard yet, is not to be.
    Hush {
        /// The leg.
        leg: LegId,
        /// Who speaks.
        fork: ForkId,
    },
    /// Hand out no more of this leg to a program.
    Unfork {
        /// The leg.
        leg: LegId,
        /// The fork.
        fork: ForkId,
    },
    /// The answer to `Taped::Wanted`.
    Supply {
        /// The leg.
        leg: LegId,
        /// What was wanted.
        wanted: Sound,
        /// A-law; `None`: it is not to be had.
        sound: Option<Arc<[u8]>>,
    },
    /// A datagram of a handshake, for the leg's peer.
    Shake {
        /// The leg.
        leg: LegId,
        /// Which of its handshakes; one that is over is sent no more.
        attempt: u32,
        /// The datagram.
        datagram: Vec<u8>,
    },
    /// How a handshake has ended: sound goes by these keys from now on, or never will.
    Key {
        /// The leg.
        leg: LegId,
        /// Which of its handshakes.
        attempt: u32,
        /// The keys, or why there are none: then `Event::Unheard`.
        keys: Result<Srtp, Deafness>,
    },
    /// Release the leg's ports. Answered by `Event::Closed`, always, once.
    Close {
        /// The leg.
        leg: LegId,
    },
}

/// Worker -> control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The ports could not be bound. `Close` is still to be sent.
    Failed {
        /// The leg.
        leg: LegId,
        /// The system's words.
        detail: String,
    },
    /// A key was pressed (RFC 4733); once per press, however many packets said so.
    Digit {
        /// The leg.
        leg: LegId,
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
    },
    /// All of a `Play` was sent.
    PlayEnded {
        /// The leg.
        leg: LegId,
        /// Which play.
        play: PlayId,
    },
    /// A recording has ended; its file is still being written.
    TapeEnded {
        /// The leg.
        leg: LegId,
        /// The tape.
        tape: TapeId,
        /// Why.
        end: TapeEnd,
        /// How long it is, in milliseconds.
        ms: u64,
        /// How long it is without the silence at its end; zero: nobody spoke.
        voice_ms: u64,
    },
    /// A tape's file is complete. Said by who writes files, after `TapeEnded`, always, once.
    Filed {
        /// The leg that was recorded; of two tracks, the left.
        leg: LegId,
        /// The tape.
        tape: TapeId,
        /// The file; `None`: it could not be written.
        file: Option<Filed>,
    },
    /// No RTP or RTCP came for the configured time on a leg that should receive; once until it comes again.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// A bridge that was measured has ended.
    Talked {
        /// Given with `Measure`.
        call: CallId,
        /// The caller's partner.
        partner: LegId,
        /// Who talked how long.
        talk: Talk,
    },
    /// A fax machine or modem; once for a leg.
    Fax {
        /// The leg.
        leg: LegId,
        /// As what it is known.
        tone: FaxTone,
    },
    /// Nothing is heard of a leg that is measured, or will be of one that there are no keys for; once for a leg.
    Unheard {
        /// The leg.
        leg: LegId,
        /// Likely because.
        why: Deafness,
    },
    /// The ports are free again.
    Closed {
        /// The leg.
        leg: LegId,
        /// What it carried.
        stats: StreamStats,
    },
}

/// A recording's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Below the folder of recordings.
    pub file: Name,
    /// Milliseconds of sound.
    pub ms: u64,
    /// Of them silence because the disk was too slow.
    pub gap_ms: u64,
    /// SHA-256 of the whole file, in hexadecimal digits.
    pub sha256: Name,
}

impl Command {
    /// The leg that decides which worker gets this.
    pub fn leg(&self) -> LegId {
        match self {
            Command::Open { leg, .. }
            | Command::Program { leg, .. }
            | Command::Connect { leg, .. }
            | Command::Play { leg, .. }
            | Command::Stop { leg }
            | Command::Bridge { a: leg, .. }
            | Command::Unbridge { leg }
            | Command::Measure { caller: leg, .. }
            | Command::Hear { leg, .. }
            | Command::Record { leg, .. }
            | Command::PauseRecord { leg, .. }
            | Command::StopRecord { leg, .. }
            | Command::Fork { leg, .. }
            | Command::Say { leg, .. }
            | Command::Hush { leg, .. }
            | Command::Unfork { leg, .. }
            | Command::Supply { leg, .. }
            | Command::Shake { leg, .. }
            | Command::Key { leg, .. }
            | Command::Close { leg } => *leg,
        }
    }
}
