//! Packets by good and bad networks, as sound: what of it is heard, how well, and how late.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{g711, tone, wav};
use busyhour_model::Seed;
use proptest::prelude::*;

mod laws;
mod profiles;

/// A millisecond in samples.
const MS: i64 = 8;

/// How one stream is sent, travels and is asked for; all spans in samples.
struct Wire<'a> {
    ptime: usize,
    frame: usize,
    /// How long packet number n travels; `None`: it is lost.
    travels: &'a mut dyn FnMut(usize) -> Option<i64>,
}

/// What came out of it.
struct Out {
    sound: Vec<i16>,
    /// For each frame the place in the stream of its first sample.
    places: Vec<i64>,
    /// The delay before each frame.
    delays: Vec<i64>,
    jitter: Jitter,
}

impl Wire<'_> {
    fn carry(&mut self, clean: &[i16]) -> Out {
        let mut packets: Vec<(i64, usize)> = (0..clean.len() / self.ptime)
            .filter_map(|n| Some((((n + 1) * self.ptime) as i64 + (self.travels)(n)?, n)))
            .collect();
        packets.sort();
        let mut packets = packets.into_iter().peekable();
        let mut out = Out { sound: vec![], places: vec![], delays: vec![], jitter: Jitter::default() };
        let (mut buffer, mut first) = (vec![0; self.frame], 0);
        for now in (0..clean.len() as i64).step_by(self.frame) {
            while let Some((_, n)) = packets.next_if(|(at, _)| *at <= now) {
                let timestamp = 4_294_900_000u32.wrapping_add((n * self.ptime) as u32);
                out.jitter.take(1, timestamp, clean[n * self.ptime..][..self.ptime].iter().copied());
                first = out.jitter.last.unwrap().2 - (n * self.ptime) as i64;
            }
            out.places.push(out.jitter.next() - first);
            out.delays.push(out.jitter.delay());
            out.jitter.pull(&mut buffer);
            out.sound.extend_from_slice(&buffer);
        }
        out
    }
}

impl Out {
    fn nearness(&self, clean: &[i16], frame: usize) -> Nearness {
        nearness(self.sound.chunks(frame).zip(&self.places).filter_map(|(heard, place)| {
            let said = clean.get(usize::try_from(*place).ok()?..)?.get(..frame)?;
            Some((said, heard))
        }))
    }

    /// The share that was made up while something was said.
    fn concealed(&self) -> f64 {
        let Counts { played, concealed, .. } = self.jitter.counts();
        concealed as f64 / (played + concealed) as f64
    }

    /// The mean delay after the first seconds, in milliseconds.
    fn waited(&self, frame: usize) -> f64 {
        let after = &self.delays[3 * 8000 / frame..];
        after.iter().sum::<i64>() as f64 / after.len() as f64 / MS as f64
    }
}

/// How near what was heard is to what was said, over the segments in which something is said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Nearness {
    /// The mean signal-to-noise ratio in dB, each segment's between -10 and 35.
    pub(crate) ratio: f64,
    /// The mean difference of the levels of 17 bands of 200 Hz, in dB; what is below -55 dBm0 is silence.
    pub(crate) distance: f64,
    segments: usize,
}

pub(crate) fn nearness<'a>(pairs: impl Iterator<Item = (&'a [i16], &'a [i16])>) -> Nearness {
    let mut sum = Nearness::default();
    for (said, heard) in pairs.filter(|(said, _)| power(said) > 10_000.0) {
        let noise: Vec<i16> = said.iter().zip(heard).map(|(a, b)| a.saturating_sub(*b)).collect();
        sum.ratio += (10.0 * (power(said) / power(&noise).max(1.0)).log10()).clamp(-10.0, 35.0);
        sum.distance += if said == heard { 0.0 } else { (0..17).map(|at| off(at, said, heard)).sum::<f64>() / 17.0 };
        sum.segments += 1;
    }
    let [ratio, distance] = [sum.ratio, sum.distance].map(|sum_of| sum_of / sum.segments as f64);
    Nearness { ratio, distance, ..sum }
}

fn off(band: usize, said: &[i16], heard: &[i16]) -> f64 {
    let level = |sound| {
        let lines = (0..4).map(|line| tone::level(sound, (200 * band + 50 * line) as f64 + 75.0));
        (10.0 * lines.map(|level| 10f64.powf(level / 10.0)).sum::<f64>().log10()).max(-55.0)
    };
    let [said, heard]: [f64; 2] = [level(said), level(heard)];
    (said - heard).abs()
}

/// Mean square.
pub(crate) fn power(sound: &[i16]) -> f64 {
    sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64
}

pub(crate) fn sine(hertz: f64, samples: usize) -> Vec<i16> {
    tone::Sine::new(hertz, -13.0).take(samples).collect()
}

/// 40 s of speech in two languages.
pub(crate) fn speech() -> Vec<i16> {
    let files: [&[u8]; 6] = [
        include_bytes!("../../../../prompts/zh/survey/five.wav"),
        include_bytes!("../../../../prompts/en/survey/five.wav"),
        include_bytes!("../../../../prompts/zh/vm/keys.wav"),
        include_bytes!("../../../../prompts/en/vm/keys.wav"),
        include_bytes!("../../../../prompts/zh/survey/reason.wav"),
        include_bytes!("../../../../prompts/en/survey/reason.wav"),
    ];
    files.iter().flat_map(|file| wav::samples(file).unwrap()).map(|x| g711::decode_a(g711::encode_a(x))).collect()
}
