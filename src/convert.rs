//! The thread that makes Ogg/Opus files of recordings, the oldest first, at the lowest priority; no call and no filing waits for it.

use crate::clock::Clock;
use crate::config::Shell;
use crate::store::{Store, Turn, Unconverted};
use crate::tapes::{Archive, Format};
use crate::upload::Uploads;
use prometheus::{IntCounterVec, IntGauge};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// When nothing happens, what was released from a hold is still looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// After the store could not be asked.
const PAUSE: Duration = Duration::from_secs(10);
/// The lowest priority there is (nice(2)): of this thread only, as Linux has it.
const NICE: i32 = 19;

/// What the thread counts.
#[derive(Clone, Debug)]
pub struct ConversionCounts {
    /// Recordings that are still to be converted.
    pub waiting: IntGauge,
    /// `converted`, `failed`.
    pub outcomes: IntCounterVec,
}

/// The way to the thread. Clones lead to the same one; where nothing is converted there is none.
#[derive(Clone, Default)]
pub struct Conversions(Option<Arc<Way>>);

#[derive(Default)]
struct Way {
    due: Notify,
    stop: AtomicBool,
}

/// Ends the thread when dropped; what it was at is begun again at the next start.
pub struct Converting {
    way: Arc<Way>,
    thread: Option<JoinHandle<()>>,
}

impl Conversions {
    /// A recording was filed.
    pub fn look(&self) {
        if let Some(way) = &self.0 {
            way.due.notify_one();
        }
    }
}

/// Starts the thread, where recordings are to be Ogg/Opus.
///
/// # Errors
/// No thread or no runtime can be made.
pub fn start(
    shell: &Shell,
    store: &Store,
    uploads: &Uploads,
    clock: Clock,
    counts: ConversionCounts,
) -> io::Result<(Conversions, Option<Converting>)> {
    let archive = shell.archive().filter(|_| shell.filing.format == Format::Opus);
    let Some(archive) = archive else { return Ok(Default::default()) };
    let (store, uploads) = (store.clone(), uploads.clone());
    let way = Arc::new(Way::default());
    let converter = Converter { archive, store, uploads, clock, counts, way: Arc::clone(&way) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let thread = std::thread::Builder::new().name("convert".into()).spawn(move || {
        if let Err(e) = rustix::process::nice(NICE) {
            tracing::warn!("recordings are converted at the priority of all else: {e}");
        }
        runtime.block_on(converter.run());
    })?;
    Ok((Conversions(Some(Arc::clone(&way))), Some(Converting { way, thread: Some(thread) })))
}

/// All the thread needs.
struct Converter {
    /// Where the files are.
    archive: Archive,
    /// Where it is written down what became of them.
    store: Store,
    /// Who waits for them.
    uploads: Uploads,
    clock: Clock,
    counts: ConversionCounts,
    way: Arc<Way>,
}

impl Converter {
    async fn run(&self) {
        while !self.stops() {
            let pause = match self.pass().await {
                Ok(()) => EVERY,
                Err(why) => {
                    tracing::error!("recordings wait to be converted: {why}");
                    PAUSE
                }
            };
            drop(tokio::time::timeout(pause, self.way.due.notified()).await);
        }
    }

    fn stops(&self) -> bool {
        self.way.stop.load(Relaxed)
    }

    /// Everything there is to do.
    async fn pass(&self) -> Result<(), String> {
        self.clear().await?;
        loop {
            let (count, some) = self.store.unconverted().await?;
            self.counts.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
            if some.is_empty() {
                return Ok(());
            }
            for one in some {
                self.convert(one).await?;
                if self.stops() {
                    return Ok(());
                }
                self.counts.waiting.dec();
                self.uploads.look();
            }
        }
    }

    /// What fails is told once and stays as it was recorded; the others, and its upload, do not wait for it.
    async fn convert(&self, of: Unconverted) -> Result<(), String> {
        let tape = of.tape;
        let made = match self.archive.make_opus(tape, (&of.file, &of.sha256), || !self.stops()) {
            Ok(Some(made)) => made,
            // Stopped, or removed: its row goes with it.
            Ok(None) => return Ok(()),
            Err(e) => {
                self.counts.outcomes.with_label_values(&["failed"]).inc();
                tracing::error!("recording {} stays as it is, it cannot be made Ogg/Opus: {e}", of.file);
                return self.store.turn(Turn::Failed(tape, e.to_string())).await.map(drop);
            }
        };
        let file = made.file.clone();
        let turn = Turn::Made { at: self.clock.now(), of, file: made.file, sha256: made.sha256, ms: made.ms };
        if self.store.turn(turn).await? {
            self.counts.outcomes.with_label_values(&["converted"]).inc();
            return self.clear().await;
        }
        self.remove(&file)
    }

    /// Removes what others were made of, also before a crash.
    async fn clear(&self) -> Result<(), String> {
        loop {
            let some = self.store.left_over().await?;
            if some.is_empty() {
                return Ok(());
            }
            for (tape, file) in some {
                self.remove(&file)?;
                self.store.turn(Turn::Done(tape)).await?;
            }
        }
    }

    fn remove(&self, file: &str) -> Result<(), String> {
        self.archive.remove_file(file).map_err(|e| format!("{file} cannot be removed: {e}"))
    }
}

impl Drop for Converting {
    fn drop(&mut self) {
        self.way.stop.store(true, Relaxed);
        self.way.due.notify_one();
        self.thread.take().into_iter().for_each(|thread| drop(thread.join()));
    }
}

#[cfg(all(test, feature = "opus"))]
mod tests;
