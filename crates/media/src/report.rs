//! RTCP reports in words: the fields of RFC 3550 section 6.4 under the names by which Homer's collectors read them as JSON.

use rtcp_types::{Compound, Packet, ReportBlock};
use serde::Serialize;

/// Reports of one packet that are told.
const REPORTS_MAX: usize = 8;

/// What one side says of a stream it sends and of those it hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Of its own stream, when it sends one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender_information: Option<Sender>,
    /// Who says so.
    pub ssrc: u32,
    /// 200: it sends, 201: it only hears.
    #[serde(rename = "type")]
    pub kind: u8,
    /// How many it hears.
    pub report_count: usize,
    /// Those.
    pub report_blocks: Vec<Heard>,
}

/// What was sent so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// Seconds of the NTP time.
    pub ntp_timestamp_sec: u32,
    /// Their fraction, of 2^32; the name is Homer's.
    pub ntp_timestamp_usec: u32,
    /// The same moment on the stream's clock.
    pub rtp_timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Bytes of sound.
    pub octets: u32,
}

/// How one stream was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Whose.
    pub source_ssrc: u32,
    /// Of 256 packets since the last report.
    pub fraction_lost: u8,
    /// So far, 24 bits.
    pub packets_lost: u32,
    /// Sequence number, extended.
    pub highest_seq_no: u32,
    /// In units of the stream's clock.
    pub ia_jitter: u32,
    /// The last sender's report, the middle of its NTP time.
    pub lsr: u32,
    /// Time since it came, of 65,536 a second.
    pub dlsr: u32,
}

/// The reports of a compound packet.
pub fn reports(bytes: &[u8]) -> Vec<Report> {
    let Ok(compound) = Compound::parse(bytes) else { return Vec::new() };
    let read = |packet: Packet<'_>| match packet {
        Packet::Sr(report) => {
            let ntp = report.ntp_timestamp();
            let sender = Sender {
                ntp_timestamp_sec: (ntp >> 32) as u32,
                ntp_timestamp_usec: ntp as u32,
                rtp_timestamp: report.rtp_timestamp(),
                packets: report.packet_count(),
                octets: report.octet_count(),
            };
            Some(of(200, report.ssrc(), Some(sender), report.report_blocks()))
        }
        Packet::Rr(report) => Some(of(201, report.ssrc(), None, report.report_blocks())),
        _ => None,
    };
    compound.filter_map(|packet| read(packet.ok()?)).take(REPORTS_MAX).collect()
}

fn of<'p>(kind: u8, ssrc: u32, sender: Option<Sender>, blocks: impl Iterator<Item = ReportBlock<'p>>) -> Report {
    let heard = |block: ReportBlock<'_>| Heard {
        source_ssrc: block.ssrc(),
        fraction_lost: block.fraction_lost(),
        packets_lost: block.cumulative_lost(),
        highest_seq_no: block.extended_sequence_number(),
        ia_jitter: block.interarrival_jitter(),
        lsr: block.last_sender_report_timestamp(),
        dlsr: block.delay_since_last_sender_report_timestamp(),
    };
    let report_blocks: Vec<Heard> = blocks.map(heard).collect();
    Report { sender_information: sender, ssrc, kind, report_count: report_blocks.len(), report_blocks }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcp_types::{ReceiverReport, RtcpPacketWriterExt};

    #[test]
    fn no_packet_tells_more_reports_than_there_may_be_and_a_broken_one_none() {
        let mut receiver = [0; 8];
        assert_eq!(ReceiverReport::builder(7).write_into(&mut receiver).unwrap_or(0), 8);
        let told_of = |reports: usize| super::reports(&receiver.repeat(reports)).len();
        assert_eq!([1, REPORTS_MAX, REPORTS_MAX + 1].map(told_of), [1, REPORTS_MAX, REPORTS_MAX]);
        assert_eq!([&b""[..], b"x", &receiver[..7]].map(|bytes| super::reports(bytes).len()), [0; 3]);
    }
}
