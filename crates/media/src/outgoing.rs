//! The one stream a leg sends, unbroken whether it is fed by a prompt or by one relayed stream after another.

use crate::rtp::Header;
use crate::samples;
use busyhour_model::{LegId, Seed, Time};
use serde::{Deserialize, Serialize};

/// A relayed timestamp that leaps further is a sender's new clock: one minute.
const LEAP_MAX: i32 = 60 * 8000;

/// Numbering of what a leg sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    pub(crate) ssrc: u32,
    /// Of the newest packet sent.
    sequence: u16,
    timestamp: u32,
    /// When that was, and how many samples it held; `None` before the first.
    last: Option<(Time, u32)>,
    source: Source,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Source {
    None,
    Play,
    Relay(Mapping),
}

/// How a relayed stream's numbers become ours.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Mapping {
    from: LegId,
    stream: u32,
    /// Added to sequence numbers and timestamps.
    sequence: u16,
    timestamp: u32,
    /// Of the stream's newest relayed packet, in its own numbers.
    newest: u16,
    newest_timestamp: u32,
    /// How many numbers before it the first relayed packet was; far more than any packet is ever late.
    since_first: i16,
}

/// A relayed packet's own numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) leg: LegId,
    pub(crate) stream: u32,
    pub(crate) header: Header,
}

impl Outgoing {
    pub(crate) fn new(random: &mut Seed) -> Outgoing {
        let (high, low) = (random.draw(), random.draw());
        Outgoing {
            ssrc: high as u32,
            // Near its wrap, who misses the first packets of a secret stream would open none (RFC 3711 section 3.3.1).
            sequence: (high >> 32) as u16 & 0x7FFF,
            timestamp: low as u32,
            last: None,
            source: Source::None,
        }
    }

    /// The header of the next packet of `len` samples that we make ourselves.
    pub(crate) fn play(&mut self, now: Time, payload_type: u8, len: u32) -> Header {
        let marker = !matches!(self.source, Source::Play);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = if marker { self.continued(now) } else { self.timestamp.wrapping_add(self.span()) };
        self.source = Source::Play;
        self.last = Some((now, len));
        Header { marker, payload_type, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.ssrc }
    }

    /// The header of the next packet of a key that we press and that has been held for `held` samples: all packets of a press
    /// have the timestamp of its beginning (RFC 4733 section 2.5.1.2).
    pub(crate) fn press(&mut self, now: Time, payload_type: u8, held: u32, first: bool) -> Header {
        if first {
            let begins = !matches!(self.source, Source::Play);
            self.timestamp = if begins { self.continued(now) } else { self.timestamp.wrapping_add(self.span()) };
            self.source = Source::Play;
        }
        self.sequence = self.sequence.wrapping_add(1);
        let began = self.last.filter(|_| !first).map_or(now, |(at, _)| at);
        self.last = Some((began, held));
        Header { marker: first, payload_type, sequence: self.sequence, timestamp: self.timestamp, ssrc: self.ssrc }
    }

    /// The header of a relayed packet with `len` bytes of payload; `None` for one older than the first relayed of its stream. Loss and order of the
    /// stream stay visible to the receiver, whose jitter buffer must see them.
    pub(crate) fn relay(&mut self, now: Time, origin: Origin, payload_type: u8, len: u32) -> Option<Header> {
        let from = origin.header;
        let same = |m: &Mapping| m.from == origin.leg && m.stream == origin.stream && !m.leaps(&from);
        let (mut mapping, begins) = match self.source {
            Source::Relay(mapping) if same(&mapping) => (mapping, false),
            _ => (self.begin(now, &origin), true),
        };
        let step = from.sequence.wrapping_sub(mapping.newest) as i16;
        if step < -mapping.since_first {
            return None;
        }
        let sequence = from.sequence.wrapping_add(mapping.sequence);
        let timestamp = from.timestamp.wrapping_add(mapping.timestamp);
        if begins || step > 0 {
            // The packets of an event share the timestamp of its beginning; the clock runs from there.
            if begins || timestamp != self.timestamp {
                self.last = Some((now, len));
            }
            (mapping.newest, mapping.newest_timestamp) = (from.sequence, from.timestamp);
            mapping.since_first = mapping.since_first.saturating_add(step);
            (self.sequence, self.timestamp) = (sequence, timestamp);
            self.source = Source::Relay(mapping);
        }
        Some(Header { marker: begins || from.marker, payload_type, sequence, timestamp, ssrc: self.ssrc })
    }

    /// What was to be sent is not: the next packet begins a talkspurt and follows without a gap in the numbers.
    pub(crate) fn interrupt(&mut self) {
        self.source = Source::None;
    }

    /// The timestamp of this moment, for a sender report.
    pub(crate) fn timestamp_at(&self, now: Time) -> u32 {
        self.last.map_or(self.timestamp, |(at, _)| self.timestamp.wrapping_add(samples(now.since(at))))
    }

    fn begin(&self, now: Time, origin: &Origin) -> Mapping {
        let from = origin.header;
        Mapping {
            from: origin.leg,
            stream: origin.stream,
            sequence: self.sequence.wrapping_add(1).wrapping_sub(from.sequence),
            timestamp: self.continued(now).wrapping_sub(from.timestamp),
            newest: from.sequence,
            newest_timestamp: from.timestamp,
            since_first: 0,
        }
    }

    /// The timestamp of a packet sent now after a change of source: as much later as time has passed, at least by the
    /// samples already sent.
    fn continued(&self, now: Time) -> u32 {
        self.last.map_or(self.timestamp, |(at, span)| self.timestamp.wrapping_add(samples(now.since(at)).max(span)))
    }

    fn span(&self) -> u32 {
        self.last.map_or(0, |(_, span)| span)
    }
}

impl Mapping {
    fn leaps(&self, from: &Header) -> bool {
        let newer = (from.sequence.wrapping_sub(self.newest) as i16) > 0;
        newer && !(0..=LEAP_MAX).contains(&(from.timestamp.wrapping_sub(self.newest_timestamp) as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_hour_of_speech_is_relayed_whole_and_only_what_is_older_than_its_beginning_is_not() {
        let mut outgoing = Outgoing::new(&mut Seed(1));
        let mut relay = |packet: u32| {
            let (sequence, timestamp) = (packet as u16, packet.wrapping_mul(160));
            let header = Header { marker: false, payload_type: 8, sequence, timestamp, ssrc: 5 };
            let now = Time::from_secs(1_000) + Duration::from_millis(20) * packet;
            outgoing.relay(now, Origin { leg: LegId(1), stream: 1, header }, 8, 160).is_some()
        };
        let first = 60_000;
        assert!(relay(first));
        assert!(!relay(first - 1), "said before");
        for packet in first + 1..first + 180_000 {
            // Every hundredth is overtaken by the next one.
            let packet = if packet % 100 < 2 { packet ^ 1 } else { packet };
            assert!(relay(packet), "packet {}", packet - first);
        }
    }
}
