//! Recordings as files: what was handed out stands in them, whatever is lost, killed or refused.
#![allow(clippy::unwrap_used)]

use super::*;
use busyhour_media::wav;
use prometheus::{IntCounter, IntGauge};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::Duration;

const TAPE: TapeId = TapeId(1_795_594_616_000_000);
const LEG: LegId = LegId(1);
const SILENCE: u8 = 0xD5;

fn counts() -> TapeCounts {
    let count = |name| IntCounter::new(name, "x").unwrap();
    let active = IntGauge::new("a", "x").unwrap();
    let lost = Counter::new("l", "x").unwrap();
    TapeCounts { active, seconds: count("s"), errors: count("e"), lost, mended: count("m") }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("busyhour-tapes-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn started(folder: Option<&Path>) -> (Tapes, Receiver<Told>, JoinHandle<()>) {
    started_in(folder.map(plain))
}

fn started_in(archive: Option<Archive>) -> (Tapes, Receiver<Told>, JoinHandle<()>) {
    let (tapes, inbox) = Tapes::new(counts());
    let (tell, told) = channel();
    let thread = tapes.start(inbox, archive, move |one| drop(tell.send(one))).unwrap();
    (tapes, told, thread)
}

fn plain(folder: &Path) -> Archive {
    Archive { folder: folder.into(), keys: None }
}

/// A folder of its own with the archive of sealed recordings in it, and one key.
fn sealed(name: &str) -> Archive {
    let home = folder(name);
    std::fs::create_dir_all(&home).unwrap();
    let keys = home.join("keys");
    new_key(&keys).unwrap();
    Archive { folder: home.join("recordings"), keys: Some(keys) }
}

fn read(tapes: &Tapes) -> Result<Vec<u8>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(tapes.sound(TAPE))
}

fn sound(track: Track, at: u64, code: u8, len: usize) -> Taped {
    Taped::Sound { tape: TAPE, track, at, sound: vec![code; len] }
}

fn end(track: Track, at: u64) -> Taped {
    Taped::End { leg: LEG, tape: TAPE, track, at }
}

fn next(told: &Receiver<Told>) -> Told {
    match told.recv_timeout(Duration::from_secs(10)).unwrap() {
        Told::Ready => next(told),
        other => other,
    }
}

fn filed(told: &Receiver<Told>) -> Option<Filed> {
    match next(told) {
        Told::Event(Event::Filed { leg: LEG, tape: TAPE, file }) => file,
        other => panic!("{other:?}"),
    }
}

fn runs(codes: &[u8]) -> Vec<(u8, usize)> {
    codes.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect()
}

#[test]
fn a_recording_is_a_file_with_its_gaps_marked_and_is_heard_again() {
    let folder = folder("mono");
    let (tapes, told, thread) = started(Some(&folder));
    for (at, code) in [(0, 1), (8000, 2), (24_000, 3)] {
        tapes.take(sound(Track::Mono, at, code, 8000));
    }
    tapes.take(end(Track::Mono, 28_000));
    let file = filed(&told).unwrap();
    assert_eq!((&*file.file, file.ms, file.gap_ms), ("2026-11-25/1795594616000000.wav", 3500, 1000));
    let bytes = std::fs::read(folder.join(&*file.file)).unwrap();
    let codes = wav::read(&bytes).unwrap();
    assert_eq!(runs(&codes), [(1, 8000), (2, 8000), (SILENCE, 8000), (3, 4000)]);
    let sum = std::process::Command::new("sha256sum").arg(folder.join(&*file.file)).output().unwrap();
    assert!(String::from_utf8(sum.stdout).unwrap().starts_with(&*file.sha256));
    tapes.take(Taped::Wanted { leg: LEG, sound: Sound::Tape(TAPE) });
    assert!(matches!(next(&told), Told::Command(Command::Supply { sound: Some(sound), .. }) if sound[..] == codes));
    tapes.remove(TAPE);
    tapes.take(Taped::Wanted { leg: LEG, sound: Sound::Tape(TAPE) });
    assert!(matches!(next(&told), Told::Command(Command::Supply { sound: None, .. })));
    assert!(!folder.join(&*file.file).exists());
    assert_eq!((tapes.counts.active.get(), tapes.counts.seconds.get()), (0, 3));
    tapes.close();
    thread.join().unwrap();
}

#[test]
fn two_tracks_stand_side_by_side_whoever_comes_late_or_goes_early() {
    let folder = folder("stereo");
    let (tapes, told, thread) = started(Some(&folder));
    for second in 0..10u64 {
        tapes.take(sound(Track::Left, second * 8000, 1, 8000));
        if (2..5).contains(&second) || second == 7 {
            tapes.take(sound(Track::Right, second * 8000, 2, 8000));
        }
        if second == 5 || second == 8 {
            tapes.take(end(Track::Right, second * 8000));
        }
    }
    tapes.take(end(Track::Left, 76_000));
    let file = filed(&told).unwrap();
    assert_eq!((file.ms, file.gap_ms), (9500, 0));
    let bytes = std::fs::read(folder.join(&*file.file)).unwrap();
    assert_eq!(bytes[..wav::HEADER_LEN], wav::header(2, 76_000));
    let track = |offset| bytes[wav::HEADER_LEN..].iter().skip(offset).step_by(2).copied().collect::<Vec<_>>();
    assert_eq!(runs(&track(0)), [(1, 76_000)]);
    let right = [(SILENCE, 16_000), (2, 24_000), (SILENCE, 16_000), (2, 8000), (SILENCE, 12_000)];
    assert_eq!(runs(&track(1)), right);
    tapes.close();
    thread.join().unwrap();
}

/// Who joins later is heard together with who is there, from then on and until that one leaves.
#[test]
fn several_are_heard_together_on_the_right() {
    let folder = folder("beside");
    let (tapes, told, thread) = started(Some(&folder));
    let code = |sample| g711::encode(G711::A, sample);
    let (left, right, beside, sum) = (code(800), code(3000), code(1000), code(4000));
    for second in 0..10u64 {
        if second == 3 {
            tapes.take(sound(Track::Beside(1), second * 8000, beside, 0));
        }
        tapes.take(sound(Track::Left, second * 8000, left, 8000));
        tapes.take(sound(Track::Right, second * 8000, right, 8000));
        if (3..6).contains(&second) {
            tapes.take(sound(Track::Beside(1), second * 8000, beside, 8000));
        }
        if second == 6 {
            tapes.take(end(Track::Beside(1), 48_000));
        }
    }
    tapes.take(end(Track::Left, 80_000));
    let file = filed(&told).unwrap();
    assert_eq!((file.ms, file.gap_ms), (10_000, 0));
    let bytes = std::fs::read(folder.join(&*file.file)).unwrap();
    let track = |offset| bytes[wav::HEADER_LEN..].iter().skip(offset).step_by(2).copied().collect::<Vec<_>>();
    assert_eq!(runs(&track(0)), [(left, 80_000)]);
    let [(first, until), (both, together), (last, rest)] = runs(&track(1))[..] else { panic!("three stretches") };
    assert_eq!((first, last, until, together, rest), (right, right, 24_000, 24_000, 32_000));
    let decoded = |code| i32::from(g711::decode(G711::A, code));
    assert!((decoded(both) - decoded(sum)).abs() <= 256, "{} and not {}", decoded(both), decoded(sum));
    tapes.close();
    thread.join().unwrap();
}

#[test]
fn what_a_killed_process_left_is_mended_and_told_at_the_next_start() {
    let folder = folder("killed");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = plain(&folder).create(TAPE, 1).unwrap();
    file.add(&[7; 12_000]).unwrap();
    // Killed: neither header nor name.
    drop(file);
    drop(plain(&folder).create(TapeId(TAPE.0 + 1), 1).unwrap());
    let (tapes, told, thread) = started(Some(&folder));
    let Told::Mended(mended) = next(&told) else { panic!() };
    assert_eq!((mended.tape, mended.file.ms), (TAPE, 1500));
    let bytes = std::fs::read(folder.join(&*mended.file.file)).unwrap();
    assert_eq!(wav::read(&bytes).unwrap(), [7; 12_000]);
    tapes.close();
    thread.join().unwrap();
    let day = folder.join("2026-11-25");
    assert_eq!(std::fs::read_dir(day).unwrap().count(), 1, "one without sound is no recording");
    assert_eq!(tapes.counts.mended.get(), 1);
}

#[test]
fn without_a_folder_or_with_a_broken_one_a_recording_fails_and_nothing_else() {
    let broken = folder("broken");
    let (tapes, told, thread) = started(Some(&broken));
    std::fs::remove_dir_all(&broken).unwrap();
    std::fs::write(&broken, "a file where the folder was").unwrap();
    tapes.take(sound(Track::Mono, 0, 1, 8000));
    tapes.take(end(Track::Mono, 8000));
    assert_eq!(filed(&told), None);
    // The look for unfinished files at the start may have found the folder gone too.
    assert!(tapes.counts.errors.get() >= 1);
    tapes.close();
    thread.join().unwrap();

    let (tapes, told, _thread) = started(None);
    tapes.take(sound(Track::Mono, 0, 1, 8000));
    tapes.take(end(Track::Mono, 8000));
    assert_eq!(filed(&told), None);
}

#[test]
fn a_disk_that_does_not_follow_loses_sound_and_never_holds_media_up() {
    let (tapes, inbox) = Tapes::new(counts());
    let blocks = WAITING_MAX / 8000 + 100;
    for block in 0..blocks as u64 {
        tapes.take(sound(Track::Mono, block * 8000, 1, 8000));
    }
    assert!(tapes.counts.lost.get() >= 90.0);
    tapes.take(end(Track::Mono, blocks as u64 * 8000));
    let folder = folder("slow");
    let (tell, told) = channel();
    let thread = tapes.start(inbox, Some(plain(&folder)), move |one| drop(tell.send(one))).unwrap();
    let file = filed(&told).unwrap();
    assert_eq!(file.ms, blocks as u64 * 1000, "the time is all there");
    tapes.close();
    thread.join().unwrap();
}

#[test]
fn a_stop_finishes_what_is_being_recorded() {
    let folder = folder("stop");
    let (tapes, _told, thread) = started(Some(&folder));
    tapes.take(sound(Track::Mono, 0, 1, 8000));
    tapes.close();
    thread.join().unwrap();
    let bytes = std::fs::read(folder.join(name(TAPE))).unwrap();
    assert_eq!(wav::read(&bytes).unwrap().len(), 8000);
}

#[test]
fn a_sealed_recording_shows_nothing_and_is_heard_again_with_old_keys_too() {
    let archive = sealed("sealed");
    let (tapes, told, thread) = started_in(Some(archive.clone()));
    for second in 0..5 {
        tapes.take(sound(Track::Mono, second * 8000, second as u8, 8000));
    }
    // What was handed out beyond the end is cut off, in the middle of a chunk that is on the disk.
    tapes.take(end(Track::Mono, 20_000));
    let file = filed(&told).unwrap();
    assert_eq!((&*file.file, file.ms), ("2026-11-25/1795594616000000.wav.sealed", 2500));
    let bytes = std::fs::read(archive.folder.join(&*file.file)).unwrap();
    assert!(bytes.chunk_by(|a, b| a == b).all(|run| run.len() < 9), "sound is seen in it");
    assert_eq!(*file.sha256, *crate::digest::digest(&bytes[..]).unwrap());
    let heard = [(0, 8000), (1, 8000), (2, 4000)];
    assert_eq!(runs(&read(&tapes).unwrap()), heard);
    let keys = archive.keys.as_ref().unwrap();
    new_key(keys).unwrap();
    assert_eq!(runs(&read(&tapes).unwrap()), heard);
    let all = std::fs::read_to_string(keys).unwrap();
    std::fs::write(keys, all.lines().nth(1).unwrap()).unwrap();
    assert!(read(&tapes).unwrap_err().contains("which is not in the file of keys"));
    tapes.close();
    thread.join().unwrap();
    // No longer sealing does not mean no longer reading, and the other way round.
    std::fs::write(keys, all).unwrap();
    let told = plain(&archive.folder).read(TAPE).unwrap_err();
    assert!(told.contains("`key_file` of [recording] names no keys"), "{told}");
    std::fs::remove_dir_all(&archive.folder).unwrap();
    let mut file = plain(&archive.folder).create(TAPE, 1).unwrap();
    file.add(&[7; 4000]).unwrap();
    file.finish(4000, 0).unwrap();
    assert_eq!(wav::read(&archive.read(TAPE).unwrap()).unwrap(), [7; 4000]);
}

#[test]
fn a_killed_process_leaves_sealed_recordings_readable_up_to_the_last_whole_chunk() {
    let archive = sealed("sealed-killed");
    std::fs::create_dir_all(&archive.folder).unwrap();
    let mut file = archive.create(TAPE, 2).unwrap();
    for second in 0..3 {
        file.add(&[second; 16_000]).unwrap();
    }
    file.add(&[9; 4000]).unwrap();
    drop(file);
    let keys = archive.keys.as_ref().unwrap();
    let kept = std::fs::read(keys).unwrap();
    std::fs::remove_file(keys).unwrap();
    let (tapes, _told, thread) = started_in(Some(archive.clone()));
    tapes.close();
    thread.join().unwrap();
    assert_eq!((tapes.counts.mended.get(), tapes.counts.errors.get()), (0, 1), "without its key it waits");
    std::fs::write(keys, kept).unwrap();
    // Killed while it wrote the next one.
    let day = archive.folder.join("2026-11-25");
    let part = day.join("1795594616000000.wav.sealed.part");
    let mut torn = std::fs::read(&part).unwrap();
    torn.extend([0; 700]);
    std::fs::write(&part, torn).unwrap();
    let (tapes, told, thread) = started_in(Some(archive.clone()));
    let Told::Mended(mended) = next(&told) else { panic!() };
    assert_eq!((&*mended.file.file, mended.file.ms), ("2026-11-25/1795594616000000.wav.sealed", 3000));
    let codes = archive.read(TAPE).unwrap().split_off(wav::HEADER_LEN);
    assert_eq!(runs(&codes), [(0, 16_000), (1, 16_000), (2, 16_000)]);
    assert_eq!(std::fs::read_dir(day).unwrap().count(), 1);
    tapes.close();
    thread.join().unwrap();
}

#[test]
fn without_a_key_nothing_is_recorded_in_the_clear_until_there_is_one() {
    let archive = sealed("no-key");
    let keys = archive.keys.clone().unwrap();
    std::fs::write(&keys, "no key").unwrap();
    let (tapes, told, thread) = started_in(Some(archive.clone()));
    let record = |told: &Receiver<Told>| {
        tapes.take(sound(Track::Mono, 0, 1, 8000));
        tapes.take(end(Track::Mono, 8000));
        filed(told)
    };
    assert_eq!(record(&told), None);
    assert_eq!((tapes.counts.errors.get(), archive.find(TAPE)), (1, None));
    assert_eq!(std::fs::read_dir(&archive.folder).unwrap().count(), 0);
    assert!(new_key(&keys).unwrap_err().contains("line 1: a key is 64 hexadecimal digits"));
    std::fs::remove_file(&keys).unwrap();
    new_key(&keys).unwrap();
    assert_eq!(record(&told).unwrap().ms, 1000);
    tapes.close();
    thread.join().unwrap();
}
