//! SRTP and SRTCP (RFC 3711; AES-256 RFC 6188, AES-GCM RFC 7714): packets sealed and opened in place, nothing allocated.

mod session;

use busyhour_model::Srtp;
use serde::{Deserialize, Serialize};
use session::Session;

/// Streams of one peer whose counters are kept: a sender that starts over has a new SSRC.
const STREAMS_MAX: usize = 4;
/// Packets behind the newest that may still come (RFC 3711 section 3.3.2 wants 64 at least).
const WINDOW: u64 = 128;

/// Both ways of one stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Secured {
    agreed: Srtp,
    sealed: Session,
    opened: Session,
    /// What we send: a stream of ours is one SSRC.
    sent: Option<Stream>,
    reports: u32,
    heard: Vec<Stream>,
    reports_heard: Window,
}

/// The packets of one SSRC.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stream {
    ssrc: u32,
    window: Window,
}

/// The newest index, and which of those before it have come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Window {
    newest: Option<u64>,
    seen: u128,
}

impl Secured {
    pub(crate) fn new(agreed: Srtp) -> Secured {
        let (sealed, opened) = (Session::new(agreed.suite, &agreed.ours), Session::new(agreed.suite, &agreed.theirs));
        Secured { agreed, sealed, opened, sent: None, reports: 0, heard: Vec::new(), reports_heard: Window::default() }
    }

    /// After re-negotiation: each side's counters go on where its key is the same.
    pub(crate) fn renegotiate(&mut self, agreed: Srtp) {
        let same = agreed.suite == self.agreed.suite;
        if !same || agreed.ours != self.agreed.ours {
            (self.sealed, self.sent, self.reports) = (Session::new(agreed.suite, &agreed.ours), None, 0);
        }
        if !same || agreed.theirs != self.agreed.theirs {
            self.opened = Session::new(agreed.suite, &agreed.theirs);
            self.heard.clear();
            self.reports_heard = Window::default();
        }
        self.agreed = agreed;
    }

    /// Seals the RTP packet that ends `out` and begins at `start`.
    pub(crate) fn seal(&mut self, out: &mut Vec<u8>, start: usize) {
        let Some((ssrc, sequence, header)) = read_rtp(&out[start..]) else { return out.truncate(start) };
        let stream = self.sent.get_or_insert(Stream { ssrc, window: Window::default() });
        if stream.ssrc != ssrc {
            *stream = Stream { ssrc, window: Window::default() };
        }
        let index = stream.window.index(sequence);
        stream.window.take(index);
        self.sealed.seal_rtp(out, start, header, ssrc, index);
    }

    /// Seals the RTCP packet that ends `out` and begins at `start`.
    pub(crate) fn seal_rtcp(&mut self, out: &mut Vec<u8>, start: usize) {
        let Some(ssrc) = word(&out[start..], 4) else { return out.truncate(start) };
        self.sealed.seal_rtcp(out, start, ssrc, self.reports);
        self.reports = self.reports.wrapping_add(1) & 0x7FFF_FFFF;
    }

    /// Opens an RTP packet; `None` when it is not the peer's, or came before.
    pub(crate) fn open(&mut self, packet: &mut Vec<u8>) -> Option<()> {
        let (ssrc, sequence, header) = read_rtp(packet)?;
        let known = self.heard.iter().position(|stream| stream.ssrc == ssrc);
        let mut window = known.map_or_else(Window::default, |at| self.heard[at].window);
        let index = window.index(sequence);
        if window.has(index) {
            return None;
        }
        self.opened.open_rtp(packet, header, ssrc, index)?;
        window.take(index);
        match known {
            Some(at) => self.heard[at].window = window,
            None => {
                self.heard.truncate(STREAMS_MAX - 1);
                self.heard.insert(0, Stream { ssrc, window });
            }
        }
        Some(())
    }

    /// Opens an RTCP packet.
    pub(crate) fn open_rtcp(&mut self, packet: &mut Vec<u8>) -> Option<()> {
        let ssrc = word(packet, 4)?;
        let index = u64::from(self.opened.rtcp_index(packet)?);
        if self.reports_heard.has(index) {
            return None;
        }
        self.opened.open_rtcp(packet, ssrc, index as u32)?;
        self.reports_heard.take(index);
        Some(())
    }
}

impl Window {
    /// The index that a sequence number most likely stands for: the nearest to the newest (RFC 3711 section 3.3.1).
    fn index(&self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else { return sequence.into() };
        let ahead = sequence.wrapping_sub(newest as u16) as i16;
        newest.checked_add_signed(ahead.into()).unwrap_or(sequence.into())
    }

    /// It came before, or is too old to know.
    fn has(&self, index: u64) -> bool {
        match self.newest.and_then(|newest| newest.checked_sub(index)) {
            None => false,
            Some(behind) => behind >= WINDOW || self.seen >> behind & 1 == 1,
        }
    }

    fn take(&mut self, index: u64) {
        match self.newest {
            Some(newest) if index <= newest => self.seen |= 1u128.checked_shl((newest - index) as u32).unwrap_or(0),
            newest => {
                let ahead = newest.map_or(u64::MAX, |newest| index - newest);
                self.seen = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead)).unwrap_or(0) | 1;
                self.newest = Some(index);
            }
        }
    }
}

/// SSRC, sequence number and length of the header of an RTP packet, extension and all.
fn read_rtp(packet: &[u8]) -> Option<(u32, u16, usize)> {
    let sequence = u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]);
    let ssrc = word(packet, 8)?;
    let fixed = 12 + 4 * usize::from(packet[0] & 15);
    let extended = packet[0] & 0x10 != 0;
    let header = if extended { fixed + 4 + 4 * (word(packet, fixed)? as usize & 0xFFFF) } else { fixed };
    (packet[0] >> 6 == 2 && header <= packet.len()).then_some((ssrc, sequence, header))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests;
