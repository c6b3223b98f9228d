//! Sound of 16 kHz at half the rate, without what 8 kHz cannot carry.

use std::f64::consts::{PI, TAU};

/// Taps of the low pass: everything above 4 kHz ends more than 60 dB down.
const TAPS: usize = 127;
/// Where it begins to cut, in hertz.
const EDGE: f64 = 3_650.0;
const RATE: f64 = 16_000.0;

/// Every second sample after a low pass (windowed sinc, Blackman), in step with the sound.
pub(crate) fn halved(samples: &[i16]) -> Vec<i16> {
    let taps = taps();
    let middle = TAPS / 2;
    let at = |centre: usize| {
        let reach =
            |tap: usize| (centre + tap).checked_sub(middle).and_then(|at| samples.get(at)).copied().unwrap_or(0);
        let sum: f64 = taps.iter().enumerate().map(|(tap, weight)| weight * f64::from(reach(tap))).sum();
        sum.round().clamp(i16::MIN.into(), i16::MAX.into()) as i16
    };
    (0..samples.len()).step_by(2).map(at).collect()
}

fn taps() -> Vec<f64> {
    let last = (TAPS - 1) as f64;
    let tap = |n: usize| {
        let x = n as f64 - last / 2.0;
        let sinc = if x == 0.0 { 2.0 * EDGE / RATE } else { (TAU * EDGE / RATE * x).sin() / (PI * x) };
        let turn = TAU * n as f64 / last;
        sinc * (0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    };
    let taps: Vec<f64> = (0..TAPS).map(tap).collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    fn sine(hertz: f64) -> Vec<i16> {
        (0..16_000).map(|n| (16_000.0 * (TAU * hertz * f64::from(n) / RATE).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_level_and_leaves_no_alias() {
        let level = |hertz: f64, heard: f64| tone::level(&halved(&sine(hertz))[200..7_800], heard);
        let full = tone::level(&sine(500.0)[..8_000], 250.0);
        for hertz in [300.0, 1_000.0, 3_000.0, 3_300.0] {
            assert!((level(hertz, hertz) - full).abs() < 0.5, "{hertz}: {}", level(hertz, hertz));
        }
        for hertz in [4_100.0, 4_600.0, 5_000.0, 6_000.0, 7_000.0, 7_700.0] {
            let alias = level(hertz, 8_000.0 - hertz) - full;
            assert!(alias < -40.0, "{hertz} comes back at {alias} dB");
        }
        assert_eq!(halved(&sine(500.0)).len(), 8_000);
    }
}
