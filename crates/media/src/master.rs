//! Mastering: a voice as it comes from a synthesizer made a prompt for the telephone.

use crate::{SAMPLE_RATE, WavError, g711};
use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// Mean level of a prompt, dBFS (root mean square).
const LEVEL_DB: f64 = -20.0;
/// Rumble below this is no speech, in hertz.
const HIGH_PASS: f64 = 120.0;
/// Louder than this part of the loudest is sound, -42 dB: a quiet voice has quiet ends.
const THRESHOLD: f64 = 0.008;
/// Sound that is shorter than 10 ms is a click.
const CLICK: usize = 80;
/// Silence kept before and behind: 20 and 40 ms.
const EDGES: [usize; 2] = [160, 320];
/// Faded in and out so that no edge clicks: 10 and 20 ms.
const FADES: [usize; 2] = [80, 160];
/// Peaks above this are rounded, as a part of full scale.
const KNEE: f64 = 0.7;
/// The most that peaks are rounded to.
const TOP: f64 = 0.95;
const FULL_SCALE: f64 = 32_768.0;

/// Sound of 8 kHz as A-law: without rumble, its silent ends cut, faded, at the level of all prompts.
///
/// # Errors
/// There is no sound in it.
pub fn mastered(samples: &[i16]) -> Result<Vec<u8>, WavError> {
    let mut sound = high_passed(samples);
    trim(&mut sound);
    if sound.is_empty() {
        return Err(WavError::Empty);
    }
    pad_and_fade(&mut sound);
    level(&mut sound);
    Ok(sound.into_iter().map(|s| g711::encode_a((limited(s) * FULL_SCALE) as i16)).collect())
}

/// A second-order Butterworth filter; full scale becomes 1.
fn high_passed(samples: &[i16]) -> Vec<f64> {
    let turn = TAU * HIGH_PASS / f64::from(SAMPLE_RATE);
    let (cos, alpha) = (turn.cos(), turn.sin() * FRAC_1_SQRT_2);
    let scale = 1.0 + alpha;
    let (gain, back) = ((1.0 + cos) / 2.0 / scale, [-2.0 * cos / scale, (1.0 - alpha) / scale]);
    let (mut heard, mut said) = ([0.0; 2], [0.0; 2]);
    let step = |sample: &i16| {
        let x = f64::from(*sample) / FULL_SCALE;
        let y = gain * (x - 2.0 * heard[0] + heard[1]) - back[0] * said[0] - back[1] * said[1];
        (heard, said) = ([x, heard[0]], [y, said[0]]);
        y
    };
    samples.iter().map(step).collect()
}

/// Cuts what is silent or a click at either end.
fn trim(sound: &mut Vec<f64>) {
    let peak = sound.iter().fold(0.0, |peak: f64, s| peak.max(s.abs()));
    // The lowest bit is no voice at all.
    let threshold = (peak * THRESHOLD).max(1.0 / FULL_SCALE);
    let loud: Vec<bool> = sound.chunks(CLICK / 2).map(|part| part.iter().any(|s| s.abs() > threshold)).collect();
    let is_voice = |pair: &[bool]| pair.iter().all(|loud| *loud);
    let first = loud.windows(2).position(is_voice);
    let last = loud.windows(2).rposition(is_voice);
    let (Some(first), Some(last)) = (first, last) else { return sound.clear() };
    sound.truncate((last + 2) * CLICK / 2);
    sound.drain(..first * CLICK / 2);
}

fn pad_and_fade(sound: &mut Vec<f64>) {
    let rise = |n: usize, of: usize| n as f64 / of as f64;
    sound.iter_mut().take(FADES[0]).enumerate().for_each(|(n, s)| *s *= rise(n, FADES[0]));
    sound.iter_mut().rev().take(FADES[1]).enumerate().for_each(|(n, s)| *s *= rise(n, FADES[1]));
    sound.splice(..0, std::iter::repeat_n(0.0, EDGES[0]));
    sound.extend(std::iter::repeat_n(0.0, EDGES[1]));
}

/// To the mean level; twice, as rounding the peaks takes some away.
fn level(sound: &mut [f64]) {
    for _ in 0..2 {
        let power = sound.iter().map(|s| limited(*s).powi(2)).sum::<f64>() / sound.len() as f64;
        let gain = 10f64.powf(LEVEL_DB / 20.0) / power.sqrt();
        sound.iter_mut().for_each(|s| *s *= gain);
    }
}

fn limited(s: f64) -> f64 {
    let over = s.abs() - KNEE;
    let room = TOP - KNEE;
    if over <= 0.0 { s } else { (KNEE + room * (over / room).tanh()).copysign(s) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tone::Sine;
    use crate::{Quality, wav};

    fn silence(ms: usize) -> Vec<i16> {
        vec![0; ms * 8]
    }

    fn tone(hertz: f64, dbm0: f64, ms: usize) -> Vec<i16> {
        Sine::new(hertz, dbm0).take(ms * 8).collect()
    }

    fn quality(samples: &[i16]) -> Quality {
        Quality::of(&wav::file(&mastered(samples).unwrap())).unwrap()
    }

    #[test]
    fn loud_and_quiet_voices_come_out_at_one_level() {
        for dbm0 in [3.0, -10.0, -30.0, -45.0] {
            let quality = quality(&[silence(500), tone(700.0, dbm0, 1_000), silence(900)].concat());
            assert!((quality.level_db + 20.0).abs() < 0.3 && !quality.is_clipped, "{dbm0}: {quality:?}");
            assert!((1_050..1_080).contains(&quality.length_ms), "{dbm0}: {quality:?}");
            assert!((15..40).contains(&quality.lead_ms) && (35..65).contains(&quality.tail_ms), "{dbm0}: {quality:?}");
        }
    }

    #[test]
    fn clicks_and_rumble_are_no_voice_and_pauses_stay() {
        let click = [20_000, -20_000].repeat(4);
        let voice = [tone(700.0, -10.0, 300), silence(400), tone(700.0, -10.0, 300)].concat();
        let clicked = quality(&[silence(300), click, silence(300), voice.clone(), silence(300)].concat());
        assert!((1_040..1_100).contains(&clicked.length_ms), "{clicked:?}");
        let rumble = tone(20.0, -10.0, 1_400);
        let hum: Vec<i16> = [voice, silence(400)].concat().iter().zip(rumble).map(|(a, b)| a / 2 + b / 100).collect();
        assert!(quality(&hum).length_ms < 1_200, "{:?}", quality(&hum));
    }

    #[test]
    fn peaks_are_rounded_never_clipped() {
        let pulses: Vec<i16> = (0..8_000).map(|n| if n % 100 < 4 { 30_000 } else { 600 * (n % 2) }).collect();
        let quality = quality(&pulses);
        assert!((quality.level_db + 20.0).abs() < 1.0 && quality.peak_db < -0.3 && !quality.is_clipped, "{quality:?}");
    }

    #[test]
    fn silence_is_no_prompt() {
        for nothing in [vec![], silence(1_000), vec![1; 8_000]] {
            assert_eq!(mastered(&nothing), Err(WavError::Empty));
        }
    }
}
