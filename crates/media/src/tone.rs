//! A sine to send and a Goertzel filter to find it again, to prove that sound went through.

use crate::SAMPLE_RATE;
use std::f64::consts::TAU;

/// The level of a full-scale sine in A-law (ITU-T G.711 section 4).
#[allow(clippy::approx_constant, reason = "decibels, not pi")]
pub const FULL_SCALE_DBM0: f64 = 3.14;

/// A sine without end.
#[derive(Clone, Debug)]
pub struct Sine {
    hertz: f64,
    amplitude: f64,
    sample: u64,
}

impl Sine {
    /// A tone of `hertz` at `dbm0`; louder than 3.14 dBm0 clips.
    pub fn new(hertz: f64, dbm0: f64) -> Sine {
        Sine { hertz, amplitude: amplitude(dbm0), sample: 0 }
    }
}

impl Iterator for Sine {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        let phase = TAU * (self.hertz * self.sample as f64 / SAMPLE_RATE as f64).fract();
        self.sample += 1;
        Some((self.amplitude * phase.sin()).round() as i16)
    }
}

/// The peak in 16-bit steps of a sine of `dbm0`.
pub fn amplitude(dbm0: f64) -> f64 {
    32_767.0 * 10f64.powf((dbm0 - FULL_SCALE_DBM0) / 20.0)
}

/// The level in dBm0 of `hertz` within the samples; -infinity when there are none. Resolution is 8000 / samples hertz.
pub fn level(samples: &[i16], hertz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hertz / SAMPLE_RATE as f64).cos();
    let (mut s1, mut s2) = (0.0, 0.0);
    for sample in samples {
        (s1, s2) = (*sample as f64 + coefficient * s1 - s2, s1);
    }
    let power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
    let peak = 2.0 * power.max(0.0).sqrt() / samples.len() as f64;
    if samples.is_empty() { f64::NEG_INFINITY } else { 20.0 * (peak / 32_767.0).log10() + FULL_SCALE_DBM0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_own_frequency_and_level_only() {
        for (hertz, dbm0) in [(400.0, -10.0), (450.0, -20.0), (1000.0, 0.0), (2800.0, -35.0)] {
            let samples: Vec<i16> = Sine::new(hertz, dbm0).take(1600).collect();
            assert!((level(&samples, hertz) - dbm0).abs() < 0.2, "{hertz} Hz at {}", level(&samples, hertz));
            assert!(level(&samples, hertz + 100.0) < dbm0 - 30.0, "{hertz} Hz leaks");
        }
        assert_eq!(level(&[], 400.0), f64::NEG_INFINITY);
        assert_eq!(level(&[0; 160], 400.0), f64::NEG_INFINITY);
    }
}
