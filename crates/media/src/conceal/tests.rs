//! Gaps in tones and in speech: what fills them, how it begins and ends.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::jitter::tests::{power, sine, speech};

/// Hears the sound up to `at`, then a gap of `len`, then 20 ms more: what is heard of both.
fn gap(clean: &[i16], at: usize, len: usize) -> Vec<i16> {
    let mut concealer = Concealer::default();
    concealer.hear(&mut clean[..at].to_vec());
    let mut heard = vec![0; len + 160];
    let (lost, after) = heard.split_at_mut(len);
    lost.chunks_mut(80).for_each(|part| concealer.fill(part));
    after.copy_from_slice(&clean[at + len..][..160]);
    after.chunks_mut(30).for_each(|part| concealer.hear(part));
    heard
}

/// The signal-to-noise ratio in dB.
fn ratio(said: &[i16], heard: &[i16]) -> f64 {
    let noise: Vec<i16> = said.iter().zip(heard).map(|(a, b)| a - b).collect();
    10.0 * (power(said) / power(&noise).max(1.0)).log10()
}

#[test]
fn a_tone_goes_on_and_fades_within_60_ms() {
    for hertz in [100.0, 250.0, 425.0, 1000.0] {
        let clean = sine(hertz, 4000);
        for at in [2000, 2013, 2041] {
            let heard = gap(&clean, at, 800);
            assert!(ratio(&clean[at..at + 80], &heard[..80]) > 18.0, "{hertz} Hz");
            let levels: Vec<f64> = heard[..480].chunks(80).map(power).collect();
            assert!(levels.windows(2).all(|pair| pair[1] < pair[0] * 1.05), "{hertz} Hz fades: {levels:?}");
            assert!(heard[480..800].iter().all(|sample| *sample == 0), "{hertz} Hz");
        }
    }
}

/// No step where it begins, where periods are joined, and where sound comes back.
#[test]
fn nothing_clicks() {
    for (hertz, len) in [(100.0, 160), (130.0, 240), (255.0, 400), (425.0, 480), (180.0, 47), (300.0, 900)] {
        let clean = sine(hertz, 4000);
        let heard = gap(&clean, 2000, len);
        let step = |sound: &[i16]| sound.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
        let all: Vec<i16> = clean[1990..2000].iter().chain(&heard).copied().collect();
        let most = if len > 480 { 3.0 } else { 1.5 };
        assert!(f64::from(step(&all)) < most * f64::from(step(&clean)), "{hertz} Hz, {len}: {}", step(&all));
        assert_eq!(heard[len + 80..], clean[2000 + len + 80..][..80], "{hertz} Hz, {len}: as it came after 10 ms");
    }
}

/// Silence in place of speech has a ratio of 0 dB, and no level at all.
#[test]
fn speech_goes_on_better_than_silence() {
    let clean = speech();
    let (mut ratios, mut levels) = (vec![], vec![]);
    for at in (8000..clean.len() - 800).step_by(500) {
        let said = &clean[at..at + 160];
        let mut concealer = Concealer::default();
        concealer.hear(&mut clean[at - 800..at].to_vec());
        let voiced = concealer.period().1 > 0.8;
        if power(said) > 10_000.0 && voiced {
            let heard = gap(&clean[at - 800..], 800, 160);
            ratios.push(ratio(said, &heard[..160]).clamp(-10.0, 35.0));
            levels.push(10.0 * (power(&heard[..160]) / power(said)).log10());
        }
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    assert!(ratios.len() > 200, "{} gaps", ratios.len());
    assert!(mean(&ratios) > 3.0, "{:.1} dB over 20 ms", mean(&ratios));
    assert!(mean(&levels).abs() < 1.5, "{:.1} dB too loud", mean(&levels));
}
