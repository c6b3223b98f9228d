//! Opus (RFC 6716) by libopus' port to Rust: at 8 kHz as telephone speech, at 16 kHz where both sides know wideband.

use crate::SAMPLE_RATE;
use ropus::{Application, Channels, DecodeMode, Decoder, Encoder, OpusRepacketizer};
use serde::{Deserialize, Serialize};

/// The longest packet, in samples at 8 kHz: 120 ms.
const PACKET_MAX: usize = 960;
/// The same at 16 kHz.
const SAMPLES_MAX: usize = 2 * PACKET_MAX;
/// Bytes of the longest frame (RFC 6716 section 3.4).
const FRAME_BYTES_MAX: usize = 1_275;
/// Bytes of the longest packet we make.
const PACKET_BYTES_MAX: usize = 12 * FRAME_BYTES_MAX;
/// Samples at 8 kHz of the frames Opus has, the longest first: 60, 40, 20, 10, 5 and 2.5 ms.
const FRAMES: [usize; 6] = [480, 320, 160, 80, 40, SHORTEST];
/// Of the shortest.
const SHORTEST: usize = 20;

/// Both ways of one stream, each made when it is needed and for the rate that is needed: who is only relayed needs none. After a
/// snapshot they begin anew.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Opus {
    #[serde(skip)]
    encoder: Option<(u32, Encoder)>,
    #[serde(skip)]
    decoder: Option<(u32, Decoder)>,
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
    /// Appends the samples of a packet, at this rate; nothing when it is broken.
    pub(crate) fn decode(&mut self, rate: u32, packet: &[u8], heard: &mut Vec<i16>) {
        if self.decoder.as_ref().is_none_or(|(made_for, _)| *made_for != rate) {
            self.decoder = Decoder::new(rate, Channels::Mono).ok().map(|decoder| (rate, decoder));
        }
        let Some((_, decoder)) = &mut self.decoder else { return };
        let mut samples = [0; SAMPLES_MAX];
        let room = &mut samples[..PACKET_MAX * (rate / SAMPLE_RATE) as usize];
        let len = decoder.decode(packet, room, DecodeMode::Normal).unwrap_or(0);
        heard.extend_from_slice(&samples[..len]);
    }

    /// Appends the packet of these samples at this rate. Beyond 120 ms they are left out; to what is no multiple of 2.5 ms the last
    /// sample is added until it is.
    pub(crate) fn encode(&mut self, rate: u32, samples: impl Iterator<Item = i16>, packet: &mut Vec<u8>) {
        if self.encoder.as_ref().is_none_or(|(made_for, _)| *made_for != rate) {
            let encoder = Encoder::builder(rate, Channels::Mono, Application::Voip).build();
            self.encoder = encoder.ok().map(|encoder| (rate, encoder));
        }
        let Some((_, encoder)) = &mut self.encoder else { return };
        let (mut sound, times) = ([0; SAMPLES_MAX], (rate / SAMPLE_RATE) as usize);
        let said = samples.zip(&mut sound[..PACKET_MAX * times]).map(|(sample, place)| *place = sample).count();
        let len = said.next_multiple_of(SHORTEST * times);
        let last = said.checked_sub(1).map_or(0, |last| sound[last]);
        sound[said..len].fill(last);
        // A packet's frames are all of one length (RFC 6716 section 3.2).
        let mut frames = FRAMES.into_iter().map(|frame| frame * times);
        let Some(frame) = frames.find(|frame| len > 0 && len.is_multiple_of(*frame)) else { return };
        let mut bytes = [0; PACKET_BYTES_MAX];
        let (mut room, mut packer) = (&mut bytes[..], OpusRepacketizer::new());
        for samples in sound[..len].chunks_exact(frame) {
            let most = room.len().min(FRAME_BYTES_MAX);
            let Ok(coded) = encoder.encode(samples, &mut room[..most]) else { return };
            let (one, rest) = room.split_at_mut(coded);
            packer.cat(one, coded as i32);
            room = rest;
        }
        let mut whole = [0; PACKET_BYTES_MAX];
        let coded = packer.out(&mut whole, PACKET_BYTES_MAX as i32);
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

    /// What is heard of a tone in packets of so many samples at this rate, and of how many samples at 8 kHz each was.
    fn through(rate: u32, len: usize, hertz: f64) -> (Vec<i16>, Vec<u32>) {
        let (mut near, mut far) = (Opus::default(), Opus::default());
        // The tools know 8 kHz: at 16 kHz the same samples are a tone an octave higher.
        let said: Vec<i16> = Sine::new(hertz * 8_000.0 / f64::from(rate), -10.0).take(19_200 / len * len).collect();
        let (mut heard, mut lens) = (Vec::new(), Vec::new());
        for frame in said.chunks_exact(len) {
            let mut packet = Vec::new();
            near.encode(rate, frame.iter().copied(), &mut packet);
            lens.push(samples(&packet));
            far.decode(rate, &packet, &mut heard);
        }
        (heard, lens)
    }

    #[test]
    fn a_tone_in_packets_of_any_length_comes_through() {
        for len in [20, 40, 100, 160, 240, 440, 960] {
            for (rate, hertz) in [(8_000, 440.0), (16_000, 440.0), (16_000, 5_000.0)] {
                let times = (rate / 8_000) as usize;
                let (heard, lens) = through(rate, len * times, hertz);
                assert!(lens.iter().all(|told| *told as usize == len), "{len}: {lens:?}");
                assert_eq!(heard.len(), lens.len() * len * times);
                let lost = level(&heard[8_000..], hertz * 8_000.0 / f64::from(rate)) + 10.0;
                assert!(lost.abs() < 1.5, "{len} at {rate}: {hertz} Hz loses {lost} dB");
            }
        }
    }

    #[test]
    fn what_is_no_multiple_of_its_frames_is_filled_up_and_what_is_too_long_cut_off() {
        for (len, told) in [(1, 20), (79, 80), (81, 100), (163, 180), (961, 960)] {
            let (_, lens) = through(8_000, len, 440.0);
            assert!(lens.iter().all(|one| *one == told), "{len}: {lens:?}");
        }
        let mut packet = Vec::new();
        Opus::default().encode(8_000, std::iter::empty(), &mut packet);
        assert_eq!(packet, [], "of nothing nothing is made");
    }

    #[test]
    fn any_bytes_are_sound_or_none() {
        let mut seed = busyhour_model::Seed(5);
        let (mut opus, mut heard) = (Opus::default(), Vec::new());
        for n in 0..500 {
            let len = seed.draw() as usize % 80;
            let packet: Vec<u8> = (0..len).map(|_| seed.draw() as u8).collect();
            heard.clear();
            opus.decode(if n % 100 < 50 { 8_000 } else { 16_000 }, &packet, &mut heard);
            assert!(heard.len() <= SAMPLES_MAX && samples(&packet) <= PACKET_MAX as u32);
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
