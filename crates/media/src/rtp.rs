//! The RTP packet of RFC 3550 section 5.1: read by rtp-rs, written without an allocation.

use rtp_rs::RtpReader;
use serde::{Deserialize, Serialize};

/// The fixed header's length in bytes.
pub const HEADER_LEN: usize = 12;

/// The static payload type of comfort noise at 8 kHz (RFC 3389 section 5.1).
pub const COMFORT_NOISE: u8 = 13;

/// The fields of the fixed header that differ from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// First packet of a talkspurt, or of an event.
    pub marker: bool,
    /// 0-127.
    pub payload_type: u8,
    /// One more for each packet sent.
    pub sequence: u16,
    /// Of the first sample, in 1/8000 s.
    pub timestamp: u32,
    /// The sender.
    pub ssrc: u32,
}

/// The header and payload of a well-formed packet; CSRCs, extension and padding are left out.
pub fn read(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let packet = RtpReader::new(bytes).ok()?;
    let header = Header {
        marker: packet.mark(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence_number().into(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
    };
    Some((header, packet.payload()))
}

impl Header {
    /// The 12 bytes on the wire: version 2, no padding, extension or CSRC.
    pub fn bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 0x80;
        bytes[1] = self.payload_type & 0x7F | (self.marker as u8) << 7;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }

    /// Header and payload behind what is already in `out`.
    pub fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes());
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp_rs::{RtpPacketBuilder, Seq};

    #[test]
    fn what_we_write_is_what_rtp_rs_writes_and_reads() {
        for (marker, sequence, timestamp) in [(false, 0, 0), (true, 0xFFFF, u32::MAX), (false, 0x1234, 0xDEAD_BEEF)] {
            let header = Header { marker, payload_type: 101, sequence, timestamp, ssrc: 0xCAFE_F00D };
            let mut ours = vec![];
            header.write(&[1, 2, 3], &mut ours);
            let theirs = RtpPacketBuilder::new()
                .payload_type(101)
                .marked(marker)
                .sequence(Seq::from(sequence))
                .timestamp(timestamp)
                .ssrc(0xCAFE_F00D)
                .payload(&[1, 2, 3])
                .build();
            assert_eq!(ours, theirs.unwrap());
            assert_eq!(read(&ours), Some((header, &[1, 2, 3][..])));
        }
    }

    #[test]
    fn padding_extension_and_csrcs_are_stepped_over_and_lies_about_them_refused() {
        let theirs = RtpPacketBuilder::new()
            .payload_type(8)
            .add_csrc(7)
            .add_csrc(8)
            .extension(0xBEDE, &[0; 8])
            .padded(rtp_rs::Pad::round_to(4))
            .payload(&[9; 5])
            .build()
            .unwrap();
        assert_eq!(read(&theirs).unwrap().1, [9; 5]);
        for cut in 0..theirs.len() - 4 {
            let _ = read(&theirs[..cut]);
        }
        let mut padding_too_long = theirs;
        *padding_too_long.last_mut().unwrap() = 200;
        assert_eq!(read(&padding_too_long), None);
        assert_eq!(read(&[0x40; 20]), None, "version 1");
        assert_eq!(read(&[0x80; 11]), None, "short");
    }
}
