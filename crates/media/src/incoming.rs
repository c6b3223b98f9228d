//! The stream a peer sends, counted as RFC 3550 appendix A.1, A.3 and A.8 do.

use busyhour_model::Time;
use serde::{Deserialize, Serialize};

/// A jump forward by more is a sender that started over (RFC 3550 A.1).
const DROPOUT_MAX: i64 = 3000;
/// A jump back by more is a sender that started over.
const MISORDER_MAX: i64 = 100;
/// Arrivals remembered to know a duplicate; older ones are taken for duplicates.
const WINDOW: i64 = 64;
/// A transit change beyond this is a new clock, not jitter: one second.
const TRANSIT_MAX: i32 = 8000;

/// What one received packet is within its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Not seen before, in order or late.
    New,
    /// Seen before, or too old to tell.
    Duplicate,
    /// Far from where the stream was; believed only when its successor comes too.
    Stray,
}

/// Counts of what a peer sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Incoming {
    ssrc: Option<u32>,
    /// Rises whenever the sender starts over.
    stream: u32,
    first: i64,
    highest: i64,
    window: u64,
    received: u64,
    /// Lost in streams before the present one.
    lost_before: u64,
    expected_prior: u64,
    received_prior: u64,
    /// Sequence number that would confirm a stray packet.
    successor: Option<u16>,
    transit: Option<u32>,
    /// In 1/16 of a timestamp unit.
    jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time, and when it came.
    last_sr: Option<(u32, Time)>,
}

/// What a report block says about a stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whose stream.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the stream began.
    pub lost: u32,
    /// Highest sequence number with its cycles.
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0: none came.
    pub last_sr: u32,
    /// Since then, in 1/65536 s.
    pub delay_since_sr: u32,
}

impl Incoming {
    /// Counts a packet.
    pub fn take(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        if self.ssrc != Some(ssrc) {
            self.start(ssrc, sequence);
            return Arrival::New;
        }
        let step = sequence.wrapping_sub(self.highest as u16) as i16 as i64;
        if !(-MISORDER_MAX..=DROPOUT_MAX).contains(&step) {
            return self.stray(ssrc, sequence);
        }
        self.successor = None;
        if step > 0 {
            self.window = if step < WINDOW { self.window << step | 1 } else { 1 };
            self.highest += step;
        } else {
            let bit = if step > -WINDOW { 1u64 << -step } else { 0 };
            if bit == 0 || self.window & bit != 0 {
                return Arrival::Duplicate;
            }
            self.window |= bit;
            // Overtaken by the packet we took for the first.
            self.first = self.first.min(self.highest + step);
        }
        self.received += 1;
        Arrival::New
    }

    /// The sender is another now, even if it says it is the same.
    pub fn restart(&mut self) {
        self.lost_before = self.lost();
        self.ssrc = None;
    }

    /// Measures jitter by a packet of speech taken as new; events repeat their timestamp and would distort it.
    pub fn measure(&mut self, now: Time, timestamp: u32) {
        let transit = ((now.as_micros() / 125) as u32).wrapping_sub(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let change = transit.wrapping_sub(last) as i32;
            if change.unsigned_abs() < TRANSIT_MAX as u32 {
                self.jitter = self.jitter + change.unsigned_abs() - ((self.jitter + 8) >> 4);
            }
        }
    }

    /// Remembers a sender report of this stream.
    pub fn note_sr(&mut self, now: Time, ssrc: u32, ntp: u64) {
        if self.ssrc == Some(ssrc) {
            self.last_sr = Some(((ntp >> 16) as u32, now));
        }
    }

    /// A number that differs whenever the sender has started over.
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// Packets that never came, over all streams of this peer.
    pub fn lost(&self) -> u64 {
        let present = if self.ssrc.is_some() { self.expected().saturating_sub(self.received) } else { 0 };
        self.lost_before + present
    }

    /// Interarrival jitter in microseconds.
    pub fn jitter_us(&self) -> u32 {
        (self.jitter >> 4).saturating_mul(125)
    }

    /// The next report block; `None` when nothing has come yet.
    pub fn report(&mut self, now: Time) -> Option<Report> {
        let ssrc = self.ssrc?;
        let expected = self.expected() - self.expected_prior;
        let received = self.received - self.received_prior;
        (self.expected_prior, self.received_prior) = (self.expected(), self.received);
        let lost = expected.saturating_sub(received);
        Some(Report {
            ssrc,
            fraction_lost: (lost << 8).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: self.expected().saturating_sub(self.received).min(0x7F_FFFF) as u32,
            highest: self.highest as u32,
            jitter: self.jitter >> 4,
            last_sr: self.last_sr.map_or(0, |(middle, _)| middle),
            delay_since_sr: self.last_sr.map_or(0, |(_, at)| (now.since(at).as_micros() * 65_536 / 1_000_000) as u32),
        })
    }

    fn expected(&self) -> u64 {
        (self.highest - self.first + 1) as u64
    }

    fn stray(&mut self, ssrc: u32, sequence: u16) -> Arrival {
        if self.successor == Some(sequence) {
            self.start(ssrc, sequence);
            return Arrival::New;
        }
        self.successor = Some(sequence.wrapping_add(1));
        Arrival::Stray
    }

    fn start(&mut self, ssrc: u32, sequence: u16) {
        *self = Incoming {
            ssrc: Some(ssrc),
            stream: self.stream.wrapping_add(1),
            first: sequence as i64,
            highest: sequence as i64,
            window: 1,
            received: 1,
            lost_before: self.lost(),
            jitter: self.jitter,
            ..Incoming::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn fed(sequences: &[u16]) -> (Incoming, Vec<Arrival>) {
        let mut incoming = Incoming::default();
        let arrivals = sequences.iter().map(|s| incoming.take(7, *s)).collect();
        (incoming, arrivals)
    }

    #[test]
    fn loss_is_what_never_came_whatever_is_late_doubled_or_wraps() {
        let table: [(&[u16], u64); 8] = [
            (&[1, 2, 3], 0),
            (&[1, 3, 5], 2),
            (&[1, 3, 2], 0),
            (&[1, 1, 1, 3], 1),
            (&[2, 1, 3], 0),
            (&[65_534, 65_535, 0, 2], 1),
            (&[10, 200, 15], 189),
            (&[1, 2, 40_000, 40_001, 40_003], 1),
        ];
        for (sequences, lost) in table {
            assert_eq!(fed(sequences).0.lost(), lost, "{sequences:?}");
        }
    }

    #[test]
    fn duplicates_and_strays_are_told_from_late_packets() {
        use Arrival::{Duplicate, New, Stray};
        assert_eq!(fed(&[5, 7, 6, 6, 7]).1, [New, New, New, Duplicate, Duplicate]);
        assert_eq!(fed(&[100, 200, 120]).1, [New, New, Duplicate], "too old to know");
        assert_eq!(fed(&[5, 30_000, 6]).1, [New, Stray, New], "one wild packet changes nothing");
        let (incoming, arrivals) = fed(&[5, 30_000, 30_001, 30_002]);
        assert_eq!((arrivals, incoming.stream()), (vec![New, Stray, New, New], 2));
    }

    #[test]
    fn a_new_ssrc_keeps_the_loss_of_the_old() {
        let (mut incoming, _) = fed(&[1, 4]);
        incoming.take(8, 100);
        incoming.take(8, 102);
        assert_eq!((incoming.lost(), incoming.stream()), (3, 2));
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last_one_and_the_delay_since_the_senders() {
        let (mut incoming, _) = fed(&[1, 2, 3, 5]);
        incoming.note_sr(Time::from_secs(10), 7, 0x1234_5678_9ABC_DEF0);
        incoming.note_sr(Time::from_secs(11), 9, 1);
        let report = incoming.report(Time::from_secs(12)).unwrap();
        assert_eq!((report.fraction_lost, report.lost, report.highest), (51, 1, 5));
        assert_eq!((report.last_sr, report.delay_since_sr), (0x5678_9ABC, 2 * 65_536));
        assert_eq!(incoming.report(Time::from_secs(13)).unwrap().fraction_lost, 0);
        assert_eq!(Incoming::default().report(Time::ZERO), None);
    }

    #[test]
    fn jitter_follows_appendix_a8_and_ignores_a_new_clock() {
        let mut incoming = Incoming::default();
        let mut now = Time::from_secs(1);
        for i in 0..2000u32 {
            incoming.measure(now + Duration::from_millis(if i % 2 == 0 { 0 } else { 10 }), i * 160);
            now += Duration::from_millis(20);
        }
        assert!(incoming.jitter_us().abs_diff(10_000) < 700, "{} us", incoming.jitter_us());
        let before = incoming.jitter_us();
        incoming.measure(now, 3_000_000_000);
        assert_eq!(incoming.jitter_us(), before);
    }
}
