//! RTCP reports as RFC 3550 section 6 wants them: SR or RR with SDES, and BYE at the end.

use crate::incoming::Report;
use busyhour_model::Time;
use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, ReportBlockBuilder, RtcpPacketWriterExt, Sdes, SdesChunk,
    SdesItem, SenderReport,
};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_UNIX: u64 = 2_208_988_800;
/// The longest compound packet we write.
pub const LEN_MAX: usize = 256;

/// What a sender says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// RTP timestamp of this moment.
    pub timestamp: u32,
    /// Packets so far.
    pub packets: u32,
    /// Payload bytes so far.
    pub octets: u32,
}

/// What a peer's RTCP told us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Its SSRC and the NTP time of its sender report.
    pub sr: Option<(u32, u64)>,
    /// From its report on our stream: last-SR and delay-since-SR, both not zero.
    pub echo: Option<(u32, u32)>,
    /// How it hears us.
    pub ours: Option<Reception>,
}

/// What a report block says of the stream we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// Packets lost since it began; the format has no more than 8,388,607, and duplicates do not make it negative here.
    pub lost: u32,
    /// Interarrival jitter in ticks of the stream's clock.
    pub jitter: u32,
}

/// Writes one compound packet; its length, 0 if it cannot be written.
pub fn write(
    now: Time,
    ssrc: u32,
    cname: &str,
    sent: Option<Sent>,
    report: Option<Report>,
    bye: bool,
    out: &mut [u8; LEN_MAX],
) -> usize {
    let mut compound = Compound::builder();
    compound = match sent {
        Some(sent) => {
            let sr = SenderReport::builder(ssrc)
                .ntp_timestamp(ntp(now))
                .rtp_timestamp(sent.timestamp)
                .packet_count(sent.packets)
                .octet_count(sent.octets);
            compound.add_packet(report.into_iter().fold(sr, |sr, r| sr.add_report_block(block(r))))
        }
        None => {
            let rr = ReceiverReport::builder(ssrc);
            compound.add_packet(report.into_iter().fold(rr, |rr, r| rr.add_report_block(block(r))))
        }
    };
    let name = SdesItem::builder(SdesItem::CNAME, cname);
    compound = compound.add_packet(Sdes::builder().add_chunk(SdesChunk::builder(ssrc).add_item(name)));
    if bye {
        compound = compound.add_packet(Bye::builder().add_source(ssrc));
    }
    compound.write_into(&mut out[..]).unwrap_or(0)
}

/// Reads a compound packet; `ours` is the SSRC we send with. `None` when it is malformed.
pub fn read(bytes: &[u8], ours: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut note = |block: ReportBlock<'_>| {
        let echo = (block.last_sender_report_timestamp(), block.delay_since_last_sender_report_timestamp());
        if block.ssrc() != ours {
            return;
        }
        heard.echo = Some(echo).filter(|(last_sr, _)| *last_sr != 0);
        let negative = block.cumulative_lost() & 0x80_0000 != 0;
        let lost = if negative { 0 } else { block.cumulative_lost() };
        heard.ours = Some(Reception { lost, jitter: block.interarrival_jitter() });
    };
    let mut sr = None;
    for packet in Compound::parse(bytes).ok()? {
        match packet.ok()? {
            Packet::Sr(report) => {
                sr = Some((report.ssrc(), report.ntp_timestamp()));
                report.report_blocks().for_each(&mut note);
            }
            Packet::Rr(report) => report.report_blocks().for_each(&mut note),
            _ => {}
        }
    }
    heard.sr = sr;
    Some(heard)
}

/// The round trip in microseconds from an echo that came now (RFC 3550 section 6.4.1); `None` when the echo is absurd.
pub fn round_trip(now: Time, (last_sr, delay): (u32, u32)) -> Option<u32> {
    let span = ((ntp(now) >> 16) as u32).wrapping_sub(last_sr).checked_sub(delay)?;
    // An echo of more than a minute is another clock's.
    (span < 60 << 16).then(|| ((span as u64 * 1_000_000) >> 16) as u32)
}

/// The 64-bit NTP time.
fn ntp(now: Time) -> u64 {
    let micros = now.as_micros();
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    (micros / 1_000_000 + NTP_UNIX) << 32 | fraction
}

fn block(report: Report) -> ReportBlockBuilder {
    ReportBlock::builder(report.ssrc)
        .fraction_lost(report.fraction_lost)
        .cumulative_lost(report.lost)
        .extended_sequence_number(report.highest)
        .interarrival_jitter(report.jitter)
        .last_sender_report_timestamp(report.last_sr)
        .delay_since_last_sender_report_timestamp(report.delay_since_sr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SENT: Sent = Sent { timestamp: 5, packets: 6, octets: 7 };

    fn written(sent: Option<Sent>, report: Option<Report>, bye: bool) -> Vec<u8> {
        let mut out = [0; LEN_MAX];
        let len = write(Time::from_secs(1_000), 0xAB, "bh", sent, report, bye, &mut out);
        out[..len].to_vec()
    }

    fn report(last_sr: u32, delay_since_sr: u32) -> Report {
        Report { ssrc: 0xCD, fraction_lost: 1, lost: 2, highest: 3, jitter: 4, last_sr, delay_since_sr }
    }

    #[test]
    fn a_compound_packet_begins_with_a_report_names_us_and_ends_with_bye() {
        let types = |bytes: &[u8]| -> Vec<u8> {
            let (mut at, mut types) = (0, vec![]);
            while at < bytes.len() {
                types.push(bytes[at + 1]);
                at += 4 + 4 * u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]) as usize;
            }
            types
        };
        assert_eq!(types(&written(Some(SENT), Some(report(0, 0)), true)), [200, 202, 203]);
        assert_eq!(types(&written(None, None, false)), [201, 202]);
    }

    #[test]
    fn the_round_trip_is_what_the_network_took() {
        let sr = read(&written(Some(SENT), None, false), 0).unwrap().sr.unwrap();
        assert_eq!(sr, (0xAB, (1_000 + NTP_UNIX) << 32));
        let echo = report((sr.1 >> 16) as u32, 2 * 65_536);
        let heard = read(&written(None, Some(echo), false), 0xCD).unwrap();
        let came = Time::from_secs(1_002) + Duration::from_millis(30);
        let round = round_trip(came, heard.echo.unwrap()).unwrap();
        assert!(round.abs_diff(30_000) < 20, "{round} us");
        assert_eq!(read(&written(None, Some(echo), false), 0xEE).unwrap().echo, None, "another's stream");
        assert_eq!(round_trip(Time::from_secs(1_001), heard.echo.unwrap()), None, "negative");
    }

    #[test]
    fn truncated_rtcp_is_refused() {
        let whole = written(Some(SENT), Some(report(1, 2)), true);
        let ends = [0, 52, 52 + 16];
        for cut in 0..whole.len() {
            assert_eq!(read(&whole[..cut], 0).is_some(), ends[1..].contains(&cut), "cut at {cut}");
        }
    }
}
