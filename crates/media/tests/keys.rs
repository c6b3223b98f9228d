//! Keys heard as tones over the limits of ITU-T Q.24, and speech in which there are none.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "the corpus is files")]

use busyhour_media::keypad::Ear;
use busyhour_media::{g711, tone, wav};
use busyhour_model::{G711, Seed};
use std::path::{Path, PathBuf};

const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// How keys are pressed: both tones' deviation and level, how long, and the pause behind, in samples.
#[derive(Clone, Copy, Debug)]
struct Press {
    off: [f64; 2],
    dbm0: [f64; 2],
    len: usize,
    pause: usize,
    /// White noise over everything.
    noise: Option<f64>,
}

const PRESS: Press = Press { off: [1.0; 2], dbm0: [-9.0, -7.0], len: 400, pause: 400, noise: None };

impl Press {
    /// All sixteen keys, after so much silence.
    fn sound(self, begin: usize) -> Vec<i16> {
        let mut sound = vec![0; begin];
        for key in 0..16 {
            let hertz = [ROWS[key / 4], COLUMNS[key % 4]];
            let [low, high] = [0, 1].map(|at| tone::Sine::new(hertz[at] * self.off[at], self.dbm0[at]));
            sound.extend(low.zip(high).take(self.len).map(|(low, high)| low.saturating_add(high)));
            sound.extend(std::iter::repeat_n(0, self.pause));
        }
        sound.extend([0; 400]);
        let mut seed = Seed(begin as u64);
        for sample in sound.iter_mut().filter(|_| self.noise.is_some()) {
            // The sum of twelve even draws is nearly normal.
            let draws: f64 = (0..12).map(|_| seed.below(1 << 20) as f64 / f64::from(1 << 20)).sum();
            let power = tone::amplitude(self.noise.unwrap()) / 2f64.sqrt();
            *sample = sample.saturating_add(((draws - 6.0) * power) as i16);
        }
        sound
    }

    /// Whether all sixteen are heard, each once, at whatever moment of a block they begin; `false`: none is, ever.
    #[track_caller]
    fn is_heard(self, expected: bool) {
        for begin in (0..102).step_by(5) {
            let wanted = if expected { KEYS.concat() } else { String::new() };
            assert_eq!(heard(&self.sound(begin)), wanted, "{self:?} after {begin} samples");
        }
    }
}

fn heard(sound: &[i16]) -> String {
    let mut ear = Ear::default();
    let frames = sound.chunks(160).enumerate();
    let take = |(n, frame): (usize, &[i16])| {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode_a(*sample)).collect();
        ear.take(n as u32 * 160, G711::A, &codes)
    };
    frames.filter_map(take).collect()
}

#[test]
fn either_tone_may_be_stronger_by_8_db_but_not_by_12() {
    for twist in [-12.0, -8.0, -6.0, -4.0, 0.0, 4.0, 6.0, 8.0, 12.0f64] {
        let dbm0 = [-12.0 - twist / 2.0, -12.0 + twist / 2.0];
        Press { dbm0, ..PRESS }.is_heard(twist.abs() < 12.0);
    }
}

#[test]
fn levels_down_to_33_below_0_dbm0_are_heard() {
    for least in [-3.0, -15.0, -25.0, -33.0] {
        for more in [[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]] {
            Press { dbm0: more.map(|more| least + more), ..PRESS }.is_heard(true);
        }
    }
    for dbm0 in [[-38.0, -38.0], [-38.0, -32.0], [-32.0, -38.0], [-55.0, -55.0]] {
        Press { dbm0, ..PRESS }.is_heard(false);
    }
}

#[test]
fn a_tone_may_be_off_by_1_8_percent_but_not_by_2_5() {
    for (off, expected) in [(0.018, true), (0.015, true), (0.03, false), (0.035, false), (0.05, false)] {
        let [less, more] = [1.0 - off, 1.0 + off];
        for off in
            [[less, 1.0], [more, 1.0], [1.0, less], [1.0, more], [less, more], [more, less], [less, less], [more, more]]
        {
            Press { off, ..PRESS }.is_heard(expected);
        }
    }
}

#[test]
fn a_key_of_38_ms_is_heard_and_one_of_24_ms_is_not() {
    for (ms, expected) in [(16, false), (20, false), (23, false), (24, false), (38, true), (40, true), (100, true)] {
        for off in [[1.0, 1.0], [0.985, 1.015], [1.015, 1.015]] {
            Press { off, len: ms * 8, ..PRESS }.is_heard(expected);
        }
    }
    for pause in [10, 20, 30, 40, 65] {
        Press { pause: pause * 8, ..PRESS }.is_heard(true);
    }
}

/// 10 ms without the tone is no pause: as long as half of the key is left on each side, it is pressed once.
#[test]
fn an_interruption_does_not_press_a_key_twice() {
    let key =
        |len: usize| tone::Sine::new(770.0, -9.0).zip(tone::Sine::new(1336.0, -7.0)).take(len).map(|(a, b)| a + b);
    for begin in (0..102).step_by(3) {
        for silence in [8, 40, 80] {
            let sound: Vec<i16> = std::iter::repeat_n(0, begin)
                .chain(key(400))
                .chain(std::iter::repeat_n(0, silence))
                .chain(key(400))
                .chain([0; 400])
                .collect();
            assert_eq!(heard(&sound), "5", "{silence} samples of silence, after {begin}");
        }
    }
}

#[test]
fn noise_15_db_below_hides_no_key() {
    for below in [24.0, 18.0, 15.0] {
        for off in [[1.0, 1.0], [0.985, 1.015]] {
            let noise = Some(-12.0 - below);
            Press { dbm0: [-15.0; 2], off, len: 320, pause: 320, noise }.is_heard(true);
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "wav") {
            found.push(path);
        }
    }
}

/// Every recording of the tree, spoken slower and faster, louder and quieter: an hour and more, and no key in it.
#[test]
fn speech_presses_no_key() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts"), &mut found);
    let mut samples = 0;
    for path in found {
        let said = wav::samples(&std::fs::read(&path).unwrap()).unwrap();
        for speed in [85, 90, 95, 100, 105, 110, 115] {
            let quicker = quicker(&said, speed);
            for decibels in [-10, 0, 6] {
                let factor = 10f64.powf(f64::from(decibels) / 20.0);
                let sound: Vec<i16> = quicker.iter().map(|sample| (f64::from(*sample) * factor) as i16).collect();
                samples += sound.len();
                assert_eq!(heard(&sound), "", "{} at {speed} %, {decibels} dB", path.display());
            }
        }
    }
    assert!(samples > 3600 * 8000, "{} s", samples / 8000);
}

/// The same in so many percent of the speed.
fn quicker(said: &[i16], percent: usize) -> Vec<i16> {
    let at = |n: usize| {
        let (before, share) = (n * percent / 100, (n * percent % 100) as f64 / 100.0);
        let [from, to] = [before, before + 1].map(|at| f64::from(said[at]));
        (from + (to - from) * share) as i16
    };
    (0..(said.len() - 1) * 100 / percent).map(at).collect()
}
