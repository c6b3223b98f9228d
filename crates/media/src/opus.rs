//! Opus (RFC 6716) by libopus' port to Rust, at 8 kHz: telephone speech is all we have to say, and all we record.

use crate::g711;
use ropus::{Application, Channels, DecodeMode, Decoder, Encoder, OpusRepacketizer};
use serde::{Deserialize, Serialize};

/// The longest packet, in samples: 120 ms.
const PACKET_MAX: usize = 960;
/// Bytes of the longest frame (RFC 6716 section 3.4).
const FRAME_BYTES_MAX: usize = 1_275;
/// Samples of the frames Opus has, the longest first: 60, 40, 20 and 10 ms.
const FRAMES: [usize; 4] = [480, 320, 160, 80];
/// Frames we put into one packet.
const FRAMES_MAX: usize = 6;

/// Both ways of one stream, each made when it is needed: who is only relayed needs none. After a snapshot they begin anew.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Opus {
    #[serde(skip)]
    encoder: Option<Encoder>,
    #[serde(skip)]
    decoder: Option<Decoder>,
}

impl Clone for Opus {
    fn clone(&self) -> Opus {
        Opus::default()
    }
}

impl std::fmt::Debug for Opus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opus")
    }
}

impl Opus {
    /// Appends the A-law of a packet; nothing when it is broken.
    pub(crate) fn decode(&mut self, packet: &[u8], sound: &mut Vec<u8>) {
        if self.decoder.is_none() {
            self.decoder = Decoder::new(8_000, Channels::Mono).ok();
        }
        let mut samples = [0; PACKET_MAX];
        let decoded = self.decoder.as_mut().map(|decoder| decoder.decode(packet, &mut samples, DecodeMode::Normal));
        let len = decoded.and_then(Result::ok).unwrap_or(0);
        sound.extend(samples[..len].iter().map(|sample| g711::encode_a(*sample)));
    }

    /// Appends the packet of these samples, which are a multiple of 10 ms and no more than 60.
    pub(crate) fn encode(&mut self, samples: impl Iterator<Item = i16>, packet: &mut Vec<u8>) {
        if self.encoder.is_none() {
            self.encoder = Encoder::builder(8_000, Channels::Mono, Application::Voip).build().ok();
        }
        let Some(encoder) = &mut self.encoder else { return };
        let mut sound = [0; FRAMES[0]];
        let len = samples.zip(&mut sound).map(|(sample, place)| *place = sample).count();
        // A packet's frames are all of one length (RFC 6716 section 3.2).
        let Some(frame) = FRAMES.into_iter().find(|frame| len > 0 && len.is_multiple_of(*frame)) else { return };
        let mut bytes = [[0; FRAME_BYTES_MAX]; FRAMES_MAX];
        let mut packer = OpusRepacketizer::new();
        for (samples, bytes) in sound[..len].chunks_exact(frame).zip(&mut bytes) {
            let Ok(coded) = encoder.encode(samples, bytes) else { return };
            packer.cat(&bytes[..coded], coded as i32);
        }
        let mut whole = [0; FRAMES_MAX * FRAME_BYTES_MAX];
        let coded = packer.out(&mut whole, (FRAMES_MAX * FRAME_BYTES_MAX) as i32);
        packet.extend_from_slice(&whole[..coded.max(0) as usize]);
    }
}

/// Samples at 8 kHz of a packet, by its first bytes (RFC 6716 section 3.1); a broken one has none.
pub(crate) fn samples(packet: &[u8]) -> u32 {
    let Some(first) = packet.first() else { return 0 };
    let (config, frames) = (first >> 3, first & 3);
    let frame = match config {
        0..=11 => [80, 160, 320, 480][usize::from(config & 3)],
        12..=15 => [80, 160][usize::from(config & 1)],
        _ => [20, 40, 80, 160][usize::from(config & 3)],
    };
    let frames = match frames {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u32::from(count & 0x3F)),
    };
    Some(frame * frames).filter(|samples| *samples <= PACKET_MAX as u32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Sine, level};

    #[test]
    fn a_tone_in_packets_of_any_length_comes_through() {
        for len in (80..=480).step_by(80) {
            let (mut near, mut far) = (Opus::default(), Opus::default());
            let said: Vec<i16> = Sine::new(440.0, -10.0).take(48_000 / len * len).collect();
            let mut heard = Vec::new();
            for frame in said.chunks_exact(len) {
                let mut packet = Vec::new();
                near.encode(frame.iter().copied(), &mut packet);
                assert_eq!(samples(&packet) as usize, len);
                let before = heard.len();
                far.decode(&packet, &mut heard);
                assert_eq!(heard.len() - before, len);
            }
            let heard: Vec<i16> = heard.iter().map(|code| g711::decode_a(*code)).collect();
            let lost = level(&heard[8_000..], 440.0) + 10.0;
            assert!(lost.abs() < 1.0, "{len}: {lost} dB");
        }
    }

    #[test]
    fn any_bytes_are_sound_or_none() {
        let mut seed = busyhour_model::Seed(5);
        let (mut opus, mut heard) = (Opus::default(), Vec::new());
        for _ in 0..500 {
            let len = seed.draw() as usize % 80;
            let packet: Vec<u8> = (0..len).map(|_| seed.draw() as u8).collect();
            heard.clear();
            opus.decode(&packet, &mut heard);
            assert!(heard.len() <= PACKET_MAX && samples(&packet) <= PACKET_MAX as u32);
        }
    }

    #[test]
    fn the_length_of_a_packet_is_in_its_first_bytes() {
        for (packet, len) in [
            (&[][..], 0),
            (&[0x00], 80),
            (&[0x18], 480),
            (&[0x68], 160),
            (&[0x80], 20),
            (&[0xF8], 160),
            (&[0xF9], 320),
            (&[0xFB, 0x03], 480),
            (&[0xFB], 0),
            (&[0xFB, 0x3F], 0),
        ] {
            assert_eq!(samples(packet), len, "{packet:02x?}");
        }
    }
}
