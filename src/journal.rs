//! The append-only journal: every entry one JSON line, written by its own thread, many at a time.

pub mod check;

use busyhour_switch::Entry;
use prometheus::IntCounter;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries on their way to the writer.
const QUEUE_MAX: usize = 65_536;
/// Bytes kept while the disk refuses; further entries are counted as lost.
const PENDING_MAX: usize = 16 << 20;
/// A journal file of this size is closed before the next snapshot, with which the next one begins: so each can be
/// replayed from its first line. At twice the size it is closed whatever comes.
const FILE_MAX: u64 = 256 << 20;
/// Closed files kept.
const FILES_MAX: usize = 16;
/// Entries written by one system call and made durable together.
const GROUP_MAX: usize = 4_096;
/// Entries gather for so long before they are made durable together: at most a hundred syncs a second.
const GATHER: Duration = Duration::from_millis(10);
/// After a failure the disk is tried again this often.
const RETRY: Duration = Duration::from_secs(1);

/// The file being written.
const CURRENT: &str = "journal.jsonl";

/// What the journal counts.
#[derive(Clone, Debug)]
pub struct JournalCounts {
    /// Failed writes.
    pub errors: IntCounter,
    /// Entries given up.
    pub lost: IntCounter,
}

/// The way into the journal.
pub struct Journal {
    entries: SyncSender<Box<Entry>>,
    writer: JoinHandle<()>,
    counts: JournalCounts,
}

impl Journal {
    /// Opens `folder`/journal.jsonl for appending. An error means nothing could be written there now.
    pub fn open(folder: &Path, counts: JournalCounts) -> io::Result<Journal> {
        let mut writer = Writer::open(folder, FILE_MAX, counts.clone())?;
        let (entries, queue) = sync_channel(QUEUE_MAX);
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run(&queue))?;
        Ok(Journal { entries, writer, counts })
    }

    /// Hands an entry over; never waits.
    pub fn append(&self, entry: Box<Entry>) {
        if self.entries.try_send(entry).is_err() {
            self.counts.lost.inc();
        }
    }

    /// Writes what is left and closes the file.
    pub fn close(self) {
        drop(self.entries);
        // A writer that panicked has said so already.
        let _ = self.writer.join();
    }
}

struct Writer {
    folder: PathBuf,
    file: File,
    size: u64,
    size_max: u64,
    pending: Vec<u8>,
    failing: bool,
    counts: JournalCounts,
}

impl Writer {
    fn open(folder: &Path, size_max: u64, counts: JournalCounts) -> io::Result<Writer> {
        fs::create_dir_all(folder)?;
        let file = OpenOptions::new().create(true).append(true).open(folder.join(CURRENT))?;
        let size = file.metadata()?.len();
        let mut writer =
            Writer { folder: folder.into(), file, size, size_max, pending: Vec::new(), failing: false, counts };
        if size > 0 {
            // A torn last line, after a crash, must not swallow the next one.
            writer.pending.push(b'\n');
            writer.write()?;
        }
        Ok(writer)
    }

    fn run(&mut self, queue: &Receiver<Box<Entry>>) {
        loop {
            match queue.recv_timeout(RETRY) {
                Ok(entry) => {
                    self.add(&entry);
                    std::thread::sleep(GATHER);
                    queue.try_iter().take(GROUP_MAX).for_each(|entry| self.add(&entry));
                    self.flush();
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
                Err(RecvTimeoutError::Disconnected) => return self.flush(),
            }
        }
    }

    fn add(&mut self, entry: &Entry) {
        let whole = matches!(entry, Entry::Began(..) | Entry::Snapshot(..));
        if whole && self.size + self.pending.len() as u64 >= self.size_max {
            self.flush();
            if self.pending.is_empty() && self.size > 0 {
                let turned = self.rotate();
                self.note(turned);
            }
        }
        if self.pending.len() >= PENDING_MAX || serde_json::to_writer(&mut self.pending, entry).is_err() {
            self.counts.lost.inc();
        } else {
            self.pending.push(b'\n');
        }
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let written = self.write();
        self.note(written);
    }

    /// Counts failures, and says when they begin and end.
    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!("the journal is written again");
            }
            Ok(()) => {}
            Err(e) => {
                self.counts.errors.inc();
                if !self.failing {
                    self.failing = true;
                    tracing::error!("the journal in {} cannot be written: {e}; calls go on", self.folder.display());
                }
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut written = 0;
        let outcome = loop {
            match self.file.write(&self.pending[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(e),
            }
            if written == self.pending.len() {
                break self.file.sync_data();
            }
        };
        // What reached the file is not written twice, whatever follows.
        self.pending.drain(..written);
        self.size += written as u64;
        outcome?;
        if self.size >= 2 * self.size_max { self.rotate() } else { Ok(()) }
    }

    /// Closes the file under the name `journal-NNNNNN.jsonl`, counting up, and begins the next.
    fn rotate(&mut self) -> io::Result<()> {
        let closed = closed(&self.folder)?;
        let next = closed.last().map_or(1, |n| n + 1);
        let current = self.folder.join(CURRENT);
        fs::rename(&current, closed_path(&self.folder, next))?;
        self.file = OpenOptions::new().create(true).append(true).open(current)?;
        self.size = 0;
        for old in closed.iter().rev().skip(FILES_MAX - 1) {
            fs::remove_file(closed_path(&self.folder, *old))?;
        }
        Ok(())
    }
}

/// Numbers of the closed files, rising.
fn closed(folder: &Path) -> io::Result<Vec<u64>> {
    let number = |name: &str| name.strip_prefix("journal-")?.strip_suffix(".jsonl")?.parse().ok();
    let names = fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut numbers: Vec<u64> = names.filter_map(|name| number(&name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn closed_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("journal-{number:06}.jsonl"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_model::{Fact, Time, What};

    fn counts() -> JournalCounts {
        let counter = |name: &str| IntCounter::new(name, "test").unwrap();
        JournalCounts { errors: counter("errors"), lost: counter("lost") }
    }

    fn entry(secs: u64) -> Entry {
        Entry::Fact(Fact { at: Time::from_secs(secs), what: What::Reloaded { ok: true } })
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("busyhour-journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn entries(path: &Path) -> Vec<Entry> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    #[test]
    fn entries_come_back_in_order_and_a_second_start_appends() {
        let folder = folder("order");
        for start in [0, 1_000] {
            let journal = Journal::open(&folder, counts()).unwrap();
            (start..start + 1_000).for_each(|i| journal.append(Box::new(entry(i))));
            journal.close();
        }
        let read = entries(&folder.join("journal.jsonl"));
        assert_eq!(read, (0..2_000).map(entry).collect::<Vec<_>>());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn files_are_closed_at_their_size_and_the_oldest_removed() {
        let folder = folder("rotate");
        let mut writer = Writer::open(&folder, 1, counts()).unwrap();
        for i in 0..20 {
            writer.add(&entry(i));
            writer.flush();
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), FILES_MAX + 1);
        assert_eq!(entries(&folder.join("journal-000020.jsonl")), [entry(19)]);
        assert!(!folder.join("journal-000004.jsonl").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_full_ends_before_a_snapshot_and_the_next_begins_with_it() {
        let folder = folder("snapshot");
        let snapshot = || Entry::Snapshot(Time::ZERO, busyhour_switch::Snapshot::of(&busyhour_acd::Acd::new(1)));
        let mut writer = Writer::open(&folder, 300, counts()).unwrap();
        for entry in [entry(1), snapshot(), entry(2), entry(3), snapshot(), entry(4)] {
            writer.add(&entry);
        }
        writer.flush();
        let files: Vec<Vec<Entry>> =
            ["journal-000001.jsonl", "journal.jsonl"].iter().map(|name| entries(&folder.join(name))).collect();
        assert_eq!(files, [vec![entry(1), snapshot(), entry(2), entry(3)], vec![snapshot(), entry(4)]]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_disk_that_refuses_is_counted_and_what_waited_is_written_later() {
        let folder = folder("refuse");
        let mut writer = Writer::open(&folder, FILE_MAX, counts()).unwrap();
        let good = std::mem::replace(&mut writer.file, File::open(folder.join("journal.jsonl")).unwrap());
        writer.add(&entry(1));
        writer.flush();
        assert_eq!((writer.counts.errors.get(), writer.counts.lost.get()), (1, 0));
        writer.file = good;
        writer.flush();
        assert_eq!(entries(&folder.join("journal.jsonl")), [entry(1)]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_at_once() {
        assert!(Journal::open(Path::new("/proc/busyhour"), counts()).is_err());
    }
}
