//! Sound of any usual rate at 8 kHz, without what 8 kHz cannot carry.

use std::f64::consts::{PI, TAU};

/// Rates that are taken, in hertz.
pub(crate) const RATES: [u32; 8] = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
/// How far the low pass reaches to each side, in seconds: everything above 4 kHz ends more than 60 dB down.
const REACH: f64 = 63.0 / 16_000.0;
/// Where it begins to cut, in hertz.
const EDGE: f64 = 3_650.0;
const WANTED: u32 = 8_000;

/// The sound at 8 kHz after a low pass (windowed sinc, Blackman), in step with what came at `rate`, one of [`RATES`].
pub(crate) fn lowered(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == WANTED {
        return samples.to_vec();
    }
    let common = gcd(rate, WANTED);
    let (step, phases) = ((rate / common) as usize, (WANTED / common) as usize);
    let reach = (REACH * f64::from(rate)).ceil() as usize;
    let filters: Vec<Vec<f64>> =
        (0..phases).map(|phase| filter((phase * step % phases) as f64 / phases as f64, reach, rate.into())).collect();
    let at = |n: usize| {
        let (first, filter) = ((n * step / phases) as isize - reach as isize, &filters[n % phases]);
        let sample = |at: isize| usize::try_from(at).ok().and_then(|at| samples.get(at)).copied().unwrap_or(0);
        let sum: f64 = (first..).zip(filter).map(|(at, weight)| weight * f64::from(sample(at))).sum();
        sum.round().clamp(i16::MIN.into(), i16::MAX.into()) as i16
    };
    (0..samples.len() * phases / step).map(at).collect()
}

/// The weights of the samples around a place that is `part` of a sample behind the middle one.
fn filter(part: f64, reach: usize, rate: f64) -> Vec<f64> {
    let weight = |n: usize| {
        let x = n as f64 - reach as f64 - part;
        let sinc = if x == 0.0 { 2.0 * EDGE / rate } else { (TAU * EDGE / rate * x).sin() / (PI * x) };
        let turn = (x / (reach as f64 + 1.0)).clamp(-1.0, 1.0) * PI;
        sinc * (0.42 + 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())
    };
    let weights: Vec<f64> = (0..2 * reach + 2).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    fn sine(hertz: f64, rate: u32) -> Vec<i16> {
        (0..rate).map(|n| (16_000.0 * (TAU * hertz * f64::from(n) / f64::from(rate)).sin()) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_level_and_leaves_no_alias() {
        let full = tone::level(&sine(250.0, 8_000), 250.0);
        for rate in &RATES[1..] {
            let level = |hertz: f64, heard: f64| tone::level(&lowered(&sine(hertz, *rate), *rate)[200..7_800], heard);
            for hertz in [300.0, 1_000.0, 3_000.0, 3_300.0] {
                assert!((level(hertz, hertz) - full).abs() < 0.5, "{rate} {hertz}: {}", level(hertz, hertz));
            }
            for hertz in [4_100.0, 4_600.0, 5_000.0, 5_400.0, 6_000.0, 7_000.0, 7_700.0] {
                if hertz * 2.0 < f64::from(*rate) {
                    let alias = level(hertz, 8_000.0 - hertz) - full;
                    assert!(alias < -40.0, "{rate}: {hertz} comes back at {alias} dB");
                }
            }
            assert_eq!(lowered(&sine(500.0, *rate), *rate).len(), 8_000);
        }
    }

    #[test]
    fn sound_stays_where_it_was() {
        for rate in RATES {
            let mut click = vec![0; rate as usize];
            click[rate as usize / 2] = 30_000;
            let heard = lowered(&click, rate);
            let loudest = (0..heard.len()).max_by_key(|at| heard[*at]);
            assert_eq!(loudest, Some(4_000), "{rate}");
        }
    }
}
