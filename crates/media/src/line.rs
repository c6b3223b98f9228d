//! What only a connected leg has: what was agreed on, where its peer is, and what its packets mean.

use crate::handshake::Handshaking;
use crate::heard::Kind;
use crate::outbox::Outbox;
use crate::rtp::{HEADER_LEN, Header};
use crate::srtp::Secured;
use crate::wide::Wide;
use crate::{Latch, g711, rtp};
use busyhour_model::{Audio, G711, Gain, Keying, LegId, Time};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One connected leg's line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) audio: Audio,
    pub(crate) latch: Latch,
    /// Where its codec is not of G.711.
    wide: Option<Box<Wide>>,
    clock: Clock,
    /// What was sent.
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    /// Where it is kept secret, once there are keys.
    pub(crate) secured: Option<Box<Secured>>,
    /// Where keys come by a handshake.
    pub(crate) handshaking: Option<Box<Handshaking>>,
    /// Handshakes before.
    attempts: u32,
    /// Where the last packet came from.
    pub(crate) source: Option<SocketAddr>,
    /// Where RTCP was last heard from, when that is not where it was announced.
    pub(crate) rtcp_source: Option<SocketAddr>,
    pub(crate) heard_at: Time,
    pub(crate) report_at: Time,
}

/// A peer's clock that is faster than ours: a timestamp of its stream, and what that is by 8 kHz.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Clock {
    theirs: u32,
    ours: u32,
}

impl Clock {
    fn read(&mut self, ticks: u32, timestamp: u32) -> u32 {
        let passed = timestamp.wrapping_sub(self.theirs).cast_signed().div_euclid(ticks.cast_signed());
        self.ours = self.ours.wrapping_add_signed(passed);
        self.theirs = self.theirs.wrapping_add_signed(passed * ticks.cast_signed());
        self.ours
    }
}

impl Line {
    pub(crate) fn new(now: Time, audio: Audio, report_at: Time) -> Line {
        let (latch, wide) = (Latch::new(audio.remote), Wide::of(audio.codec));
        let (clock, packets, octets, source, rtcp_source) = (Clock::default(), 0, 0, None, None);
        let (secured, handshaking, attempts, heard_at) = (None, None, 0, now);
        let mut line = Line {
            audio,
            latch,
            wide,
            clock,
            packets,
            octets,
            secured,
            handshaking,
            attempts,
            source,
            rtcp_source,
            heard_at,
            report_at,
        };
        line.key();
        line
    }

    /// After re-negotiation.
    pub(crate) fn renegotiate(&mut self, now: Time, audio: Audio) {
        self.latch.renegotiate(audio.remote);
        if self.audio.remote_rtcp != audio.remote_rtcp {
            self.rtcp_source = None;
        }
        if self.audio.codec != audio.codec {
            self.wide = Wide::of(audio.codec);
        }
        (self.audio, self.heard_at) = (audio, now);
        self.key();
    }

    /// Keeps the stream secret as was agreed on. Of a handshake with the same certificate the keys stay (RFC 8842 section 4).
    fn key(&mut self) {
        match (self.audio.srtp.as_deref(), &mut self.secured, &mut self.handshaking) {
            (Some(Keying::Said(agreed)), Some(secured), None) => secured.renegotiate(agreed.clone()),
            (Some(Keying::Said(agreed)), secured, handshaking) => {
                (*secured, *handshaking) = (Some(Box::new(Secured::new(agreed.clone()))), None);
            }
            (Some(Keying::Handshake(agreed)), _, Some(before)) if before.is_of(agreed) => before.rename(agreed.clone()),
            (Some(Keying::Handshake(agreed)), secured, handshaking) => {
                self.attempts += 1;
                (*secured, *handshaking) = (None, Some(Box::new(Handshaking::new(agreed.clone(), self.attempts))));
            }
            (None, secured, handshaking) => (*secured, *handshaking) = (None, None),
        }
    }

    /// Whether sound may go and come: there are keys, or none are wanted.
    pub(crate) fn is_open(&self) -> bool {
        self.handshaking.is_none() || self.secured.is_some()
    }

    /// Whether the peer may speak from there, before its packets are looked at.
    pub(crate) fn admits(&self, from: SocketAddr) -> bool {
        self.handshaking.as_ref().is_none_or(|handshaking| handshaking.admits(from))
    }

    /// Where the peer is.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        match &self.handshaking {
            Some(handshaking) if handshaking.agreed.ice.is_some() => handshaking.chosen(),
            // Old-style hold (RFC 3264 section 8.4) announces `0.0.0.0`: nothing is sent then, latched or not.
            _ => self.latch.destination().filter(|_| !self.audio.remote.ip().is_unspecified()),
        }
    }

    /// Where reports go, and whether by a port of their own.
    pub(crate) fn reports_to(&self) -> Option<(SocketAddr, bool)> {
        let apart = self.rtcp_source.unwrap_or(self.audio.remote_rtcp);
        match &self.handshaking {
            Some(_) => self.destination().filter(|_| self.is_open()).map(|to| (to, false)),
            None => Some((apart, true)).filter(|_| !apart.ip().is_unspecified()),
        }
    }

    /// Queues a packet with the payload that `write` appends, sealed where that was agreed on; whether there was room.
    pub(crate) fn send(
        &mut self,
        leg: LegId,
        (to, header): (SocketAddr, Header),
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let header = Header { timestamp: self.theirs(header.timestamp), ..header };
        let (secured, mut octets) = (self.secured.as_mut(), 0);
        let pushed = outbox.push(leg, to, false, |out| {
            let start = out.len();
            out.extend_from_slice(&header.bytes());
            write(out);
            octets = out.len() - start - HEADER_LEN;
            secured.into_iter().for_each(|secured| secured.seal(out, start));
        });
        self.packets = self.packets.wrapping_add(pushed.into());
        self.octets = self.octets.wrapping_add(octets as u32);
        pushed
    }

    /// A timestamp of the peer's by 8 kHz.
    pub(crate) fn ours(&mut self, timestamp: u32) -> u32 {
        let ticks = self.audio.codec.ticks();
        if ticks == 1 { timestamp } else { self.clock.read(ticks, timestamp) }
    }

    /// A span or a timestamp of ours by the peer's clock.
    pub(crate) fn theirs(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_mul(self.audio.codec.ticks())
    }

    /// Samples of a packet that we make.
    pub(crate) fn frame_len(&self) -> usize {
        let ms = if self.audio.ptime_ms == 0 { 20 } else { self.audio.ptime_ms.clamp(10, 60) };
        usize::from(ms) * 8
    }

    /// How much louder either way is made; what is not understood stays as it is.
    pub(crate) fn gain(&self) -> Gain {
        if self.audio.codec.is_understood() { self.audio.gain } else { Gain::default() }
    }

    /// What a payload type means; `None` when nobody knows.
    pub(crate) fn kind(&self, payload_type: u8, payload: &[u8]) -> Option<Kind> {
        let audio = &self.audio;
        let kind = match payload_type {
            pt if Some(pt) == audio.telephone_event => Kind::Event,
            pt if pt == audio.payload_type => audio.codec.g711().map_or(Kind::Undecoded, Kind::Speech),
            // Peers that named both laws switch between them without asking; the static types are unmistakable.
            0 => Kind::Speech(G711::Mu),
            8 => Kind::Speech(G711::A),
            // Some who pause say so without asking.
            rtp::COMFORT_NOISE => Kind::Comfort,
            _ => return None,
        };
        Some(if audio.direction.receives() && !payload.is_empty() { kind } else { Kind::Other })
    }

    /// Where and by which payload type something is to be sent; `None` when it may not or cannot be.
    pub(crate) fn outlet(&self, kind: Kind) -> Option<(SocketAddr, u8)> {
        let audio = &self.audio;
        let to = self.destination().filter(|_| audio.direction.sends() && self.is_open())?;
        match kind {
            Kind::Speech(_) if !audio.codec.is_understood() => None,
            Kind::Speech(_) | Kind::Undecoded => Some((to, audio.payload_type)),
            Kind::Event => Some((to, audio.telephone_event?)),
            Kind::Comfort | Kind::Other => None,
        }
    }

    /// The law in which it is given what we make ourselves.
    pub(crate) fn law(&self) -> G711 {
        self.audio.codec.g711().unwrap_or(G711::A)
    }

    /// The A-law of a payload in its own codec, and its samples at 16 kHz if they are wanted.
    pub(crate) fn decode(&mut self, payload: &[u8], wideband: bool, samples: &mut Vec<i16>, sound: &mut Vec<u8>) {
        samples.clear();
        sound.clear();
        match &mut self.wide {
            Some(wide) if wideband => wide.decode_wideband(payload, samples, sound),
            Some(wide) => wide.decode(payload, samples, sound),
            None => {}
        }
    }

    /// Queues these codes as its own codec; whether there was room.
    pub(crate) fn speak(
        &mut self,
        leg: LegId,
        packet: (SocketAddr, Header),
        law: G711,
        codes: &[u8],
        outbox: &mut Outbox,
    ) -> bool {
        let mut wide = self.wide.take();
        let table = self.audio.codec.g711().and_then(|own| g711::transcoder(law, own));
        let gain = self.gain().sent;
        let louder = |code: &u8| if gain == 0 { *code } else { g711::louder(law, *code, gain) };
        let pushed = self.send(leg, packet, outbox, |out| match (&mut wide, table) {
            (Some(wide), _) => wide.encode(codes.iter().map(|code| g711::decode(law, louder(code))), out),
            (None, Some(table)) => out.extend(codes.iter().map(|code| table[usize::from(louder(code))])),
            (None, None) if gain == 0 => out.extend_from_slice(codes),
            (None, None) => out.extend(codes.iter().map(louder)),
        });
        self.wide = wide;
        pushed
    }

    /// The same of samples at 16 kHz, where its codec knows them.
    pub(crate) fn speak_wideband(
        &mut self,
        leg: LegId,
        packet: (SocketAddr, Header),
        samples: &[i16],
        outbox: &mut Outbox,
    ) -> bool {
        let mut wide = self.wide.take();
        let gain = self.gain().sent;
        let samples = samples.iter().map(|sample| if gain == 0 { *sample } else { g711::amplified(*sample, gain) });
        let pushed = self.send(leg, packet, outbox, |out| {
            if let Some(wide) = &mut wide {
                wide.encode_wideband(samples, out);
            }
        });
        self.wide = wide;
        pushed
    }
}
