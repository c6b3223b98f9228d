//! The thread that writes recordings to files and reads them again, so that neither media nor control ever waits for a disk.

mod archive;
mod body;
mod file;
#[cfg(feature = "opus")]
mod opus;
#[cfg(test)]
mod tests;

pub use archive::{Archive, Mended, keys, name, new_key};
use busyhour_media::{Command, Event, Filed, SAMPLE_RATE, Taped, Timeline, Track, g711, wav};
use busyhour_model::{G711, LegId, Sound, TapeId};
use file::TapeFile;
use prometheus::{Counter, IntCounter, IntGauge};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Bytes of sound waiting for the disk: 5 s of 1,500 conversations. More is lost, counted, and silence in the file.
const WAITING_MAX: usize = 128 << 20;
/// Sound of one of two tracks waits so long for the other's, which is handed out each second: 1.5 s.
const HOLD: u64 = 3 * 4000;
/// Sound so far behind what there is is none of ours: a day.
const AHEAD_MAX: u64 = 24 * 3600 * 8000;

const NO_FOLDER: &str = "there is no data folder";

/// What conversations are kept as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A-law, as they were recorded.
    #[default]
    Wav,
    /// Ogg/Opus.
    Opus,
}

impl Format {
    /// That of a file that is not sealed.
    pub fn of(file: &[u8]) -> Format {
        if file.starts_with(b"OggS") { Format::Opus } else { Format::Wav }
    }

    /// What its files' names end with, and its media type.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Format::Wav => ("wav", "audio/wav"),
            Format::Opus => ("opus", "audio/ogg"),
        }
    }
}

/// An Ogg/Opus file that was made of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Below the folder of recordings.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Milliseconds of sound.
    pub ms: u64,
}

/// What the thread counts.
#[derive(Clone, Debug)]
pub struct TapeCounts {
    /// Recordings under way.
    pub active: IntGauge,
    /// Seconds of sound in finished files.
    pub seconds: IntCounter,
    /// Files that could not be written, read or removed.
    pub errors: IntCounter,
    /// Seconds of sound lost because the disk was too slow or failed.
    pub lost: Counter,
    /// Files a killed process left, finished at the start.
    pub mended: IntCounter,
}

/// The way to the thread. Clones lead to the same one.
#[derive(Clone)]
pub struct Tapes {
    orders: Sender<Order>,
    waiting: Arc<AtomicUsize>,
    counts: TapeCounts,
}

/// What waits for the thread.
pub struct Inbox(Receiver<Order>);

enum Order {
    Taped(Taped),
    Remove(TapeId),
    Read(TapeId, Reading),
    File(Wanted, Reading),
    Close,
}

/// A file to be handed over as players know it.
enum Wanted {
    Tape(TapeId),
    /// One that was fetched.
    Fetched(Vec<u8>),
}

type Reading = tokio::sync::oneshot::Sender<Result<Vec<u8>, String>>;

/// What the thread says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// To control.
    Event(Event),
    /// To the media plane.
    Command(Command),
    /// At the start: this file was left unfinished.
    Mended(Mended),
    /// All of those are told.
    Ready,
}

impl Tapes {
    /// The way to a thread that is still to be started.
    pub fn new(counts: TapeCounts) -> (Tapes, Inbox) {
        let (orders, inbox) = channel();
        (Tapes { orders, waiting: Arc::default(), counts }, Inbox(inbox))
    }

    /// Starts the thread on an archive; without one every recording fails.
    pub fn start(
        &self,
        inbox: Inbox,
        archive: Option<Archive>,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        if let Some(archive) = &archive {
            std::fs::create_dir_all(&archive.folder)?;
        }
        let (waiting, counts) = (Arc::clone(&self.waiting), self.counts.clone());
        let mut writer = Writer { archive, reels: BTreeMap::new(), waiting, counts, tell };
        std::thread::Builder::new().name("tapes".into()).spawn(move || writer.run(&inbox.0))
    }

    /// Takes what a media worker hands out; never waits.
    pub fn take(&self, taped: Taped) {
        if let Taped::Sound { sound, .. } = &taped
            && self.waiting.fetch_add(sound.len(), Relaxed) > WAITING_MAX
        {
            self.waiting.fetch_sub(sound.len(), Relaxed);
            if self.counts.lost.get() == 0.0 {
                tracing::error!("recordings have gaps: the disk takes less than is recorded");
            }
            return self.counts.lost.inc_by(sound.len() as f64 / f64::from(SAMPLE_RATE));
        }
        // After the thread has ended there is nobody to record for.
        let _ = self.orders.send(Order::Taped(taped));
    }

    /// Removes a tape's file.
    pub fn remove(&self, tape: TapeId) {
        let _ = self.orders.send(Order::Remove(tape));
    }

    /// The A-law of a finished tape of one track, or why it cannot be read.
    pub async fn sound(&self, tape: TapeId) -> Result<Vec<u8>, String> {
        self.ask(|reading| Order::Read(tape, reading)).await
    }

    /// A finished tape as a file that players know, or why it cannot be read.
    pub async fn file(&self, tape: TapeId) -> Result<Vec<u8>, String> {
        self.ask(|reading| Order::File(Wanted::Tape(tape), reading)).await
    }

    /// The same of one of ours that was fetched from elsewhere.
    pub async fn opened(&self, file: Vec<u8>) -> Result<Vec<u8>, String> {
        self.ask(|reading| Order::File(Wanted::Fetched(file), reading)).await
    }

    async fn ask(&self, order: impl FnOnce(Reading) -> Order) -> Result<Vec<u8>, String> {
        let (reading, read) = tokio::sync::oneshot::channel();
        let ended = || "recordings are read no more: the server is stopping".to_string();
        self.orders.send(order(reading)).map_err(|_| ended())?;
        read.await.map_err(|_| ended())?
    }

    /// Finishes every file and ends the thread; join it afterwards.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
    }
}

struct Writer<F> {
    archive: Option<Archive>,
    reels: BTreeMap<TapeId, Reel>,
    waiting: Arc<AtomicUsize>,
    counts: TapeCounts,
    tell: F,
}

/// One tape being written.
struct Reel {
    /// `None`: it could not be created.
    file: Option<TapeFile>,
    tracks: Vec<Run>,
    /// Samples that never came.
    gap: u64,
}

/// One track of it.
struct Run {
    track: Track,
    line: Timeline,
    /// Sound still comes.
    open: bool,
}

impl<F: Fn(Told)> Writer<F> {
    fn run(&mut self, inbox: &Receiver<Order>) {
        self.mend();
        (self.tell)(Told::Ready);
        for order in inbox {
            match order {
                Order::Taped(Taped::Sound { tape, track, at, sound }) => {
                    self.waiting.fetch_sub(sound.len(), Relaxed);
                    self.sound(tape, track, at, &sound);
                }
                Order::Taped(Taped::End { leg, tape, track, at }) => self.end(leg, tape, track, at),
                Order::Taped(Taped::Wanted { leg, sound: wanted }) => {
                    let tape = if let Sound::Tape(tape) = &wanted { Some(*tape) } else { None };
                    let sound = tape.and_then(|tape| self.read(tape).ok()).map(Arc::from);
                    (self.tell)(Told::Command(Command::Supply { leg, wanted, sound }));
                }
                Order::Taped(Taped::Live { .. } | Taped::Shake { .. }) => {}
                Order::Remove(tape) => self.remove(tape),
                Order::Read(tape, reading) => drop(reading.send(self.read(tape))),
                Order::File(wanted, reading) => self.hand_over(wanted, reading),
                Order::Close => break,
            }
        }
        for (tape, reel) in std::mem::take(&mut self.reels) {
            let end = reel.tracks.iter().map(|run| run.line.end()).max().unwrap_or_default();
            self.finish(LegId::default(), tape, reel, end);
        }
    }

    fn mend(&mut self) {
        let Some(archive) = &self.archive else { return };
        let all = archive.mend().unwrap_or_else(|e| vec![Err(e)]);
        for one in all {
            match one {
                Ok(mended) => {
                    self.counts.mended.inc();
                    tracing::warn!("recording {} was cut short when the program ended; mended", mended.file.file);
                    (self.tell)(Told::Mended(mended));
                }
                Err(e) => self.failed("an unfinished recording cannot be mended", &e),
            }
        }
    }

    fn sound(&mut self, tape: TapeId, track: Track, at: u64, sound: &[u8]) {
        if !self.reels.contains_key(&tape) {
            if self.archive.as_ref().is_some_and(|archive| archive.find(tape).is_some()) {
                // The right track's last words after the left has ended.
                return;
            }
            self.counts.active.inc();
            let channels = if track == Track::Mono { 1 } else { 2 };
            let created = self.archive.as_ref().map(|archive| archive.create(tape, channels)).transpose();
            let file = created.unwrap_or_else(|e| {
                self.failed("a recording cannot be written", &e);
                None
            });
            self.reels.insert(tape, Reel { file, tracks: Reel::tracks(track), gap: 0 });
        }
        let Some(reel) = self.reels.get_mut(&tape) else { return };
        reel.put(track, at, sound);
        let ripe = reel.ripe();
        if let Err(e) = reel.write(ripe) {
            self.counts.lost.inc_by(sound.len() as f64 / f64::from(SAMPLE_RATE));
            self.failed("a recording cannot be written", &e);
        }
    }

    fn end(&mut self, leg: LegId, tape: TapeId, track: Track, at: u64) {
        let filed = |file| Told::Event(Event::Filed { leg, tape, file });
        let Some(reel) = self.reels.get_mut(&tape) else {
            // It ended before it began.
            return if !track.is_right() {
                (self.tell)(filed(None))
            };
        };
        reel.close(track, at);
        if reel.tracks.iter().any(|run| run.open && !run.track.is_right()) {
            return;
        }
        let Some(reel) = self.reels.remove(&tape) else { return };
        let file = self.finish(leg, tape, reel, at);
        (self.tell)(filed(file));
    }

    fn finish(&mut self, leg: LegId, tape: TapeId, mut reel: Reel, end: u64) -> Option<Filed> {
        self.counts.active.dec();
        reel.tracks.iter_mut().for_each(|run| run.line.reach(end));
        let written = reel.write(end);
        let filed = written.and_then(|()| reel.file.map(|file| file.finish(end, reel.gap)).transpose());
        match filed {
            Ok(filed) => {
                self.counts.seconds.inc_by(filed.as_ref().map_or(0, |filed| filed.ms / 1000));
                filed
            }
            Err(e) => {
                self.failed(&format!("{tape} of {leg} cannot be finished"), &e);
                None
            }
        }
    }

    fn read(&self, tape: TapeId) -> Result<Vec<u8>, String> {
        let archive = self.archive.as_ref().ok_or(NO_FOLDER)?;
        let sound = archive.read(tape).and_then(|file| wav::read(&file).map_err(|e| e.to_string()));
        sound.inspect_err(|e| tracing::warn!("{tape} cannot be played: {e}"))
    }

    /// A long one takes a while: recordings are not to wait for it.
    fn hand_over(&self, wanted: Wanted, reading: Reading) {
        let Some(archive) = self.archive.clone() else { return drop(reading.send(Err(NO_FOLDER.into()))) };
        let read = move || {
            let file = match wanted {
                Wanted::Tape(tape) => archive.read(tape),
                Wanted::Fetched(file) => archive.opened(file),
            };
            drop(reading.send(file));
        };
        drop(std::thread::Builder::new().name("playback".into()).spawn(read));
    }

    fn remove(&self, tape: TapeId) {
        if let Some(Err(e)) = self.archive.as_ref().map(|archive| archive.remove(tape)) {
            self.failed("a recording cannot be removed", &e);
        }
    }

    fn failed(&self, what: &str, e: &io::Error) {
        self.counts.errors.inc();
        tracing::error!("{what}: {e}");
    }
}

impl Reel {
    /// Which tracks a tape has, by one of them.
    fn tracks(one: Track) -> Vec<Run> {
        let of = |track| Run { track, line: Timeline::default(), open: track == one };
        if one == Track::Mono { vec![of(Track::Mono)] } else { vec![of(Track::Left), of(Track::Right)] }
    }

    fn put(&mut self, track: Track, at: u64, sound: &[u8]) {
        if matches!(track, Track::Beside(_)) && self.tracks.iter().all(|run| run.track != track) {
            let base = self.tracks.first().map_or(0, |run| run.line.base());
            let mut line = Timeline::new(base, 0);
            line.reach(at.min(base + AHEAD_MAX));
            self.tracks.push(Run { track, line, open: true });
        }
        let Some(run) = self.tracks.iter_mut().find(|run| run.track == track) else { return };
        if at > run.line.end() + AHEAD_MAX {
            return;
        }
        if run.open {
            self.gap += at.saturating_sub(run.line.end());
        }
        run.open = true;
        run.line.put(at as i64, sound.iter().copied());
    }

    fn close(&mut self, track: Track, at: u64) {
        if let Some(run) = self.tracks.iter_mut().find(|run| run.track == track) {
            if !track.is_right() {
                self.gap += at.saturating_sub(run.line.end());
            }
            run.line.cut(at);
            run.open = false;
        }
    }

    /// Up to where no more sound can come.
    fn ripe(&self) -> u64 {
        // Who joined and has left again is not.
        let awaited = || self.tracks.iter().filter(|run| run.open || !matches!(run.track, Track::Beside(_)));
        let newest = self.tracks.iter().map(|run| run.line.end()).max().unwrap_or_default();
        // A side that has not begun, or may go on with another leg, is waited for.
        let all = if awaited().all(|run| run.open) { awaited().map(|run| run.line.end()).min() } else { None };
        all.unwrap_or_default().max(newest.saturating_sub(HOLD))
    }

    fn write(&mut self, until: u64) -> io::Result<()> {
        let taken: Vec<Vec<u8>> = self
            .tracks
            .iter_mut()
            .map(|run| {
                run.line.reach(until);
                run.line.take(until)
            })
            .collect();
        self.tracks.retain(|run| run.open || !matches!(run.track, Track::Beside(_)) || run.line.end() > until);
        let Some(file) = &mut self.file else { return Ok(()) };
        match &taken[..] {
            [one] => file.add(one),
            [left, right] => file.add(&left.iter().zip(right).flat_map(|(l, r)| [*l, *r]).collect::<Vec<_>>()),
            [left, right @ ..] => {
                file.add(&left.iter().zip(together(right)).flat_map(|(l, r)| [*l, r]).collect::<Vec<_>>())
            }
            [] => Ok(()),
        }
    }
}

/// What several say at once, in A-law, each from the same sample on.
fn together(voices: &[Vec<u8>]) -> Vec<u8> {
    let len = voices.iter().map(Vec::len).max().unwrap_or_default();
    let sum = |at: usize| {
        let said = voices.iter().filter_map(|voice| voice.get(at));
        said.fold(0, |sum: i16, code| sum.saturating_add(g711::decode(G711::A, *code)))
    };
    (0..len).map(|at| g711::encode(G711::A, sum(at))).collect()
}
