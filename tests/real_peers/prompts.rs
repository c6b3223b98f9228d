//! Which prompts were heard: by the fingerprint of their sound, not by any event.
//!
//! After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): one word of bits per 8 ms, each
//! telling whether the difference of two neighbouring bands grew; two sounds are the same when few bits differ.

use crate::sound;
use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

const RATE: f64 = 8_000.0;
/// Samples of one window and from one window to the next.
const WINDOW: usize = 512;
const HOP: usize = 64;
/// Bands from 300 to 3,000 Hz, evenly spaced on a logarithmic scale; one bit less than bands.
const BANDS: usize = 33;
const LOWEST: f64 = 300.0;
const HIGHEST: f64 = 3_000.0;
/// Of a prompt's bits so many may differ.
const DIFFERENT_MAX: f64 = 0.25;
/// Shorter prompts are not looked for: too few bits to be sure.
const SHORTEST: usize = 16;

/// A sound's words, every `HOP` samples.
type Print = Vec<u32>;

/// Of each sample of a window: its weight (Hann), and the turn of the transform.
static WINDOW_TABLE: LazyLock<Vec<(f64, (f64, f64))>> = LazyLock::new(|| {
    let turn = |n: usize| TAU * n as f64 / WINDOW as f64;
    (0..WINDOW).map(|n| (0.5 - 0.5 * turn(n).cos(), (-turn(n)).sin_cos())).collect()
});
/// Where each band lies in the spectrum.
static BANDS_TABLE: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
    let edge = |band: usize| LOWEST * (HIGHEST / LOWEST).powf(band as f64 / BANDS as f64) * WINDOW as f64 / RATE;
    let place = |band: usize| (edge(band) as usize, (edge(band + 1).ceil() as usize).max(edge(band) as usize + 1));
    (0..BANDS).map(place).collect()
});
/// Prompts read once for all tests.
static READ: Mutex<BTreeMap<PathBuf, Arc<Print>>> = Mutex::new(BTreeMap::new());

/// Prompts by id and language: `zh/ivr/welcome`.
pub(crate) struct Prompts(BTreeMap<String, Arc<Print>>);

/// One prompt that was heard.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heard {
    /// Language and id.
    pub(crate) id: String,
    /// Seconds from the beginning of the recording.
    pub(crate) at: f64,
    until: usize,
    from: usize,
}

impl Prompts {
    /// All prompts in these folders (`{zh,en}/<id>.wav`); later folders replace.
    pub(crate) fn read(folders: &[&Path]) -> Prompts {
        let mut prompts = BTreeMap::new();
        for folder in folders {
            for language in ["zh", "en"] {
                read_folder(&folder.join(language), language, &mut prompts);
            }
        }
        assert!(!prompts.is_empty(), "no prompts in {folders:?}");
        Prompts(prompts)
    }

    /// The prompts heard in a 16-bit mono WAV file, in order. Where two would overlap the surer counts.
    pub(crate) fn heard_in(&self, recording: &Path) -> Vec<Heard> {
        let ear = print(&sound::samples(recording));
        let mut found: Vec<(f64, Heard)> = self.0.iter().flat_map(|(id, print)| matches(id, print, &ear)).collect();
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let mut heard: Vec<Heard> = Vec::new();
        for (_, candidate) in found {
            let slack = SHORTEST / 2;
            if heard.iter().all(|other| other.until <= candidate.from + slack || candidate.until <= other.from + slack)
            {
                heard.push(candidate);
            }
        }
        heard.sort_by_key(|heard| heard.from);
        heard
    }
}

fn read_folder(folder: &Path, id: &str, prompts: &mut BTreeMap<String, Arc<Print>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let id = format!("{id}/{}", path.file_stem().unwrap().to_string_lossy());
        match path.is_dir() {
            true => read_folder(&path, &id, prompts),
            false => {
                let mut read = READ.lock().unwrap();
                let print = read.entry(path).or_insert_with_key(|path| print(&sound::samples(path)).into());
                prompts.insert(id, print.clone());
            }
        }
    }
}

/// Where a prompt was heard, and how sure that is: bits alike beyond the necessary.
fn matches(id: &str, print: &[u32], ear: &[u32]) -> Vec<(f64, Heard)> {
    if print.len() < SHORTEST || ear.len() < print.len() {
        return Vec::new();
    }
    let bits = (print.len() * (BANDS - 1)) as f64;
    let different = |from: usize| -> f64 {
        f64::from(print.iter().zip(&ear[from..]).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>()) / bits
    };
    let shares: Vec<f64> = (0..=ear.len() - print.len()).map(different).collect();
    let lowest_near = |at: usize| {
        let mut near = at.saturating_sub(print.len() / 2)..(at + print.len() / 2).min(shares.len());
        near.all(|other| (shares[at], at) <= (shares[other], other))
    };
    let here = |at: usize| {
        let heard = Heard { id: id.to_owned(), at: (at * HOP) as f64 / RATE, from: at, until: at + print.len() };
        ((DIFFERENT_MAX - shares[at]) * bits, heard)
    };
    (0..shares.len()).filter(|&at| shares[at] < DIFFERENT_MAX && lowest_near(at)).map(here).collect()
}

fn print(samples: &[f64]) -> Print {
    let windows = samples.windows(WINDOW).step_by(HOP);
    let energies: Vec<[f64; BANDS]> = windows.map(bands).collect();
    let bits = |pair: &[[f64; BANDS]]| {
        let grew = |band: usize| (pair[1][band] - pair[1][band + 1]) - (pair[0][band] - pair[0][band + 1]) > 0.0;
        (0..BANDS - 1).fold(0, |word, band| word << 1 | u32::from(grew(band)))
    };
    energies.windows(2).map(bits).collect()
}

/// The energy in each band.
fn bands(window: &[f64]) -> [f64; BANDS] {
    let table = &*WINDOW_TABLE;
    let mut spectrum: Vec<(f64, f64)> =
        window.iter().zip(table).map(|(sample, (weight, _))| (sample * weight, 0.0)).collect();
    fft(&mut spectrum, table);
    std::array::from_fn(|band| {
        let (from, to) = BANDS_TABLE[band];
        spectrum[from..to].iter().map(|(re, im)| re * re + im * im).sum()
    })
}

/// Radix-2, in place.
fn fft(values: &mut [(f64, f64)], table: &[(f64, (f64, f64))]) {
    let n = values.len();
    if n == 1 {
        return;
    }
    let (mut even, mut odd): (Vec<_>, Vec<_>) = values.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    fft(&mut even, table);
    fft(&mut odd, table);
    for k in 0..n / 2 {
        let (_, (sin, cos)) = table[k * (WINDOW / n)];
        let turned = (odd[k].0 * cos - odd[k].1 * sin, odd[k].0 * sin + odd[k].1 * cos);
        values[k] = (even[k].0 + turned.0, even[k].1 + turned.1);
        values[k + n / 2] = (even[k].0 - turned.0, even[k].1 - turned.1);
    }
}
