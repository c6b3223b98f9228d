//! What does a recording kept as Ogg/Opus cost? CPU time to make it, per minute of a conversation, and its size beside A-law.
#![allow(clippy::unwrap_used, reason = "a bench may stop at the first surprise")]
#![allow(unsafe_code)] // reads the clock of this thread

use busyhour_media::{g711, ogg::OggOpus, wav};
use busyhour_model::Seed;
use std::fs;
use std::path::Path;
use std::time::Duration;

const RUNS: usize = 5;
const MINUTES: usize = 5;
/// Between two who speak in turns.
const PAUSE: usize = 4_000;

/// CPU time of this thread.
fn cpu() -> Duration {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `at` outlives the call and is written only by it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut at) };
    Duration::new(at.tv_sec as u64, at.tv_nsec as u32)
}

/// All prompts below a folder, by name.
fn voices(folder: &Path) -> Vec<Vec<i16>> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let of = |path: &std::path::PathBuf| match path.is_dir() {
        true => voices(path),
        false => wav::samples(&fs::read(path).unwrap()).into_iter().collect(),
    };
    paths.iter().flat_map(of).collect()
}

/// Prompts left and right in turns, with pauses; on both sides noise of about -60 dBm0, as lines have it.
fn conversation() -> Vec<u8> {
    let len = MINUTES * 60 * 8_000;
    let mut sides = [Vec::new(), Vec::new()];
    let voices = voices(&Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/zh"));
    for (turn, voice) in voices.iter().cycle().enumerate() {
        sides[turn % 2].extend(voice);
        let silent = sides[turn % 2].len() + PAUSE;
        sides.iter_mut().for_each(|side| side.resize(silent, 0));
        if silent > len {
            break;
        }
    }
    let (mut seed, [left, right]) = (Seed(7), sides);
    let pairs = left.into_iter().zip(right).take(len).flat_map(|(left, right)| [left, right]);
    pairs.map(|sample| g711::encode_a(sample.saturating_add((seed.draw() % 33) as i16 - 16))).collect()
}

fn made(codes: &[u8]) -> (Duration, usize) {
    let from = cpu();
    let mut ogg = OggOpus::new().unwrap();
    let len: usize = codes.chunks(16_000).map(|second| ogg.add(second).unwrap().len()).sum();
    let len = len + ogg.finish().unwrap().len();
    (cpu() - from, len)
}

fn main() {
    println!(
        "the least of {RUNS} runs; {MINUTES} minutes, the shipped Chinese prompts left and right in turns, no silence but 0.5 s between"
    );
    let codes = conversation();
    let (spent, len) = (0..RUNS).map(|_| made(&codes)).min().unwrap();
    println!("{:.0} ms of CPU a minute", spent.as_secs_f64() * 1_000.0 / MINUTES as f64);
    println!(
        "{:.0} kB a minute, 1/{:.1} of A-law",
        len as f64 / 1_000.0 / MINUTES as f64,
        codes.len() as f64 / len as f64
    );
}
