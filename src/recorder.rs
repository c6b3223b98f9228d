//! The thread behind the control loop: folds facts into records and metrics, and hands them to journal, store and listeners.

use crate::convert::Conversions;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::store::Store;
use crate::tapes::Tapes;
use crate::upload::Uploads;
use busyhour_ledger::{CallRecord, Ledger};
use busyhour_model::{Deed, Fact, Handled, Overload, Unheard, What};
use busyhour_switch::Entry;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries on their way from the control loop.
const QUEUE_MAX: usize = 65_536;
/// After a group, entries may gather for so long: the control loop need not wake this thread for each.
const GATHER: Duration = Duration::from_millis(5);
/// What a listener may leave unread; a slower one is let go.
const LISTENER_MAX: usize = 65_536;
/// Listeners at once.
const LISTENERS_MAX: usize = 64;

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Told {
    /// A fact.
    Fact(Box<Fact>),
    /// A call that ended, right after its last fact.
    Record(Box<CallRecord>),
}

/// The way in, for the control loop and for whoever has a fact to tell. Clones lead to the same thread.
#[derive(Clone)]
pub struct Recorder {
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
}

enum Order {
    Take(Box<Entry>),
    Close,
}

/// Where facts lead beside journal and listeners.
pub struct Sinks {
    /// Records, messages and recordings.
    pub store: Store,
    /// Files that are to be removed.
    pub tapes: Tapes,
    /// Whom to tell of messages.
    pub notifier: Notifier,
    /// What to make smaller.
    pub conversions: Conversions,
    /// What to copy to storage.
    pub uploads: Uploads,
}

struct Shared {
    ledger: Mutex<Ledger>,
    listeners: Mutex<Vec<SyncSender<Told>>>,
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// Starts the thread; it ends, and closes the journal, when told to.
    pub fn start(
        metrics: Arc<Metrics>,
        journal: Option<Journal>,
        sinks: Sinks,
    ) -> std::io::Result<(Recorder, JoinHandle<()>)> {
        let shared = Arc::new(Shared { ledger: Mutex::default(), listeners: Mutex::default(), metrics });
        let (orders, queue) = sync_channel(QUEUE_MAX);
        let worker = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("recorder".into()).spawn(move || worker.run(&queue, journal, &sinks))?;
        Ok((Recorder { orders, shared }, thread))
    }

    /// Hands an entry over; never waits.
    pub fn take(&self, entry: Entry) {
        if self.orders.try_send(Order::Take(Box::new(entry))).is_err() {
            if self.shared.metrics.facts_lost.get() == 0 {
                tracing::error!("facts come faster than they are recorded; call records have gaps from now on");
            }
            self.shared.metrics.facts_lost.inc();
        }
    }

    /// Records what was handed over so far and ends the thread; join it afterwards.
    pub fn close(&self) {
        // A thread that has ended needs no order.
        let _ = self.orders.send(Order::Close);
    }

    /// Everything from now on.
    pub fn listen(&self) -> Receiver<Told> {
        let (sender, receiver) = sync_channel(LISTENER_MAX);
        let mut listeners = lock(&self.shared.listeners);
        if listeners.len() < LISTENERS_MAX {
            listeners.push(sender);
        }
        receiver
    }

    /// The ledger as it is now.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.shared.ledger)
    }
}

impl Shared {
    fn run(&self, queue: &Receiver<Order>, journal: Option<Journal>, sinks: &Sinks) {
        'open: while let Ok(first) = queue.recv() {
            for order in std::iter::once(first).chain(queue.try_iter()) {
                let Order::Take(entry) = order else { break 'open };
                if let Entry::Fact(fact) = &*entry {
                    self.fact(fact, sinks);
                }
                if let Some(journal) = &journal {
                    journal.append(entry);
                }
            }
            std::thread::sleep(GATHER);
        }
        if let Some(journal) = journal {
            journal.close();
        }
    }

    fn fact(&self, fact: &Fact, Sinks { store, tapes, notifier, conversions, uploads }: &Sinks) {
        let mut ledger = lock(&self.ledger);
        if let What::Unheard(Unheard { call, leg, side, why }) = &fact.what {
            let told = |record: &CallRecord| record.legs.iter().any(|leg| leg.unheard.is_some());
            if !ledger.open_call(*call).is_some_and(told) {
                tracing::warn!(%call, %leg, ?side, "one-way audio: {why}");
            }
        }
        let record = ledger.apply(fact);
        self.metrics.fact(fact, ledger.stays());
        drop(ledger);
        if let What::Fault { call, detail } = &fact.what {
            tracing::error!(call = call.map(tracing::field::display), "contained fault: {detail}");
        }
        if let What::TrunkState { trunk, trouble, .. } = &fact.what {
            match trouble {
                None => tracing::warn!(%trunk, "trunk answers"),
                Some(trouble) => tracing::warn!(%trunk, "trunk is down: {trouble}"),
            }
        }
        if let What::DialRefused { call, trunk, reason } = &fact.what {
            tracing::warn!(%call, trunk = trunk.as_deref(), %reason, "a number outside was not called");
        }
        if let What::Overload(Overload { on, refused }) = &fact.what {
            tracing::warn!(on, refused, "overload {}", if *on { "begins: new calls are refused" } else { "is over" });
        }
        if let What::Banned { source, reason, .. } = &fact.what {
            tracing::info!(%source, %reason, "banned; `busyhour ctl bans` lists all");
        }
        match &fact.what {
            What::Discarded { tape, .. }
            | What::MessageDeleted { tape, .. }
            | What::RecordingHandled(Handled { tape, deed: Deed::Removed, .. }) => tapes.remove(*tape),
            What::MessageLeft { message } => notifier.message_left(message),
            _ => {}
        }
        store.fact(fact);
        if let What::Recorded { .. } | What::RecordingHandled(Handled { deed: Deed::Removed, .. }) = &fact.what {
            conversions.look();
            uploads.look();
        }
        self.tell(|| Told::Fact(Box::new(fact.clone())));
        if let Some(record) = record {
            self.metrics.record(&record);
            log(&record);
            self.tell(|| Told::Record(Box::new(record.clone())));
            store.put(record);
        }
    }

    fn tell(&self, told: impl Fn() -> Told) {
        lock(&self.listeners).retain(|listener| listener.try_send(told()).is_ok());
    }
}

/// The one line of a call: its end, from its record, numbers masked.
fn log(record: &CallRecord) {
    let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1e3);
    tracing::info!(
        call = %record.call,
        from = record.masked_caller().national,
        to = record.to.national,
        origin = %record.origin.name(),
        queue = record.queue.as_deref(),
        agent = record.agent.as_deref(),
        wait_s = seconds(record.queue_wait_ms),
        talk_s = record.talk_ms as f64 / 1e3,
        cause = ?record.cause,
        sip_call_id = %record.sip_call_id,
        "call ended"
    );
}

/// What a panicking thread left behind is still whole: every update here is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
