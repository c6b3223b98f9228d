//! Recordings made Ogg/Opus: whatever fails or is killed, the index names one whole file, and that is what is heard.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::digest::digest;
use crate::metrics::Metrics;
use crate::tapes::{Tapes, Told, new_key};
use busyhour_media::{Event, Filed, Taped, Track, tone};
use busyhour_model::{CallId, Conversation, Deed, Fact, G711, Handled, LegId, Party, TapeId, Time, What};
use std::fs;
use std::path::PathBuf;

const TAPE: TapeId = TapeId(1_795_594_616_000_000);
const WAV: &str = "2026-11-25/1795594616000000.wav";
const OPUS: &str = "2026-11-25/1795594616000000.opus";
/// Samples of a side: no whole number of seconds or packets.
const LEN: u64 = 20_100;

struct Rig {
    converter: Converter,
    tapes: Tapes,
    thread: JoinHandle<()>,
}

impl Rig {
    fn new(name: &str, sealed: bool) -> Rig {
        let home = std::env::temp_dir().join(format!("busyhour-convert-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        let keys = sealed.then(|| home.join("keys"));
        assert!(keys.iter().all(|keys| new_key(keys).is_ok()));
        let metrics = Metrics::new();
        let (store, _thread) = Store::open(None, metrics.store.clone()).unwrap();
        store.convert(true);
        let archive = Archive { folder: home.join("recordings"), keys };
        let (tapes, thread, filed) = recorded(&archive, &metrics);
        let conversation = Conversation {
            tape: TAPE,
            call: CallId(1),
            began: Time::from_micros(TAPE.0),
            from: "138".into(),
            to: "95118".into(),
            left: Party::Trunk("ct".into()),
            right: Party::Agent("1001".into()),
            queue: None,
            retention: "default".into(),
        };
        store.fact(&Fact { at: Time::from_secs(1), what: What::ConversationTaped(Box::new(conversation)) });
        store.mended(TAPE, filed);
        let (counts, way, uploads) = (metrics.conversions, Arc::default(), Uploads::default());
        let converter = Converter { archive, store, uploads, clock: Clock::start(), counts, way };
        Rig { converter, tapes, thread }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.converter.archive.folder.join(name)
    }

    fn files(&self) -> Vec<String> {
        let day = self.path("2026-11-25");
        let mut names: Vec<_> =
            fs::read_dir(day).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    async fn due(&self) -> Unconverted {
        self.converter.store.unconverted().await.unwrap().1.remove(0)
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.converter.counts.outcomes.with_label_values(&[outcome]).get()
    }

    /// There is one file, the index names it, it is what the index says, and it plays; its format.
    async fn whole(&self) -> Format {
        let kept = self.converter.store.recording(TAPE).await.unwrap().0.unwrap();
        assert_eq!(self.files(), [kept.file.rsplit('/').next().unwrap()]);
        let file = fs::read(self.path(&kept.file)).unwrap();
        assert_eq!((*kept.sha256).to_owned(), digest(&file[..]).unwrap());
        assert_eq!(kept.ms, LEN / 8);
        Format::of(&self.tapes.file(TAPE).await.unwrap())
    }

    fn end(self) {
        self.tapes.close();
        self.thread.join().unwrap();
    }
}

/// A conversation of two tones as the thread for recordings files it.
fn recorded(archive: &Archive, metrics: &Metrics) -> (Tapes, JoinHandle<()>, Filed) {
    let (tapes, inbox) = Tapes::new(metrics.tapes.clone());
    let (tell, told) = std::sync::mpsc::channel();
    let thread = tapes.start(inbox, Some(archive.clone()), move |one| drop(tell.send(one))).unwrap();
    for (track, hertz) in [(Track::Left, 350.0), (Track::Right, 620.0)] {
        let tone = tone::Sine::new(hertz, -12.0).take(LEN as usize);
        let sound = tone.map(|sample| busyhour_media::g711::encode(G711::A, sample)).collect();
        tapes.take(Taped::Sound { tape: TAPE, track, at: 0, sound });
    }
    tapes.take(Taped::End { leg: LegId(1), tape: TAPE, track: Track::Left, at: LEN });
    let filed = told.iter().find_map(|told| match told {
        Told::Event(Event::Filed { file, .. }) => file,
        _ => None,
    });
    (tapes, thread, filed.unwrap())
}

#[tokio::test]
async fn a_recording_becomes_a_tenth_and_is_found_checked_and_played_sealed_or_not() {
    for (name, sealed, file) in [("plain", false, OPUS.to_owned()), ("sealed", true, format!("{OPUS}.sealed"))] {
        let rig = Rig::new(name, sealed);
        assert_eq!(rig.converter.store.uncopied().await.unwrap(), (0, vec![]), "its copy waits");
        rig.converter.pass().await.unwrap();
        assert_eq!(rig.whole().await, Format::Opus);
        let copied = rig.converter.store.uncopied().await.unwrap().1;
        assert_eq!(*copied[0].file, *file, "and is one of the smaller file");
        let bytes = fs::read(rig.path(&file)).unwrap();
        assert!(bytes.len() < LEN as usize * 2 / 6, "{} bytes", bytes.len());
        assert_eq!(bytes.starts_with(b"OggS"), !sealed);
        let deeds = rig.converter.store.recording(TAPE).await.unwrap().1;
        assert_eq!((&*deeds[0].deed, &*deeds[0].by), ("converted", "busyhour"));
        assert!(deeds[0].detail.starts_with(&format!("was {WAV}{} sha256 ", if sealed { ".sealed" } else { "" })));
        assert_eq!((rig.counted("converted"), rig.counted("failed"), rig.converter.counts.waiting.get()), (1, 0, 0));
        rig.converter.pass().await.unwrap();
        assert_eq!(rig.counted("converted"), 1, "once");
        rig.tapes.remove(TAPE);
        assert!(rig.tapes.file(TAPE).await.is_err());
        assert_eq!(rig.files(), [""; 0]);
        rig.end();
    }
}

#[tokio::test]
async fn wherever_it_is_killed_the_next_start_leaves_one_whole_file() {
    let rig = Rig::new("killed-writing", false);
    fs::write(rig.path(&format!("{OPUS}.made")), "half a fi").unwrap();
    let (tapes, inbox) = Tapes::new(Metrics::new().tapes);
    let thread = tapes.start(inbox, Some(rig.converter.archive.clone()), |_| ()).unwrap();
    tapes.close();
    thread.join().unwrap();
    assert_eq!(rig.whole().await, Format::Wav, "what was half made is removed, also where it is not made again");
    rig.converter.pass().await.unwrap();
    assert_eq!(rig.whole().await, Format::Opus);
    rig.end();

    let rig = Rig::new("killed-unindexed", false);
    let due = rig.due().await;
    rig.converter.archive.make_opus(TAPE, (&due.file, &due.sha256), || true).unwrap().unwrap();
    assert_eq!(rig.files().len(), 2);
    assert_eq!(*rig.converter.store.recording(TAPE).await.unwrap().0.unwrap().file, *WAV);
    rig.converter.pass().await.unwrap();
    assert_eq!(rig.whole().await, Format::Opus);
    rig.end();

    let rig = Rig::new("killed-left-over", false);
    let of = rig.due().await;
    let made = rig.converter.archive.make_opus(TAPE, (&of.file, &of.sha256), || true).unwrap().unwrap();
    let turn = Turn::Made { at: Time::from_secs(2), of, file: made.file, sha256: made.sha256, ms: made.ms };
    assert!(rig.converter.store.turn(turn).await.unwrap());
    assert_eq!(rig.files().len(), 2);
    rig.converter.pass().await.unwrap();
    assert_eq!((rig.whole().await, rig.counted("converted")), (Format::Opus, 0));
    rig.end();
}

#[tokio::test]
async fn a_full_disk_or_a_changed_file_leaves_what_was_recorded_and_is_told() {
    let rig = Rig::new("full", false);
    std::os::unix::fs::symlink("/dev/full", rig.path(&format!("{OPUS}.made"))).unwrap();
    rig.converter.pass().await.unwrap();
    assert_eq!((rig.whole().await, rig.counted("failed"), rig.counted("converted")), (Format::Wav, 1, 0));
    let copied = rig.converter.store.uncopied().await.unwrap().1;
    assert_eq!(*copied[0].file, *WAV, "its copy waits no more");
    rig.converter.store.convert(true);
    rig.converter.pass().await.unwrap();
    assert_eq!(rig.whole().await, Format::Opus, "there is room at the next start");
    rig.end();

    let rig = Rig::new("changed", false);
    let mut file = fs::read(rig.path(WAV)).unwrap();
    file[9_000] ^= 1;
    fs::write(rig.path(WAV), &file).unwrap();
    rig.converter.pass().await.unwrap();
    assert_eq!((fs::read(rig.path(WAV)).unwrap(), rig.files().len(), rig.counted("failed")), (file, 1, 1));
    rig.end();

    let rig = Rig::new("no-key", true);
    fs::write(rig.converter.archive.keys.as_ref().unwrap(), "no key").unwrap();
    rig.converter.pass().await.unwrap();
    assert_eq!((rig.files().len(), rig.counted("failed")), (1, 1));
    rig.end();
}

#[tokio::test]
async fn what_is_removed_held_or_stopped_meanwhile_leaves_nothing_new() {
    let rig = Rig::new("removed", false);
    let due = rig.due().await;
    let removed = || rig.converter.archive.remove_file(WAV).is_ok();
    assert_eq!(rig.converter.archive.make_opus(TAPE, (&due.file, &due.sha256), removed).unwrap(), None);
    assert_eq!(rig.files(), [""; 0]);
    rig.end();

    let rig = Rig::new("held", false);
    let due = rig.due().await;
    let held = What::RecordingHandled(Handled { tape: TAPE, deed: Deed::Held("case 7".into()), by: "alice".into() });
    rig.converter.store.fact(&Fact { at: Time::from_secs(3), what: held });
    rig.converter.convert(due).await.unwrap();
    assert_eq!((rig.whole().await, rig.counted("converted")), (Format::Wav, 0));
    rig.end();

    let rig = Rig::new("stopped", false);
    rig.converter.way.stop.store(true, Relaxed);
    rig.converter.pass().await.unwrap();
    assert_eq!((rig.whole().await, rig.counted("converted")), (Format::Wav, 0));
    rig.end();
}
