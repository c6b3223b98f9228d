//! The thread that copies recordings to storage, the oldest first, and removes there what is removed here; no call waits for it.

use crate::clock::Clock;
use crate::config::Shell;
use crate::digest::digest;
use crate::storage::{Storage, StorageSetup};
use crate::store::{Step, Store, Uncopied};
use crate::tapes::{Archive, Tapes};
use busyhour_model::TapeId;
use prometheus::{IntCounterVec, IntGauge};
use std::fs::File;
use std::io::{self, Seek};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// When nothing happens, files whose time here is over are still looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// After a failure, twice as long after each further one, up to the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// Recordings asked back that are not yet being fetched.
const FETCHES_MAX: usize = 100;

/// What is uploaded where, and for how long it stays here as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSetup {
    /// Where to.
    pub storage: StorageSetup,
    /// After so long the file here is removed; `None`: it stays.
    pub keep_local: Option<Duration>,
}

/// What the thread counts.
#[derive(Clone, Debug)]
pub struct UploadCounts {
    /// Recordings that are not in storage yet.
    pub waiting: IntGauge,
    /// `uploaded`, `removed`, `failed`: tries that came to nothing.
    pub outcomes: IntCounterVec,
}

/// The way to the thread. Clones lead to the same one; where nothing is uploaded there is none.
#[derive(Clone, Default)]
pub struct Uploads(Option<Arc<Way>>);

struct Way {
    due: Notify,
    fetches: mpsc::Sender<Fetch>,
}

type Fetch = (String, oneshot::Sender<Result<Vec<u8>, String>>);

/// What waits for the thread.
struct Inbox(mpsc::Receiver<Fetch>);

/// Ends the thread when dropped; what it was at is begun again at the next start.
pub struct Uploading {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Uploads {
    /// The way to a thread that is still to be started.
    fn new() -> (Uploads, Inbox) {
        let (fetches, inbox) = mpsc::channel(FETCHES_MAX);
        (Uploads(Some(Arc::new(Way { due: Notify::new(), fetches }))), Inbox(inbox))
    }

    /// A recording was filed or removed.
    pub fn look(&self) {
        if let Some(way) = &self.0 {
            way.due.notify_one();
        }
    }

    /// The file at this place in storage, or why it cannot be had.
    pub async fn fetch(&self, place: &str) -> Result<Vec<u8>, String> {
        let way = self.0.as_ref().ok_or("it is in storage, and [recording.upload] does not say how to get there")?;
        let (reply, fetched) = oneshot::channel();
        way.fetches.try_send((place.into(), reply)).map_err(|_| "too many are fetched at once")?;
        fetched.await.map_err(|_| "the server is stopping")?
    }
}

/// Starts the thread, where recordings are to be uploaded.
///
/// # Errors
/// No thread or no runtime can be made.
pub fn start(
    shell: &Shell,
    tapes: &Tapes,
    store: &Store,
    clock: Clock,
    counts: UploadCounts,
) -> io::Result<(Uploads, Option<Uploading>)> {
    let Some((setup, archive)) = shell.filing.upload.clone().zip(shell.archive()) else {
        return Ok(Default::default());
    };
    let (uploads, inbox) = Uploads::new();
    let (tapes, store) = (tapes.clone(), store.clone());
    let uploading = Uploader { setup, archive, tapes, store, clock, counts }.start(&uploads, inbox)?;
    Ok((uploads, Some(uploading)))
}

/// All the thread needs.
struct Uploader {
    setup: UploadSetup,
    /// Where the files are.
    archive: Archive,
    /// Who removes them.
    tapes: Tapes,
    /// Where it is written down what became of them.
    store: Store,
    clock: Clock,
    counts: UploadCounts,
}

impl Uploader {
    fn start(self, uploads: &Uploads, mut inbox: Inbox) -> io::Result<Uploading> {
        let (stop, stopped) = oneshot::channel::<()>();
        let Some(way) = uploads.0.clone() else { return Err(io::Error::other("there is no way to it")) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("upload".into()).spawn(move || {
            runtime.block_on(async {
                let storage = Arc::new(Storage::new(self.setup.storage.clone()));
                let fetching = async {
                    while let Some((place, reply)) = inbox.0.recv().await {
                        let storage = Arc::clone(&storage);
                        tokio::spawn(async move { drop(reply.send(storage.fetch(&place).await.map(Vec::from))) });
                    }
                };
                tokio::select! {
                    () = self.run(&storage, &way.due) => {}
                    () = fetching => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Uploading { stop: Some(stop), thread: Some(thread) })
    }

    async fn run(&self, storage: &Storage, due: &Notify) {
        let mut failing: Option<(String, Duration)> = None;
        loop {
            match (self.pass(storage).await, &failing) {
                (Ok(()), None) => {}
                (Ok(()), Some(_)) => {
                    tracing::info!("recordings are uploaded again");
                    failing = None;
                }
                (Err(why), before) => {
                    self.count("failed");
                    let pause = match before {
                        Some((same, pause)) if *same == why => *pause * 2,
                        _ => {
                            tracing::error!("recordings wait to be uploaded: {why}");
                            PAUSE_MIN
                        }
                    };
                    failing = Some((why, pause.min(PAUSE_MAX)));
                }
            }
            match &failing {
                // What happens meanwhile does not mend it.
                Some((_, pause)) => tokio::time::sleep(*pause).await,
                None => drop(tokio::time::timeout(EVERY, due.notified()).await),
            }
        }
    }

    /// Everything there is to do; the first failure of the storage ends it.
    async fn pass(&self, storage: &Storage) -> Result<(), String> {
        let copied = self.copy_all(storage).await;
        self.remove_here().await?;
        copied?;
        self.remove_there(storage).await
    }

    async fn copy_all(&self, storage: &Storage) -> Result<(), String> {
        loop {
            let (count, some) = self.store.uncopied().await?;
            self.counts.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
            if some.is_empty() {
                return Ok(());
            }
            for one in &some {
                self.copy(storage, one).await?;
                self.counts.waiting.dec();
            }
        }
    }

    /// A file that is not what it was is told once and left alone; the others do not wait for it.
    async fn copy(&self, storage: &Storage, Uncopied { tape, file, sha256 }: &Uncopied) -> Result<(), String> {
        let found = match self.found(file, sha256) {
            Ok(found) => found,
            Err(why) => {
                self.count("failed");
                tracing::error!("recording {file} is not uploaded: {why}");
                return self.store.step(*tape, Step::Failed(why)).await;
            }
        };
        let place = storage.place(file);
        self.store.step(*tape, Step::Begun(place.clone())).await?;
        storage.put(&place, found, sha256).await?;
        self.count("uploaded");
        self.store.step(*tape, Step::Copied(self.clock.now())).await
    }

    fn found(&self, file: &str, sha256: &str) -> Result<File, String> {
        let mut found = File::open(self.archive.folder.join(file)).map_err(|e| e.to_string())?;
        let is = digest(&found).map_err(|e| e.to_string())?;
        if is != sha256 {
            return Err(format!("its SHA-256 is {is}, and was {sha256} when it was recorded"));
        }
        found.rewind().map_err(|e| e.to_string())?;
        Ok(found)
    }

    async fn remove_here(&self) -> Result<(), String> {
        let Some(keep) = self.setup.keep_local else { return Ok(()) };
        loop {
            let some: Vec<TapeId> = self.store.twofold(self.clock.now() - keep).await?;
            if some.is_empty() {
                return Ok(());
            }
            for tape in some {
                self.store.step(tape, Step::Away).await?;
                self.tapes.remove(tape);
            }
        }
    }

    async fn remove_there(&self, storage: &Storage) -> Result<(), String> {
        loop {
            let some = self.store.doomed().await?;
            if some.is_empty() {
                return Ok(());
            }
            for (tape, place) in some {
                storage.remove(&place).await?;
                self.count("removed");
                self.store.step(tape, Step::Gone).await?;
            }
        }
    }

    fn count(&self, outcome: &str) {
        self.counts.outcomes.with_label_values(&[outcome]).inc();
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

#[cfg(test)]
mod tests;
