//! What control asks of a media worker, and what the worker tells it. Plain values: they may cross a process boundary.

use busyhour_model::{Audio, LegId, PlayId, Side, Sound, StreamStats};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Control -> worker. A leg hears its running play if there is one, else its bridge partner, else nothing.
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
    /// No RTP or RTCP came for the configured time on a leg that should receive; once until it comes again.
    Silent {
        /// The leg.
        leg: LegId,
    },
    /// The ports are free again.
    Closed {
        /// The leg.
        leg: LegId,
        /// What it carried.
        stats: StreamStats,
    },
}

impl Command {
    /// The leg that decides which worker gets this.
    pub fn leg(&self) -> LegId {
        match self {
            Command::Open { leg, .. }
            | Command::Connect { leg, .. }
            | Command::Play { leg, .. }
            | Command::Stop { leg }
            | Command::Bridge { a: leg, .. }
            | Command::Unbridge { leg }
            | Command::Close { leg } => *leg,
        }
    }
}
