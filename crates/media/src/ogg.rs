//! Recordings as Ogg/Opus files (RFC 7845, 6716): two sides of A-law at 8 kHz in, pages out.

use crate::{SAMPLE_RATE, g711};
use ogg::writing::{PacketWriteEndInfo as End, PacketWriter};
use ropus::{OPUS_APPLICATION_VOIP, OPUS_SIGNAL_VOICE, OpusEncoder, OpusMSEncoder};
use thiserror::Error;

/// Sides of a conversation.
const SIDES: usize = 2;
/// Samples of a packet on each side: 60 ms, the longest, so that least is spent on what stands around the sound.
const FRAME: usize = 480;
/// Bytes of a packet: of each side three frames of the longest (RFC 6716 section 3.4).
const PACKET_BYTES_MAX: usize = SIDES * (3 * 1_275 + 8);
/// Bits per second of both sides together when both talk, an eighth of what A-law takes; of who listens there is next to nothing.
const BITS: i32 = 16_000;
/// How hard it looks for the best bits, 0-10: with 10 a file is as large, hardly better, and costs two thirds more.
const COMPLEXITY: i32 = 5;
/// Each side is a stream of its own, none a pair: as one pair of so few bits, each would be heard on the other.
const STREAMS: u8 = 2;
const PAIRS: u8 = 0;
const MAPPING: [u8; SIDES] = [0, 1];
/// Ticks of an Ogg/Opus file in a sample of ours (RFC 7845 section 4).
const TICKS: u64 = 6;
/// There is one stream in a file: which number it has does not matter.
const SERIAL: u32 = 1;

/// Opus takes no such sound.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the Opus encoder fails: {0}")]
pub struct OpusError(String);

/// A file being written.
pub struct OggOpus {
    encoder: OpusMSEncoder,
    pages: PacketWriter<'static, Vec<u8>>,
    /// Samples of both sides, in turn, that are no whole packet yet.
    rest: Vec<i16>,
    /// Samples of a side that were added.
    added: u64,
    /// Samples of a side that were encoded.
    encoded: u64,
    /// By so many samples sound comes later out of a decoder: players leave them out at the beginning.
    late: u64,
}

impl OggOpus {
    /// A file without sound.
    ///
    /// # Errors
    /// There is no such encoder.
    pub fn new() -> Result<OggOpus, OpusError> {
        let (rate, sides) = (SAMPLE_RATE as i32, SIDES as i32);
        let encoder = OpusMSEncoder::new(rate, sides, STREAMS.into(), PAIRS.into(), &MAPPING, OPUS_APPLICATION_VOIP);
        let mut encoder = encoder.map_err(failed)?;
        encoder.set_bitrate(BITS);
        encoder.set_complexity(COMPLEXITY);
        encoder.set_signal(OPUS_SIGNAL_VOICE);
        let late = encoder.get_encoder(0).map_or(0, OpusEncoder::get_lookahead).max(0) as u64;
        let pages = PacketWriter::new(Vec::new());
        let mut file = OggOpus { encoder, pages, rest: Vec::new(), added: 0, encoded: 0, late };
        file.put(head((late * TICKS) as u16), End::EndPage, 0)?;
        file.put(tags(), End::EndPage, 0)?;
        Ok(file)
    }

    /// Adds A-law of left and right in turn; what of the file is ready.
    ///
    /// # Errors
    /// The encoder does not take it.
    pub fn add(&mut self, codes: &[u8]) -> Result<Vec<u8>, OpusError> {
        self.added += (codes.len() / SIDES) as u64;
        self.rest.extend(codes.iter().map(|code| g711::decode_a(*code)));
        self.flush()?;
        Ok(self.ready())
    }

    /// The rest of it.
    ///
    /// # Errors
    /// As those of [`OggOpus::add`].
    pub fn finish(mut self) -> Result<Vec<u8>, OpusError> {
        // Silence pushes the end out.
        let short = (self.added + self.late).saturating_sub(self.encoded) as usize;
        self.rest.resize(short.next_multiple_of(FRAME) * SIDES, 0);
        let last = self.rest.split_off(self.rest.len() - FRAME * SIDES);
        self.flush()?;
        let packet = self.encode(&last)?;
        // The end says how much of the last packet is sound (RFC 7845 section 4.4).
        let end = (self.late + self.added) * TICKS;
        self.put(packet, End::EndStream, end)?;
        Ok(self.ready())
    }

    fn ready(&mut self) -> Vec<u8> {
        std::mem::take(self.pages.inner_mut())
    }

    fn flush(&mut self) -> Result<(), OpusError> {
        let whole = self.rest.len() / (FRAME * SIDES) * FRAME * SIDES;
        let samples = std::mem::take(&mut self.rest);
        for frame in samples[..whole].chunks_exact(FRAME * SIDES) {
            let packet = self.encode(frame)?;
            // Pages of a second are found fast by who jumps (RFC 7845 section 6).
            let second = self.encoded % u64::from(SAMPLE_RATE) < FRAME as u64;
            let end = if second { End::EndPage } else { End::NormalPacket };
            self.put(packet, end, self.encoded * TICKS)?;
        }
        self.rest = samples[whole..].to_vec();
        Ok(())
    }

    fn encode(&mut self, frame: &[i16]) -> Result<Vec<u8>, OpusError> {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let len = self.encoder.encode(frame, FRAME as i32, &mut packet, PACKET_BYTES_MAX as i32).map_err(failed)?;
        packet.truncate(len.max(0) as usize);
        self.encoded += FRAME as u64;
        Ok(packet)
    }

    fn put(&mut self, packet: Vec<u8>, end: End, position: u64) -> Result<(), OpusError> {
        self.pages.write_packet(packet, SERIAL, end, position).map_err(failed)
    }
}

fn failed(e: impl std::fmt::Display) -> OpusError {
    OpusError(e.to_string())
}

/// The first packet (RFC 7845 section 5.1).
fn head(skipped: u16) -> Vec<u8> {
    let [skip_low, skip_high] = skipped.to_le_bytes();
    let rate = SAMPLE_RATE.to_le_bytes();
    let (no_gain, family) = ([0; 2], 1);
    [&b"OpusHead\x01"[..], &[SIDES as u8, skip_low, skip_high], &rate, &no_gain, &[family, STREAMS, PAIRS], &MAPPING]
        .concat()
}

/// The second (RFC 7845 section 5.2): who made it, and no comments.
fn tags() -> Vec<u8> {
    [&b"OpusTags\x08\0\0\0busyhour"[..], &[0; 4]].concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tone::{Sine, level};
    use ogg::reading::PacketReader;
    use ropus::OpusMSDecoder;
    use std::io::Cursor;

    const SILENCE: u8 = 0xD5;

    /// `len` samples of a tone from a sample on, silence before.
    fn tone(hertz: f64, from: usize, len: usize) -> Vec<u8> {
        let tone = Sine::new(hertz, -12.0).map(g711::encode_a);
        std::iter::repeat_n(SILENCE, from).chain(tone).take(len).collect()
    }

    fn file(left: &[u8], right: &[u8], at_once: usize) -> Vec<u8> {
        let codes: Vec<u8> = left.iter().zip(right).flat_map(|(left, right)| [*left, *right]).collect();
        let mut ogg = OggOpus::new().unwrap();
        let mut file = Vec::new();
        for some in codes.chunks(at_once * SIDES) {
            file.extend(ogg.add(some).unwrap());
        }
        file.extend(ogg.finish().unwrap());
        file
    }

    /// What a player makes of it (RFC 7845 section 4), at 8 kHz.
    fn played(file: &[u8]) -> [Vec<i16>; 2] {
        let mut packets = PacketReader::new(Cursor::new(file));
        let head = packets.read_packet().unwrap().unwrap();
        assert!(head.first_in_stream() && head.data.starts_with(b"OpusHead\x01\x02"));
        let skipped = usize::from(u16::from_le_bytes([head.data[10], head.data[11]]));
        assert!(packets.read_packet().unwrap().unwrap().data.starts_with(b"OpusTags\x08\0\0\0busyhour\0\0\0\0"));
        let (mut decoder, mut sides, mut end) =
            (OpusMSDecoder::new(8_000, 2, 2, 0, &head.data[21..]).unwrap(), [Vec::new(), Vec::new()], None);
        while let Some(packet) = packets.read_packet().unwrap() {
            let mut samples = [0; FRAME * SIDES];
            let len = decoder.decode(Some(&packet.data), packet.data.len() as i32, &mut samples, FRAME as i32, false);
            assert_eq!(len, Ok(FRAME as i32));
            let [left, right] = &mut sides;
            samples.chunks_exact(2).for_each(|pair| {
                left.push(pair[0]);
                right.push(pair[1]);
            });
            end = packet.last_in_stream().then(|| packet.absgp_page() as usize);
        }
        let kept = skipped / 6..end.unwrap() / 6;
        sides.map(|side| side[kept.clone()].to_vec())
    }

    #[test]
    fn each_side_keeps_its_tone_its_level_and_its_time() {
        let len = 24_000;
        let (left, right) = (tone(620.0, 8_000, len), tone(350.0, 12_000, len));
        let sides = played(&file(&left, &right, 8_000));
        for (side, hertz, other, from) in [(0, 620.0, 350.0, 8_000), (1, 350.0, 620.0, 12_000)] {
            let heard = &sides[side];
            assert_eq!(heard.len(), len);
            let begins = heard.iter().position(|sample| sample.abs() > 1_500).unwrap();
            assert!(begins.abs_diff(from) <= 8, "side {side} begins {begins} of {from}");
            let alone = &heard[from + 400..from + 3_600];
            assert!((level(alone, hertz) + 12.0).abs() < 1.5, "side {side}: {} dBm0", level(alone, hertz));
            assert!(level(&heard[800..from - 400], hertz) < -60.0, "side {side} is not silent before");
            assert!(level(&heard[from + 400..], other) < -45.0, "side {side} hears the other");
        }
    }

    #[test]
    fn any_length_is_kept_to_the_sample_however_it_comes() {
        for len in [0, 1, 79, 427, 428, 429, 480, 8_000, 8_500] {
            let said = tone(620.0, 0, len);
            let (whole, torn) = (file(&said, &said, 8_000), file(&said, &said, 7));
            assert_eq!(played(&whole).map(|side| side.len()), [len; 2]);
            assert!(whole == torn, "{len} samples in pieces make another file");
        }
    }

    #[test]
    fn pages_have_a_second_of_sound() {
        let said = tone(620.0, 0, 80_000);
        let file = file(&said, &said, 8_000);
        let pages = file.windows(4).filter(|four| four == b"OggS").count();
        assert!((12..=14).contains(&pages), "{pages}");
        assert!(file.len() < 80_000 * 2 / 7, "{} bytes", file.len());
    }
}
