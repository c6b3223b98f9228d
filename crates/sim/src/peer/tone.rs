//! Tones and how they are recognised: a second, independent reading of G.711, and Goertzel's filter.

use busyhour_model::{G711, Time};

/// Samples in a 20 ms packet.
pub(super) const FRAME: usize = 160;
/// A tone counts as heard after so many frames of it in a row (160 ms).
const RUN_MIN: u32 = 8;
/// Share of a frame's energy the tone must have.
const PURITY_MIN: f64 = 0.7;
/// Mean square below which a frame is silence (-46 dBm0 or so).
const SILENCE: f64 = 10_000.0;

/// 20 ms of a sine at `hertz` (a multiple of 50, so that frames join without a click), encoded.
pub(super) fn tone_frame(codec: G711, hertz: u32) -> [u8; FRAME] {
    std::array::from_fn(|n| {
        let angle = 2.0 * std::f64::consts::PI * f64::from(hertz) * n as f64 / 8000.0;
        encode(codec, (angle.sin() * 8000.0) as i16)
    })
}

/// One sample encoded as ITU-T G.711 says.
fn encode(codec: G711, sample: i16) -> u8 {
    match codec {
        G711::A => {
            let (level, mask) = if sample >= 0 { (sample >> 3, 0xD5) } else { (-(sample >> 3) - 1, 0x55) };
            let segment = (16 - (level as u16 | 0x1F).leading_zeros()).saturating_sub(5) as u8;
            let shift = segment.max(1);
            ((segment << 4) | ((level >> shift) as u8 & 0x0F)) ^ mask
        }
        G711::Mu => {
            let (level, mask) = if sample < 0 { (-(sample >> 2), 0x7F) } else { (sample >> 2, 0xFF) };
            let biased = level.min(8158) + 33;
            let segment = (16 - (biased as u16 | 0x3F).leading_zeros()).saturating_sub(6) as u8;
            ((segment << 4) | ((biased >> (segment + 1)) as u8 & 0x0F)) ^ mask
        }
    }
}

/// One byte decoded as ITU-T G.711 says.
fn decode(codec: G711, byte: u8) -> i16 {
    match codec {
        G711::A => {
            let byte = byte ^ 0x55;
            let (mantissa, segment) = (i16::from(byte & 0x0F) << 4, (byte & 0x70) >> 4);
            let level = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
            if byte & 0x80 != 0 { level } else { -level }
        }
        G711::Mu => {
            let byte = !byte;
            let level = ((i16::from(byte & 0x0F) << 3) + 0x84) << ((byte & 0x70) >> 4);
            if byte & 0x80 != 0 { 0x84 - level } else { level - 0x84 }
        }
    }
}

/// What was heard on a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// Packets of sound.
    pub packets: u32,
    /// Packets that were not silent.
    pub sound: u32,
    /// Packets with the partner's tone.
    pub tone: u32,
    /// Packets of which the sequence numbers say that they never came.
    pub lost: u32,
    /// When the first sound began.
    pub first_sound: Option<Time>,
    /// When the partner's tone began for the first time: at least 160 ms of it in a row.
    pub first_tone: Option<Time>,
    /// When the partner's tone was last there.
    pub last_tone: Option<Time>,
    /// Root mean square of the packets with the tone, in 16-bit sample units; 5657 is what peers send.
    pub tone_level: f64,
}

/// Listens for one tone.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    coefficient: f64,
    heard: Heard,
    run: u32,
    run_start: Time,
    tone_energy: f64,
}

impl Meter {
    /// Listens for `hertz`.
    pub(super) fn new(hertz: u32) -> Meter {
        let coefficient = 2.0 * (2.0 * std::f64::consts::PI * f64::from(hertz) / 8000.0).cos();
        Meter { coefficient, heard: Heard::default(), run: 0, run_start: Time::ZERO, tone_energy: 0.0 }
    }

    /// One packet's payload; `lost` packets before it never came.
    pub(super) fn hear(&mut self, now: Time, codec: G711, payload: &[u8], lost: u32) {
        self.heard.packets += 1;
        self.heard.lost += lost;
        let (energy, tone) = self.measure(codec, payload);
        if energy > SILENCE {
            self.heard.sound += 1;
            self.heard.first_sound.get_or_insert(now);
        }
        if energy <= SILENCE || tone < PURITY_MIN {
            self.run = 0;
            return;
        }
        if self.run == 0 {
            self.run_start = now;
        }
        self.run += 1;
        self.heard.tone += 1;
        self.tone_energy += energy;
        self.heard.tone_level = (self.tone_energy / f64::from(self.heard.tone)).sqrt();
        if self.run >= RUN_MIN {
            self.heard.first_tone.get_or_insert(self.run_start);
            self.heard.last_tone = Some(now);
        }
    }

    /// Mean square of the samples, and the tone's share of it.
    fn measure(&self, codec: G711, payload: &[u8]) -> (f64, f64) {
        let (mut s1, mut s2, mut energy) = (0.0, 0.0, 0.0);
        for &byte in payload {
            let x = f64::from(decode(codec, byte));
            energy += x * x;
            (s1, s2) = (x + self.coefficient * s1 - s2, s1);
        }
        let power = s1 * s1 + s2 * s2 - self.coefficient * s1 * s2;
        let n = payload.len().max(1) as f64;
        (energy / n, if energy > 0.0 { power * 2.0 / (n * energy) } else { 0.0 })
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> &Heard {
        &self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_word_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            assert_eq!(encode(G711::A, decode(G711::A, byte)), byte, "A-law {byte:#x}");
            let negative_zero = byte == 0x7F;
            assert_eq!(
                encode(G711::Mu, decode(G711::Mu, byte)),
                if negative_zero { 0xFF } else { byte },
                "µ-law {byte:#x}"
            );
        }
    }

    #[test]
    fn a_tone_is_told_from_another_from_silence_and_from_noise() {
        let mut noise = [0u8; FRAME];
        let mut seed = 1u32;
        for byte in &mut noise {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        for codec in [G711::A, G711::Mu] {
            let frames = [
                (tone_frame(codec, 1100), true),
                (tone_frame(codec, 1900), false),
                (tone_frame(codec, 1150), false),
                ([encode(codec, 0); FRAME], false),
                (noise, false),
            ];
            for (frame, expected) in frames {
                let mut meter = Meter::new(1100);
                for n in 0..RUN_MIN {
                    meter.hear(Time::from_micros(20_000 * u64::from(n)), codec, &frame, 0);
                }
                assert_eq!(meter.heard().first_tone.is_some(), expected, "{codec:?} {:?}", meter.heard());
            }
        }
    }
}
