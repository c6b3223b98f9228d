//! The thread that writes recordings to files and reads them again, so that neither media nor control ever waits for a disk.

mod file;
#[cfg(test)]
mod tests;

use busyhour_media::{Command, Event, Filed, SAMPLE_RATE, Taped, Timeline, Track};
use busyhour_model::{LegId, Sound, TapeId};
use file::TapeFile;
pub use file::{Mended, name};
use prometheus::{Counter, IntCounter, IntGauge};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
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
    File(TapeId, Reading),
    Close,
}

type Reading = tokio::sync::oneshot::Sender<Option<Vec<u8>>>;

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

    /// Starts the thread on files below `folder`; without one every recording fails.
    pub fn start(
        &self,
        inbox: Inbox,
        folder: Option<PathBuf>,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
        }
        let (waiting, counts) = (Arc::clone(&self.waiting), self.counts.clone());
        let mut writer = Writer { folder, reels: BTreeMap::new(), waiting, counts, tell };
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

    /// The A-law of a finished tape of one track.
    pub async fn sound(&self, tape: TapeId) -> Option<Vec<u8>> {
        let (reading, read) = tokio::sync::oneshot::channel();
        self.orders.send(Order::Read(tape, reading)).ok()?;
        read.await.ok()?
    }

    /// A finished tape's file as it is.
    pub async fn file(&self, tape: TapeId) -> Option<Vec<u8>> {
        let (reading, read) = tokio::sync::oneshot::channel();
        self.orders.send(Order::File(tape, reading)).ok()?;
        read.await.ok()?
    }

    /// Finishes every file and ends the thread; join it afterwards.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
    }
}

struct Writer<F> {
    folder: Option<PathBuf>,
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
                    let sound = tape.and_then(|tape| self.read(tape)).map(Arc::from);
                    (self.tell)(Told::Command(Command::Supply { leg, wanted, sound }));
                }
                Order::Remove(tape) => self.remove(tape),
                Order::Read(tape, reading) => drop(reading.send(self.read(tape))),
                Order::File(tape, reading) => self.hand_over(tape, reading),
                Order::Close => break,
            }
        }
        for (tape, reel) in std::mem::take(&mut self.reels) {
            let end = reel.tracks.iter().map(|run| run.line.end()).max().unwrap_or_default();
            self.finish(LegId::default(), tape, reel, end);
        }
    }

    fn mend(&mut self) {
        let Some(folder) = &self.folder else { return };
        match file::mend(folder) {
            Ok(all) => {
                for mended in all {
                    self.counts.mended.inc();
                    tracing::warn!("recording {} was cut short when the program ended; mended", mended.file.file);
                    (self.tell)(Told::Mended(mended));
                }
            }
            Err(e) => self.failed("unfinished recordings cannot be mended", &e),
        }
    }

    fn sound(&mut self, tape: TapeId, track: Track, at: u64, sound: &[u8]) {
        if !self.reels.contains_key(&tape) {
            if self.folder.as_ref().is_some_and(|folder| folder.join(name(tape)).exists()) {
                // The right track's last words after the left has ended.
                return;
            }
            self.counts.active.inc();
            let channels = if track == Track::Mono { 1 } else { 2 };
            let created = self.folder.as_ref().map(|folder| TapeFile::create(folder, tape, channels)).transpose();
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
            return if track != Track::Right {
                (self.tell)(filed(None))
            };
        };
        reel.close(track, at);
        if reel.tracks.iter().any(|run| run.open && run.track != Track::Right) {
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

    fn read(&self, tape: TapeId) -> Option<Vec<u8>> {
        let sound = file::sound(self.folder.as_ref()?, tape);
        sound.inspect_err(|e| tracing::warn!("{} cannot be played: {e}", name(tape))).ok()
    }

    /// A long one takes a while: recordings are not to wait for it.
    fn hand_over(&self, tape: TapeId, reading: Reading) {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(name(tape))) else { return };
        let read = move || drop(reading.send(std::fs::read(path).ok()));
        drop(std::thread::Builder::new().name("playback".into()).spawn(read));
    }

    fn remove(&self, tape: TapeId) {
        if let Some(Err(e)) = self.folder.as_ref().map(|folder| file::remove(folder, tape)) {
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
            if track != Track::Right {
                self.gap += at.saturating_sub(run.line.end());
            }
            run.line.cut(at);
            run.open = false;
        }
    }

    /// Up to where no more sound can come.
    fn ripe(&self) -> u64 {
        let ends = || self.tracks.iter().map(|run| run.line.end());
        let newest = ends().max().unwrap_or_default();
        // A side that has not begun, or may go on with another leg, is waited for.
        let all = if self.tracks.iter().all(|run| run.open) { ends().min() } else { None };
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
        let Some(file) = &mut self.file else { return Ok(()) };
        match &taken[..] {
            [one] => file.add(one),
            [left, right] => file.add(&left.iter().zip(right).flat_map(|(l, r)| [*l, *r]).collect::<Vec<_>>()),
            _ => Ok(()),
        }
    }
}
