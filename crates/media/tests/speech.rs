//! What is heard in real speech: who talks, beside a plain reading of the same sound; and no fax machine anywhere.
#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "the prompts are files")]

use busyhour_media::fax::Ear;
use busyhour_media::rtp::Header;
use busyhour_media::{COUNTRIES, Command, Config, Event, Library, Worker, g711, tone, wav};
use busyhour_model::{Audio, CallId, Codec, G711, LegId, Seed, Side, Talk, Time};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const CALLER: LegId = LegId(1);
const PARTNER: LegId = LegId(2);
const FRAME: usize = 160;

/// A prompt as 16-bit samples.
fn prompt(path: &str) -> Vec<i16> {
    let path = prompts().join(path);
    wav::samples(&std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn prompts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../prompts")
}

/// These prompts, each after so many milliseconds of silence, and silence up to `seconds`.
fn said(parts: &[(u64, &str)], seconds: usize) -> Vec<i16> {
    let mut sound = Vec::new();
    for (pause, path) in parts {
        sound.resize(sound.len() + 8 * *pause as usize, 0);
        sound.extend(prompt(path));
    }
    assert!(sound.len() <= seconds * 8000, "{} samples are more than {seconds} s", sound.len());
    sound.resize(seconds * 8000, 0);
    sound
}

/// The same with noise of so many dBm0 over it.
fn noisy(sound: &[i16], dbm0: f64, seed: u64) -> Vec<i16> {
    let mut seed = Seed(seed);
    // Uniform noise has a third of its peak's square as power, a sine half.
    let peak = tone::amplitude(dbm0) * (1.5f64).sqrt();
    let mut noise = || (seed.below(20_001) as f64 / 10_000.0 - 1.0) * peak;
    sound.iter().map(|sample| sample.saturating_add(noise() as i16)).collect()
}

/// Who talks when, read plainly: 10 ms of sound that are louder than -45 dBm0, pauses of up to 200 ms filled in.
fn plainly(sound: &[i16]) -> Vec<bool> {
    let power = |part: &[i16]| part.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / part.len() as f64;
    let loud = tone::amplitude(-45.0).powi(2) / 2.0;
    let mut talk: Vec<bool> = sound.chunks(80).map(|part| power(part) > loud).collect();
    let spoken: Vec<usize> = (0..talk.len()).filter(|at| talk[*at]).collect();
    for pair in spoken.windows(2).filter(|pair| pair[1] - pair[0] <= 21) {
        talk[pair[0]..pair[1]].fill(true);
    }
    talk
}

/// The talk of both by the plain reading.
fn expected(caller: &[i16], partner: &[i16]) -> Talk {
    let both: Vec<(bool, bool)> = plainly(caller).into_iter().zip(plainly(partner)).collect();
    let count = |which: fn(&(bool, bool)) -> bool| 10 * both.iter().filter(|at| which(at)).count() as u64;
    Talk {
        ms: 10 * both.len() as u64,
        caller_ms: count(|at| at.0),
        partner_ms: count(|at| at.1),
        both_ms: count(|at| at.0 && at.1),
        silence_ms: count(|at| !at.0 && !at.1),
    }
}

/// What the worker measures when two legs say this to each other.
fn measured(law: G711, caller: &[i16], partner: &[i16]) -> Talk {
    let mut worker = Worker::new(Arc::new(Library::new()), Config::default());
    let mut now = Time::from_secs(1_000);
    let address = |leg: LegId| SocketAddr::from(([203, 0, 113, leg.0 as u8], 4000));
    for leg in [CALLER, PARTNER] {
        let codec = if law == G711::A { Codec::Pcma } else { Codec::Pcmu };
        let audio = Audio::plain(address(leg), codec);
        worker.handle_command(now, Command::Open { leg, local: address(leg), side: Side::Trunk });
        worker.handle_command(now, Command::Connect { leg, audio });
    }
    worker.handle_command(now, Command::Bridge { a: CALLER, b: PARTNER });
    worker.handle_command(now, Command::Measure { call: CallId(7), caller: CALLER, partner: PARTNER });
    for (i, frames) in caller.chunks(FRAME).zip(partner.chunks(FRAME)).enumerate() {
        now += Duration::from_millis(20);
        for (leg, frame) in [(CALLER, frames.0), (PARTNER, frames.1)] {
            let payload: Vec<u8> = frame.iter().map(|sample| g711::encode(law, *sample)).collect();
            let (sequence, timestamp) = (i as u16, (i * FRAME) as u32);
            let payload_type = if law == G711::A { 8 } else { 0 };
            let header = Header { marker: false, payload_type, sequence, timestamp, ssrc: leg.0 as u32 };
            let mut bytes = header.bytes().to_vec();
            bytes.extend(payload);
            worker.handle_rtp(now, leg, address(leg), &bytes);
        }
        while worker.poll_transmit().is_some() {}
    }
    worker.handle_command(now, Command::Unbridge { leg: CALLER });
    match worker.poll_event() {
        Some(Event::Talked { call: CallId(7), partner: PARTNER, talk }) => talk,
        other => panic!("{other:?}"),
    }
}

#[test]
fn shares_of_real_speech_are_right_to_three_percent_in_either_law_and_over_noise() {
    let english =
        said(&[(900, "en/queue/waiting.wav"), (3_000, "en/queue/thanks.wav"), (1_500, "en/queue/ewt-long.wav")], 30);
    let chinese =
        said(&[(5_200, "zh/ivr/enter-account.wav"), (250, "zh/ivr/closed.wav"), (2_500, "zh/ivr/bye.wav")], 30);
    let truth = expected(&english, &chinese);
    assert!(truth.both_ms > 600 && truth.silence_ms > 6_000, "both at once, and nobody: {truth:?}");
    for law in [G711::A, G711::Mu] {
        for dbm0 in [f64::NEG_INFINITY, -65.0, -55.0, -48.0] {
            let [caller, partner] = [noisy(&english, dbm0, 1), noisy(&chinese, dbm0, 2)];
            let talk = measured(law, &caller, &partner);
            let parts = |talk: &Talk| [talk.ms, talk.caller_ms, talk.partner_ms, talk.both_ms, talk.silence_ms];
            for (is, should) in parts(&talk).into_iter().zip(parts(&truth)) {
                assert!(is.abs_diff(should) <= 900, "{law:?} over {dbm0} dBm0: {talk:?}, but {truth:?}");
            }
            assert_eq!(talk.caller_ms + talk.partner_ms + talk.silence_ms, talk.ms + talk.both_ms);
        }
    }
}

#[test]
fn neither_speech_nor_music_nor_tones_of_any_country_are_a_fax_machine() {
    let mut folders = vec![prompts()];
    let mut heard = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "wav") {
                let sound = wav::read(&std::fs::read(&path).unwrap()).unwrap();
                assert_eq!(Ear::default().take(0, G711::A, &sound), None, "{}", path.display());
                heard += 1;
            }
        }
    }
    assert!(heard > 300, "{heard} prompts");
    let libraries = COUNTRIES.iter().map(Library::in_country).chain([Library::new()]);
    for library in libraries {
        for id in ["moh", "beep", "ringback", "busy", "congestion", "call-waiting"] {
            let sound = library.find("", &format!("system/{id}")).unwrap();
            let mut ear = Ear::default();
            for round in 0..20 {
                assert_eq!(ear.take(round * sound.len() as u32, G711::A, sound), None, "{id}");
            }
        }
    }
}
