//! What only a connected leg has: what was agreed on, where its peer is, and what its packets mean.

use crate::leg::Kind;
use crate::outbox::Outbox;
use crate::srtp::Secured;
use crate::{Latch, g711};
use busyhour_model::{Audio, Codec, LegId, Time};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// One connected leg's line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) audio: Audio,
    pub(crate) latch: Latch,
    /// Where it is kept secret.
    pub(crate) secured: Option<Box<Secured>>,
    /// Where the last packet came from.
    pub(crate) source: Option<SocketAddr>,
    /// Where RTCP was last heard from, when that is not where it was announced.
    pub(crate) rtcp_source: Option<SocketAddr>,
    pub(crate) heard_at: Time,
    pub(crate) report_at: Time,
}

impl Line {
    pub(crate) fn new(now: Time, audio: Audio, report_at: Time) -> Line {
        let (latch, secured) = (Latch::new(audio.remote), Secured::of(&audio));
        Line { audio, latch, secured, source: None, rtcp_source: None, heard_at: now, report_at }
    }

    /// After re-negotiation.
    pub(crate) fn renegotiate(&mut self, now: Time, audio: Audio) {
        self.latch.renegotiate(audio.remote);
        if self.audio.remote_rtcp != audio.remote_rtcp {
            self.rtcp_source = None;
        }
        match (&mut self.secured, &audio.srtp) {
            (Some(secured), Some(agreed)) => secured.renegotiate((**agreed).clone()),
            (_, _) => self.secured = Secured::of(&audio),
        }
        (self.audio, self.heard_at) = (audio, now);
    }

    /// Queues what `write` appends, sealed where that was agreed on; whether there was room.
    pub(crate) fn send(
        &mut self,
        leg: LegId,
        to: SocketAddr,
        outbox: &mut Outbox,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let secured = self.secured.as_mut();
        outbox.push(leg, to, false, |out| {
            let start = out.len();
            write(out);
            secured.into_iter().for_each(|secured| secured.seal(out, start));
        })
    }

    /// Samples of a packet that we make.
    pub(crate) fn frame_len(&self) -> usize {
        let ms = if self.audio.ptime_ms == 0 { 20 } else { self.audio.ptime_ms.clamp(10, 60) };
        usize::from(ms) * 8
    }

    /// What a payload type means; `None` when nobody knows.
    pub(crate) fn kind(&self, payload_type: u8, payload: &[u8]) -> Option<Kind> {
        let audio = &self.audio;
        let kind = match payload_type {
            pt if Some(pt) == audio.telephone_event => Kind::Event,
            pt if pt == audio.payload_type => Kind::Speech(audio.codec),
            // Peers that named both laws switch between them without asking; the static types are unmistakable.
            0 => Kind::Speech(Codec::Pcmu),
            8 => Kind::Speech(Codec::Pcma),
            _ => return None,
        };
        Some(if audio.direction.receives() && !payload.is_empty() { kind } else { Kind::Other })
    }

    /// Where and as what something is to be sent; `None` when it may not or cannot be.
    pub(crate) fn outlet(&self, kind: Kind) -> Option<(SocketAddr, u8, Option<&'static [u8; 256]>)> {
        let audio = &self.audio;
        // Old-style hold (RFC 3264 section 8.4) announces `0.0.0.0`: nothing is sent then, latched or not.
        let may = audio.direction.sends() && !audio.remote.ip().is_unspecified();
        let to = self.latch.destination().filter(|_| may)?;
        match kind {
            Kind::Speech(codec) => Some((to, audio.payload_type, g711::transcoder(codec, audio.codec))),
            Kind::Event => Some((to, audio.telephone_event?, None)),
            Kind::Other => None,
        }
    }
}
