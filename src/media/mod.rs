//! The media plane: threads that own sockets and move packets, told what to do by commands and telling events.

mod sys;
mod thread;

use busyhour_media::{Command, Config, Event, Library, Taped, Worker};
use busyhour_model::{LegId, Time};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use sys::Bell;
pub use thread::Reporting;
use thread::{Clock, Door, Gauges, Listener, Order, Recording, Thread, Wiring};

/// Commands waiting for one thread; `Plane::send` waits for it when there are more.
const ORDERS_MAX: usize = 16_384;

/// Threads carrying sound. Dropping it stops them and frees every port.
pub struct Plane {
    threads: Vec<Running>,
    placement: Mutex<Placement>,
}

/// What the plane has done so far, over all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Legs open now; each holds two ports.
    pub legs: u64,
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams the system would not send.
    pub send_errors: u64,
    /// Prompts asked for that are not in the library.
    pub prompts_missing: u64,
    /// Commands and packets for legs nobody has.
    pub strays: u64,
    /// Packets dropped because too many waited to be sent.
    pub dropped: u64,
}

struct Running {
    orders: SyncSender<Order>,
    bell: Arc<Bell>,
    gauges: Arc<Gauges>,
    join: Option<JoinHandle<()>>,
}

/// Which thread has which leg. Whoever holds it may send orders, so that all threads see them in one order.
#[derive(Default)]
struct Placement {
    thread_of: HashMap<LegId, usize>,
    load: Vec<usize>,
}

impl Plane {
    /// Starts `threads` threads (at least one). `clock` never goes back; `listener` gets every event,
    /// `recording` what goes to tapes and `reporting` all RTCP, on a media thread; none may block.
    pub fn start(
        threads: usize,
        library: &Arc<Library>,
        config: &Config,
        clock: impl Fn() -> Time + Send + Sync + 'static,
        listener: impl Fn(Event) + Send + Sync + 'static,
        recording: impl Fn(Taped) + Send + Sync + 'static,
        reporting: Option<&Reporting>,
    ) -> io::Result<Plane> {
        let (clock, listener): (Clock, Listener) = (Arc::new(clock), Arc::new(listener));
        let recording: Recording = Arc::new(recording);
        let mut doors = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..threads.max(1) {
            let (handovers, inbox) = channel();
            doors.push(Door { handovers, bell: Arc::new(Bell::new()?) });
            inboxes.push(inbox);
        }
        let mut running = Vec::new();
        for (i, handovers) in inboxes.into_iter().enumerate() {
            let (sender, orders) = sync_channel(ORDERS_MAX);
            let gauges = Arc::new(Gauges::default());
            let bell = doors[i].bell.clone();
            // Each thread's worker draws other SSRCs.
            let config = Config { seed: config.seed.wrapping_add(i as u64 * 0x9E37_79B9), ..config.clone() };
            let wiring = Wiring {
                orders,
                handovers,
                doors: doors.clone(),
                bell: bell.clone(),
                gauges: gauges.clone(),
                clock: clock.clone(),
                listener: listener.clone(),
                recording: recording.clone(),
                reporting: reporting.cloned(),
            };
            let thread = Thread::new(Worker::new(library.clone(), config), wiring)?;
            let join = std::thread::Builder::new().name(format!("media-{i}")).spawn(move || thread.run())?;
            running.push(Running { orders: sender, bell, gauges, join: Some(join) });
        }
        let placement = Placement { thread_of: HashMap::new(), load: vec![0; running.len()] };
        Ok(Plane { threads: running, placement: Mutex::new(placement) })
    }

    /// Passes a command to the thread that has the leg. Legs are spread evenly; those that are bridged come together.
    pub fn send(&self, command: Command) {
        let mut placement = self.placement();
        let thread = match &command {
            Command::Open { leg, .. } | Command::Program { leg, .. } => placement.place(*leg),
            Command::Close { leg } => placement.leave(*leg),
            Command::Bridge { a, b } => self.gather(&mut placement, *a, *b),
            Command::Hear { leg, from } => match from.split_first() {
                Some((first, others)) => {
                    for other in others {
                        self.gather(&mut placement, *first, *other);
                    }
                    self.gather(&mut placement, *first, *leg)
                }
                None => placement.thread_of(*leg),
            },
            other => placement.thread_of(other.leg()),
        };
        self.order(thread, Order::Command(command));
    }

    /// CPU time all media threads have used.
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.sum(|gauges| &gauges.cpu_ns))
    }

    /// What was done so far.
    pub fn figures(&self) -> Figures {
        Figures {
            legs: self.sum(|gauges| &gauges.legs),
            received: self.sum(|gauges| &gauges.received),
            sent: self.sum(|gauges| &gauges.sent),
            send_errors: self.sum(|gauges| &gauges.send_errors),
            prompts_missing: self.sum(|gauges| &gauges.prompts_missing),
            strays: self.sum(|gauges| &gauges.strays),
            dropped: self.sum(|gauges| &gauges.dropped),
        }
    }

    /// Brings `b` to the thread of `a`. The giver's order is sent before any later one, so two threads never wait for
    /// each other: of all moves under way, the eldest can always be done.
    fn gather(&self, placement: &mut Placement, a: LegId, b: LegId) -> usize {
        let (to, from) = (placement.thread_of(a), placement.thread_of(b));
        if to != from && placement.thread_of.contains_key(&b) {
            self.order(to, Order::Expect(b));
            self.order(from, Order::Give { leg: b, to });
            placement.move_to(b, to);
        }
        to
    }

    fn order(&self, thread: usize, order: Order) {
        let thread = &self.threads[thread];
        if thread.orders.send(order).is_err() {
            tracing::error!("a media thread is gone; its calls have no sound");
        }
        thread.bell.ring();
    }

    fn placement(&self) -> MutexGuard<'_, Placement> {
        self.placement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum(&self, gauge: impl Fn(&Gauges) -> &AtomicU64) -> u64 {
        self.threads.iter().map(|thread| gauge(&thread.gauges).load(Relaxed)).sum()
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        for thread in 0..self.threads.len() {
            self.order(thread, Order::Stop);
        }
        for join in self.threads.iter_mut().filter_map(|thread| thread.join.take()) {
            // A thread that panicked has said so itself.
            let _ = join.join();
        }
    }
}

impl Placement {
    fn thread_of(&self, leg: LegId) -> usize {
        self.thread_of.get(&leg).copied().unwrap_or(0)
    }

    fn place(&mut self, leg: LegId) -> usize {
        if let Some(thread) = self.thread_of.get(&leg) {
            return *thread;
        }
        let least = (0..self.load.len()).min_by_key(|i| self.load[*i]).unwrap_or(0);
        self.thread_of.insert(leg, least);
        self.load[least] += 1;
        least
    }

    fn move_to(&mut self, leg: LegId, thread: usize) {
        if let Some(from) = self.thread_of.insert(leg, thread) {
            self.load[from] = self.load[from].saturating_sub(1);
            self.load[thread] += 1;
        }
    }

    fn leave(&mut self, leg: LegId) -> usize {
        let Some(thread) = self.thread_of.remove(&leg) else { return 0 };
        self.load[thread] = self.load[thread].saturating_sub(1);
        thread
    }
}

#[cfg(test)]
pub(crate) mod tests;
