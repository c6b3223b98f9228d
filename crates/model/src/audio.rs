//! The vocabulary of sound that signalling, media and dialplans share.

use crate::{Keying, Name, TapeId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A speech codec both sides can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722 at 64 kbit/s: speech at 16 kHz.
    G722,
    /// G.729 at 8 kbit/s: passed on between two who speak it, never understood.
    G729,
    /// Opus (RFC 6716, 7587).
    #[cfg(feature = "opus")]
    Opus,
}

/// The two ways of G.711 to write a sample of 8 kHz as a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum G711 {
    /// A-law.
    A,
    /// µ-law.
    Mu,
}

impl Codec {
    /// All there are.
    pub const ALL: &[Codec] = &[
        Codec::Pcma,
        Codec::Pcmu,
        Codec::G722,
        Codec::G729,
        #[cfg(feature = "opus")]
        Codec::Opus,
    ];

    /// Its encoding name, clock and channels as descriptions write them, and its payload type (RFC 3551 section 6); from 96 on, that of
    /// our offers.
    pub fn assigned(self) -> (&'static str, u8) {
        match self {
            Codec::Pcma => ("PCMA/8000", 8),
            Codec::Pcmu => ("PCMU/8000", 0),
            Codec::G722 => ("G722/8000", 9),
            Codec::G729 => ("G729/8000", 18),
            #[cfg(feature = "opus")]
            Codec::Opus => ("opus/48000/2", 111),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let (name, _) = self.assigned();
        name.split_once('/').map_or(name, |(name, _)| name)
    }

    /// Whether we can tell what is said in it; what we cannot is only passed on.
    pub fn is_understood(self) -> bool {
        self != Codec::G729
    }

    /// What descriptions say of it besides (`a=fmtp`): G.729 without the frames of Annex B, so that both ends of a call agree on them
    /// (RFC 4856 section 2.1.9).
    pub fn parameters(self) -> Option<&'static str> {
        (self == Codec::G729).then_some("annexb=no")
    }

    /// Ticks of its clock in one of 8 kHz, by which we count.
    pub fn ticks(self) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 | Codec::G729 => 1,
            #[cfg(feature = "opus")]
            Codec::Opus => 6,
        }
    }

    /// Which of G.711, if it is.
    pub fn g711(self) -> Option<G711> {
        match self {
            Codec::Pcma => Some(G711::A),
            Codec::Pcmu => Some(G711::Mu),
            _ => None,
        }
    }
}

/// Which way sound flows, seen from the one who says it (RFC 4566 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only sending.
    SendOnly,
    /// Only receiving.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The same flow seen from the other end.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }

    /// Whether the speaker of this attribute sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the speaker of this attribute receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// How much louder sound is made on its way, in decibels of at most ±[`Gain::MAX`]; 0 changes no bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain {
    /// What the peer says.
    pub heard: i8,
    /// What it hears.
    pub sent: i8,
}

impl Gain {
    /// Four times as loud, or as soft.
    pub const MAX: i8 = 12;
}

/// One negotiated audio stream, as needed to send to a peer and understand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audio {
    /// Where the peer wants RTP; port 0 never occurs, an unspecified address (`0.0.0.0`, old-style hold) may.
    pub remote: SocketAddr,
    /// Where the peer wants RTCP (RFC 3605 or RTP port + 1).
    pub remote_rtcp: SocketAddr,
    /// The speech codec agreed on.
    pub codec: Codec,
    /// Its payload type, 0-127.
    pub payload_type: u8,
    /// Payload type of telephone-event (RFC 4733), when agreed on.
    pub telephone_event: Option<u8>,
    /// The peer's keys are to be heard in its sound, as tones.
    pub tones: bool,
    /// How much louder either way is made.
    pub gain: Gain,
    /// Milliseconds of speech per packet to send.
    pub ptime_ms: u8,
    /// Which way sound flows, seen from **us**.
    pub direction: Direction,
    /// The keys, or how to come to them, where it is kept secret.
    pub srtp: Option<Box<Keying>>,
}

impl Audio {
    /// Plain sound both ways in this codec, 20 ms in a packet, keys as telephone-events, RTCP at the port above; numbers as our offers
    /// have them.
    pub fn plain(remote: SocketAddr, codec: Codec) -> Audio {
        Audio {
            remote,
            remote_rtcp: SocketAddr::new(remote.ip(), remote.port().saturating_add(1)),
            codec,
            payload_type: codec.assigned().1,
            telephone_event: Some(101),
            tones: false,
            gain: Gain::default(),
            ptime_ms: 20,
            direction: Direction::SendRecv,
            srtp: None,
        }
    }
}

/// Which side of the switch a leg faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A carrier.
    Trunk,
    /// An agent's phone.
    Agent,
}

/// Bytes of a text that is spoken: a minute or so.
pub const WORDS_MAX: usize = 1_000;

/// A text in a language, to be spoken by a synthesizer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Words {
    /// `zh` or `en`.
    pub language: Name,
    /// One line of at most [`WORDS_MAX`] bytes.
    pub text: Name,
}

impl Words {
    /// What is too long is cut off; `None` when there is nothing to say.
    pub fn new(language: &Name, text: &str) -> Option<Words> {
        let blank = |c: char| c.is_control() || c.is_whitespace();
        let mut line = String::with_capacity(text.len().min(WORDS_MAX));
        for character in text.trim_matches(blank).chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if line.len() + character.len_utf8() > WORDS_MAX {
                break;
            }
            line.push(character);
        }
        (!line.is_empty()).then(|| Words { language: language.clone(), text: line.into() })
    }
}

/// One thing to play.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sound {
    /// A prompt file by language and id: `zh` + `ivr/welcome`. `system/…` ids have no language and are synthesised.
    Prompt {
        /// `zh` or `en`.
        language: Name,
        /// The id in `prompts.tsv`.
        id: Name,
    },
    /// Silence of so many milliseconds.
    Silence(u32),
    /// A key of a telephone, pressed for 100 ms and followed by as long a pause: RFC 4733 where agreed on, else its two tones.
    Key(char),
    /// What was recorded; nothing when it is not to be had.
    Tape(TapeId),
    /// What a synthesizer says; nothing when it is not to be had.
    Spoken(Words),
}

/// What one RTP stream pair of a leg carried, for records and metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStats {
    /// RTP packets received and accepted.
    pub packets_in: u64,
    /// RTP packets sent.
    pub packets_out: u64,
    /// Packets missing from the received sequence (RFC 3550 A.3); duplicates do not make it negative.
    pub lost_in: u64,
    /// Interarrival jitter of the received stream in microseconds (RFC 3550 A.8).
    pub jitter_us: u32,
    /// Packets refused: wrong source, malformed, unknown payload type.
    pub refused_in: u64,
    /// Round-trip time from RTCP in microseconds, when measured.
    pub rtt_us: Option<u32>,
    /// Of the packets sent, those the peer says it missed (RTCP); `None`: it said nothing of them.
    #[serde(default)]
    pub lost_out: Option<u32>,
    /// Interarrival jitter in microseconds of what we sent, as the peer says.
    #[serde(default)]
    pub jitter_out_us: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_line_of_a_bounded_length() {
        let text = |text: &str| Words::new(&"zh".into(), text).map(|words| words.text.to_string());
        assert_eq!(text(" 您好，\n张三\u{0} "), Some("您好， 张三".into()));
        assert_eq!(text(" \t"), None);
        let long = text(&"好".repeat(1_000)).unwrap_or_default();
        assert_eq!((long.len(), long.chars().all(|c| c == '好')), (999, true), "no half a character");
    }
}
