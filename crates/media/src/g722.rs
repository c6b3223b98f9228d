//! ITU-T G.722 at 64 kbit/s: 16 kHz speech in two sub-bands of ADPCM, 6 bits for the lower and 2 for the upper, a byte per two samples.
//!
//! Whoever needs 8 kHz only takes the lower band as it is: its samples are speech at 8 kHz, and the filters between the bands are left out.

use serde::{Deserialize, Serialize};

/// Coefficients of the quadrature mirror filters, one half of 24 (table 4/G.722).
const FILTER: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Of the lower band: decision levels, and the codes of negative and positive differences (tables 14 and 17/G.722).
const LEVELS: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Outputs of the inverse quantisers of 6, 4 and 2 bits by code (tables 15, 16 and 18/G.722).
const OUT_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
const OUT_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const OUT_2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// What a code adds to the logarithm of its band's scale (tables 19 and 20/G.722).
const SCALE_4: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
const SCALE_2: [i32; 4] = [798, -214, 798, -214];
/// 2048 x 2^(n/32) (table 21/G.722).
const POWERS: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

/// Speech to bytes. The state of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    lower: Band,
    upper: Band,
    past: [i32; 24],
}

/// Bytes to speech. The state of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoder {
    lower: Band,
    upper: Band,
    past: [i32; 24],
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { lower: Band::lower(), upper: Band::upper(), past: [0; 24] }
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder { lower: Band::lower(), upper: Band::upper(), past: [0; 24] }
    }
}

impl Encoder {
    /// The byte of two samples at 16 kHz.
    pub fn encode(&mut self, pair: [i16; 2]) -> u8 {
        let [even, odd] = filtered(&mut self.past, pair.map(i32::from));
        self.code((even + odd) >> 14, (even - odd) >> 14)
    }

    /// The byte of one sample at 8 kHz.
    pub fn encode_narrow(&mut self, sample: i16) -> u8 {
        self.code(i32::from(sample) >> 1, 0)
    }

    fn code(&mut self, lower: i32, upper: i32) -> u8 {
        let code = self.lower.code_6(lower);
        self.lower.adapt_6(code);
        let high = self.upper.code_2(upper);
        self.upper.adapt_2(high);
        (high << 6) | code
    }
}

impl Decoder {
    /// Two samples at 16 kHz of a byte.
    pub fn decode(&mut self, byte: u8) -> [i16; 2] {
        self.decode_both(byte).0
    }

    /// Two samples at 16 kHz of a byte, and the one at 8 kHz.
    pub(crate) fn decode_both(&mut self, byte: u8) -> ([i16; 2], i16) {
        let (code, high) = (byte & 0x3F, byte >> 6);
        let lower = self.lower.heard(OUT_6[code as usize]);
        self.lower.adapt_6(code);
        let upper = self.upper.heard(OUT_2[high as usize]);
        self.upper.adapt_2(high);
        let pair = filtered(&mut self.past, [lower + upper, lower - upper]).map(|sum| saturated(sum >> 11) as i16);
        (pair, (lower << 1) as i16)
    }

    /// One sample at 8 kHz of a byte: the lower band.
    pub fn decode_narrow(&mut self, byte: u8) -> i16 {
        let code = byte & 0x3F;
        let lower = self.lower.heard(OUT_6[code as usize]);
        self.lower.adapt_6(code);
        (lower << 1) as i16
    }
}

/// Sound at 16 kHz to 8 kHz: the lower of the two bands (figure 4/G.722).
#[cfg(feature = "opus")]
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LowerBand {
    past: [i32; 24],
}

#[cfg(feature = "opus")]
impl LowerBand {
    /// One sample at 8 kHz of two at 16 kHz.
    pub(crate) fn of(&mut self, pair: [i16; 2]) -> i16 {
        let [even, odd] = filtered(&mut self.past, pair.map(i32::from));
        saturated((even + odd) >> 13) as i16
    }
}

/// Takes two samples in; the sums over the even and over the odd ones (figures 4 and 5/G.722).
fn filtered(past: &mut [i32; 24], pair: [i32; 2]) -> [i32; 2] {
    past.copy_within(2.., 0);
    past[22..].copy_from_slice(&pair);
    let mut sums = [0; 2];
    for (i, coefficient) in FILTER.iter().enumerate() {
        sums[1] += past[2 * i] * coefficient;
        sums[0] += past[2 * i + 1] * FILTER[11 - i];
    }
    sums
}

/// One sub-band: its predictor of two poles and six zeros, and its scale (figures 6 to 13/G.722).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Band {
    /// The scale, and its logarithm.
    scale: i32,
    log: i32,
    /// What the predictor foresees, and of it the share of the zeros.
    foreseen: i32,
    by_zeros: i32,
    /// Coefficients of the poles and of the zeros.
    poles: [i32; 2],
    zeros: [i32; 6],
    /// The newest first: reconstructed samples, partly reconstructed ones, differences.
    past: [i32; 2],
    partial: [i32; 2],
    differences: [i32; 6],
}

impl Band {
    fn of(scale: i32) -> Band {
        Band {
            scale,
            log: 0,
            foreseen: 0,
            by_zeros: 0,
            poles: [0; 2],
            zeros: [0; 6],
            past: [0; 2],
            partial: [0; 2],
            differences: [0; 6],
        }
    }

    fn lower() -> Band {
        Band::of(32)
    }

    fn upper() -> Band {
        Band::of(8)
    }

    /// What is heard of an inverse quantiser's output.
    fn heard(&self, out: i32) -> i32 {
        (self.foreseen + times(self.scale, out)).clamp(-16_384, 16_383)
    }

    fn code_6(&self, sample: i32) -> u8 {
        let difference = saturated(sample - self.foreseen);
        let magnitude = if difference < 0 { !difference } else { difference };
        let passed = |level: &i32| magnitude >= (level * self.scale) >> 12;
        let step = 1 + LEVELS[1..].iter().take_while(|level| passed(level)).count() as u8;
        match (difference < 0, step) {
            (true, 1 | 2) => 64 - step,
            (true, _) => 34 - step,
            (false, _) => 62 - step,
        }
    }

    fn code_2(&self, sample: i32) -> u8 {
        let difference = saturated(sample - self.foreseen);
        let magnitude = if difference < 0 { !difference } else { difference };
        let far = magnitude >= (564 * self.scale) >> 12;
        u8::from(!far) | if difference < 0 { 0 } else { 2 }
    }

    /// The predictor sees only the upper four bits of the lower band: what follows is the same when the others are lost.
    fn adapt_6(&mut self, code: u8) {
        let code = usize::from(code >> 2);
        let difference = times(self.scale, OUT_4[code]);
        self.adapt_scale(SCALE_4[code], 18_432, 8);
        self.adapt(difference);
    }

    fn adapt_2(&mut self, code: u8) {
        let code = usize::from(code);
        let difference = times(self.scale, OUT_2[code]);
        self.adapt_scale(SCALE_2[code], 22_528, 10);
        self.adapt(difference);
    }

    fn adapt_scale(&mut self, add: i32, max: i32, bits: i32) {
        self.log = (((self.log * 127) >> 7) + add).clamp(0, max);
        let power = POWERS[((self.log >> 6) & 31) as usize];
        let shift = bits - (self.log >> 11);
        let power = if shift < 0 { power << -shift } else { power >> shift };
        self.scale = power << 2;
    }

    fn adapt(&mut self, difference: i32) {
        let partial = saturated(self.by_zeros + difference);
        let alike = |other: i32| (partial < 0) == (other < 0);
        let [first, second] = self.poles;
        let turned = saturated(first << 2);
        let turned = if alike(self.partial[0]) { -turned } else { turned }.min(32_767);
        let pull = if alike(self.partial[1]) { 128 } else { -128 };
        let pole_2 = (pull + (turned >> 7) + times(second, 32_512)).clamp(-12_288, 12_288);
        let pull = if alike(self.partial[0]) { 192 } else { -192 };
        let room = saturated(15_360 - pole_2);
        let pole_1 = saturated(pull + times(first, 32_640)).clamp(-room, room);
        self.poles = [pole_1, pole_2];

        let step = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(&self.differences) {
            let pull = if (*past < 0) == (difference < 0) { step } else { -step };
            *zero = saturated(pull + times(*zero, 32_640));
        }

        self.past = [saturated(self.foreseen + difference), self.past[0]];
        self.partial = [partial, self.partial[0]];
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;

        let doubled = |past: i32, weight: i32| times(weight, saturated(2 * past));
        let by_poles = saturated(doubled(self.past[0], pole_1) + doubled(self.past[1], pole_2));
        let zeros = self.differences.iter().zip(&self.zeros);
        self.by_zeros = saturated(zeros.map(|(past, zero)| doubled(*past, *zero)).sum());
        self.foreseen = saturated(by_poles + self.by_zeros);
    }
}

/// A product of two numbers of 15 bits behind the point.
fn times(one: i32, other: i32) -> i32 {
    (one * other) >> 15
}

fn saturated(value: i32) -> i32 {
    value.clamp(-32_768, 32_767)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Sine, level};

    /// Four seconds at 16 kHz that drive the codec to its limits: loud noise, faint noise, a square wave, bursts between silence.
    fn hard() -> Vec<i16> {
        let mut state = 1u32;
        let sample = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 16) as i16;
            let square = |period: usize, height: i16| if n / period % 2 == 1 { height } else { -height };
            match n / 16_000 {
                0 => noise,
                1 => noise / 64,
                2 => square(37, 20_000) + noise / 256,
                _ if n % 4_000 < 2_000 => noise / 8 + square(5, 3_000),
                _ => 0,
            }
        };
        (0..64_000).map(sample).collect()
    }

    fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
        bytes
            .into_iter()
            .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
    }

    fn bytes(samples: &[i16]) -> impl Iterator<Item = u8> + '_ {
        samples.iter().flat_map(|sample| sample.to_le_bytes())
    }

    const ENCODED: u64 = 0x1A73_BEB3_9607_7333;
    const DECODED: u64 = 0xC17F_C4FC_764F_057E;
    const DECODED_NARROW: u64 = 0xE4E1_B6D3_D846_396D;

    /// The sums are those of two other programs, libg722 1.2.8 and (of the encoder) ffmpeg 5.1, on the same samples.
    #[test]
    fn every_bit_is_what_other_implementations_make_of_it() {
        let (input, mut encoder) = (hard(), Encoder::default());
        let codes: Vec<u8> = input.as_chunks::<2>().0.iter().map(|pair| encoder.encode(*pair)).collect();
        assert_eq!(fnv(codes.iter().copied()), ENCODED);
        let (mut decoder, mut narrow) = (Decoder::default(), Decoder::default());
        let wide: Vec<i16> = codes.iter().flat_map(|code| decoder.decode(*code)).collect();
        assert_eq!(fnv(bytes(&wide)), DECODED);
        let narrow: Vec<i16> = codes.iter().map(|code| narrow.decode_narrow(*code)).collect();
        assert_eq!(fnv(bytes(&narrow)), DECODED_NARROW);
    }

    #[test]
    fn any_bytes_are_sound() {
        let mut state = 77u32;
        let mut decoder = Decoder::default();
        let mut narrow = Decoder::default();
        for _ in 0..200_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (state >> 24) as u8;
            decoder.decode(byte);
            narrow.decode_narrow(byte);
        }
    }

    #[test]
    fn a_tone_keeps_its_level_and_pitch_also_beyond_the_telephone_band() {
        for hertz in [300.0, 1_000.0, 3_000.0, 6_000.0] {
            // The tools know 8 kHz: at 16 kHz the same samples are a tone an octave higher.
            let input: Vec<i16> = Sine::new(hertz / 2.0, -10.0).take(16_000).collect();
            let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
            let pairs = input.as_chunks::<2>().0.iter();
            let heard: Vec<i16> = pairs.flat_map(|pair| decoder.decode(encoder.encode(*pair))).collect();
            let lost = level(&heard[4_000..], hertz / 2.0) + 10.0;
            assert!(lost.abs() < 0.6, "{hertz} Hz: {lost} dB");
        }
    }

    #[test]
    fn narrow_speech_passes_through_both_ways() {
        let input: Vec<i16> = Sine::new(1_000.0, -10.0).take(8_000).collect();
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let heard: Vec<i16> =
            input.iter().map(|sample| decoder.decode_narrow(encoder.encode_narrow(*sample))).collect();
        assert!((level(&heard[800..], 1_000.0) + 10.0).abs() < 0.3);
    }
}
