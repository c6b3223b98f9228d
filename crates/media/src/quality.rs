//! What a recording is like: how loud, how long, and what is wrong with it.

use crate::{WavError, g711, wav};

/// A sample below this is silence, about -44 dBFS.
const SILENCE: u16 = 200;
/// A sample from here on is at full scale: A-law knows no louder one.
const FULL: u16 = 32_000;
/// So many samples at full scale, one after another, are heard as clipping.
const CLIPPED: usize = 3;
const FULL_SCALE: f64 = 32_768.0;

/// Measures of a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Whole length.
    pub length_ms: u64,
    /// Mean level, dBFS (root mean square).
    pub level_db: f64,
    /// Highest sample, dBFS.
    pub peak_db: f64,
    /// Several samples one after another at full scale.
    pub is_clipped: bool,
    /// Silence at the beginning.
    pub lead_ms: u64,
    /// Silence at the end.
    pub tail_ms: u64,
}

impl Quality {
    /// Of a WAV file that can be played.
    ///
    /// # Errors
    /// It cannot be played.
    pub fn of(file: &[u8]) -> Result<Quality, WavError> {
        let samples: Vec<i16> = wav::read(file)?.into_iter().map(g711::decode_a).collect();
        let size = |sample: &i16| sample.unsigned_abs();
        let is_silent = |sample: &&i16| size(sample) < SILENCE;
        let power: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
        let peak = samples.iter().map(size).max().unwrap_or(0);
        let ms = |count: usize| count as u64 / 8;
        Ok(Quality {
            length_ms: ms(samples.len()),
            level_db: 10.0 * (power / FULL_SCALE.powi(2)).log10(),
            peak_db: 20.0 * (f64::from(peak) / FULL_SCALE).log10(),
            is_clipped: samples.windows(CLIPPED).any(|run| run.iter().all(|s| size(s) >= FULL)),
            lead_ms: ms(samples.iter().take_while(is_silent).count()),
            tail_ms: ms(samples.iter().rev().take_while(is_silent).count()),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tone::Sine;
    use crate::wav::tests::wav;

    #[test]
    fn level_edges_and_clipping_are_measured() {
        let tone = |dbm0: f64| Sine::new(1_000.0, dbm0).take(8_000).collect::<Vec<i16>>();
        let file =
            |samples: &[i16]| wav(1, 8_000, 1, 16, &samples.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<u8>>());
        let padded = [vec![0; 800], tone(-10.0), vec![0; 1_600]].concat();
        let quality = Quality::of(&file(&padded)).unwrap();
        assert_eq!((quality.length_ms, quality.is_clipped), (1_300, false));
        assert!((100..102).contains(&quality.lead_ms) && (200..202).contains(&quality.tail_ms), "{quality:?}");
        let quality = Quality::of(&file(&tone(-10.0))).unwrap();
        assert!((quality.level_db + 16.15).abs() < 0.2 && (quality.peak_db + 13.14).abs() < 0.3, "{quality:?}");
        let loud: Vec<i16> = tone(3.0).iter().map(|s| s.saturating_mul(2)).collect();
        assert!(Quality::of(&file(&loud)).unwrap().is_clipped);
        assert!(Quality::of(b"x").is_err());
    }
}
