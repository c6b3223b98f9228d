//! What is heard on legs: who talks, fax machines, and nothing at all.

use crate::{CallId, LegId, Party, Side};
use serde::{Deserialize, Serialize};

/// Who talked how long while two parties heard each other, in milliseconds. Pauses of up to 200 ms belong to the talk around them (ITU-T P.59).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// They heard each other for so long; without holds.
    pub ms: u64,
    /// The caller talked.
    pub caller_ms: u64,
    /// The caller's partner talked.
    pub partner_ms: u64,
    /// Of both: at once.
    pub both_ms: u64,
    /// Nobody talked.
    pub silence_ms: u64,
}

impl Talk {
    /// A further conversation of the same call.
    pub fn add(&mut self, other: &Talk) {
        self.ms += other.ms;
        self.caller_ms += other.caller_ms;
        self.partner_ms += other.partner_ms;
        self.both_ms += other.both_ms;
        self.silence_ms += other.silence_ms;
    }

    /// What part of the conversation a span is, in percent.
    pub fn percent(&self, ms: u64) -> u64 {
        (100 * ms + self.ms / 2).checked_div(self.ms).unwrap_or_default()
    }
}

/// Caller and partner heard each other, and it was measured who talked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talked {
    /// The call.
    pub call: CallId,
    /// The caller's partner.
    pub party: Party,
    /// How long.
    pub talk: Talk,
}

/// The tone of a fax machine or modem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaxTone {
    /// CNG: 1,100 Hz for half a second, every 3.5 s (ITU-T T.30 section 4.1).
    Calling,
    /// CED, ANS or ANSam: 2,100 Hz, with or without reversals of its phase (ITU-T T.30, V.25, V.8).
    Answering,
}

impl FaxTone {
    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            FaxTone::Calling => "calling",
            FaxTone::Answering => "answering",
        }
    }
}

/// A fax machine or modem is at the end of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaxHeard {
    /// The call.
    pub call: CallId,
    /// Where it was heard.
    pub leg: LegId,
    /// As what it is known.
    pub tone: FaxTone,
}

/// Nothing was heard of a leg while its owner talked to somebody: one-way audio, named once per leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// The call.
    pub call: CallId,
    /// Of whom nothing was heard.
    pub leg: LegId,
    /// The side it faces.
    pub side: Side,
    /// Likely because.
    pub why: Deafness,
}

/// The likely cause of one-way audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deafness {
    /// No packet came from anywhere: a firewall in between, or the peer sends nothing.
    NothingCame,
    /// No packet came, and the address the peer announced is a private one that is not our network's: a NAT that nothing has opened.
    PrivateAddress,
    /// No packet came, and ours came back (ICMP): nobody listens where the peer announced it, or no way leads there.
    Unreachable,
    /// Packets came, but from an address nobody announced.
    OtherAddress,
    /// Packets came of a payload type that was not agreed on.
    PayloadType,
    /// Packets came that the agreed keys do not open: another key, or no SRTP at all.
    Keys,
    /// The handshake for the keys (DTLS) was not finished.
    Unkeyed,
    /// The peer's certificate in that handshake is not the one that its description names.
    Certificate,
    /// What came was no RTP.
    NoRtp,
    /// The peer said that it sends nothing: `recvonly`, `inactive`.
    SendsNothing,
    /// Packets came, and nothing but digital silence in them: a muted microphone.
    Muted,
    /// Sound came and stopped, without hold or good-bye.
    Stopped,
}

impl Deafness {
    /// As metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Deafness::NothingCame => "nothing_came",
            Deafness::PrivateAddress => "private_address",
            Deafness::Unreachable => "unreachable",
            Deafness::OtherAddress => "other_address",
            Deafness::PayloadType => "payload_type",
            Deafness::Keys => "keys",
            Deafness::Unkeyed => "unkeyed",
            Deafness::Certificate => "certificate",
            Deafness::NoRtp => "no_rtp",
            Deafness::SendsNothing => "sends_nothing",
            Deafness::Muted => "muted",
            Deafness::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for Deafness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Deafness::NothingCame => "no packet came: a firewall, or the peer sends nothing",
            Deafness::PrivateAddress => "no packet came, and the peer announced a private address: it is behind a NAT",
            Deafness::Unreachable => "what was sent to the announced address came back (ICMP): nobody listens there",
            Deafness::OtherAddress => "packets came only from an address the peer did not announce",
            Deafness::PayloadType => "packets came only with a payload type that was not agreed on",
            Deafness::Keys => "packets came that the agreed SRTP keys do not open",
            Deafness::Unkeyed => "the DTLS handshake for the keys was not finished",
            Deafness::Certificate => "the certificate of the DTLS handshake is not the one the peer announced",
            Deafness::NoRtp => "what came is no RTP",
            Deafness::SendsNothing => "the peer said that it sends nothing",
            Deafness::Muted => "only digital silence came: a muted microphone",
            Deafness::Stopped => "sound came and stopped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_conversation_are_percent_of_it() {
        let talk = Talk { ms: 3_000, caller_ms: 1_000, partner_ms: 1_990, both_ms: 0, silence_ms: 10 };
        assert_eq!([talk.caller_ms, talk.partner_ms, talk.silence_ms].map(|ms| talk.percent(ms)), [33, 66, 0]);
        assert_eq!(Talk::default().percent(0), 0);
    }
}
