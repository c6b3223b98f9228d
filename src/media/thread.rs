//! One media thread: its sockets, its worker, and the loop that moves packets between them in batches of a millisecond.

use super::sys::{self, Batch, Bell, Epoll, thread_cpu};
use busyhour_media::{Command, Event, Moved, Taped, Worker};
use busyhour_model::{LegId, Time};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// Packets that come within this are handled in one pass: it halves the CPU time per packet and delays none longer.
const BATCH: Duration = Duration::from_millis(1);
/// Passes over a socket that has more waiting than one batch holds; the rest waits for the next millisecond.
const ROUNDS_MAX: usize = 4;
/// Packets that came back, taken from one socket in one pass.
const RETURNS_MAX: usize = 16;
const BELL: u64 = u64::MAX;

/// What the plane tells a thread, in order.
pub(super) enum Order {
    Command(Command),
    /// Take no further order before this leg has come from another thread.
    Expect(LegId),
    /// Hand this leg to another thread.
    Give {
        leg: LegId,
        to: usize,
    },
    Stop,
}

/// A leg changing threads; `None` when it was closed before.
pub(super) struct Handover {
    leg: LegId,
    moved: Option<Box<(Moved, Option<Pair>)>>,
}

/// The two sockets of a leg.
struct Pair {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

/// Where another thread takes legs.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) handovers: Sender<Handover>,
    pub(super) bell: Arc<Bell>,
}

/// What a thread has done so far, for metrics.
#[derive(Default)]
pub(super) struct Gauges {
    pub(super) cpu_ns: AtomicU64,
    pub(super) legs: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) send_errors: AtomicU64,
    pub(super) prompts_missing: AtomicU64,
    pub(super) strays: AtomicU64,
    pub(super) dropped: AtomicU64,
}

pub(super) type Clock = Arc<dyn Fn() -> Time + Send + Sync>;
pub(super) type Listener = Arc<dyn Fn(Event) + Send + Sync>;
pub(super) type Recording = Arc<dyn Fn(Taped) + Send + Sync>;
/// Told of each RTCP packet of a leg, as it comes or has been sent: from where, to where. May not block.
pub type Reporting = Arc<dyn Fn(Time, LegId, [SocketAddr; 2], &[u8]) + Send + Sync>;

/// One media thread.
pub(super) struct Thread {
    worker: Worker,
    wiring: Wiring,
    epoll: Epoll,
    batch: Batch,
    sockets: HashMap<LegId, Pair>,
    expected: Option<LegId>,
    /// Legs handed over whose `Expect` is still to be read.
    arrived: Vec<LegId>,
}

/// What ties a thread to the others.
pub(super) struct Wiring {
    pub(super) orders: Receiver<Order>,
    pub(super) handovers: Receiver<Handover>,
    /// Of all threads, this one among them.
    pub(super) doors: Vec<Door>,
    pub(super) bell: Arc<Bell>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) clock: Clock,
    pub(super) listener: Listener,
    pub(super) recording: Recording,
    /// `None`: nobody wants to know.
    pub(super) reporting: Option<Reporting>,
}

impl Wiring {
    fn report(&self, leg: LegId, socket: &UdpSocket, bytes: &[u8], way: impl Fn(SocketAddr) -> [SocketAddr; 2]) {
        if let Some(reporting) = &self.reporting
            && let Ok(local) = socket.local_addr()
        {
            reporting((self.clock)(), leg, way(local), bytes);
        }
    }
}

impl Thread {
    pub(super) fn new(worker: Worker, wiring: Wiring) -> io::Result<Thread> {
        let epoll = Epoll::new()?;
        epoll.add(&*wiring.bell, BELL)?;
        let (batch, sockets, arrived) = (Batch::new(), HashMap::new(), Vec::new());
        Ok(Thread { worker, wiring, epoll, batch, sockets, expected: None, arrived })
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        loop {
            let now = (self.wiring.clock)();
            let ready = self.epoll.wait(self.worker.poll_timeout().map(|at| at.since(now)));
            let began = Instant::now();
            let now = (self.wiring.clock)();
            if (0..ready).any(|i| self.epoll.token(i) == BELL) {
                self.wiring.bell.quiet();
            }
            if !self.take_orders(now) {
                return;
            }
            for i in 0..ready {
                if self.epoll.failed(i) {
                    self.take_back(self.epoll.token(i));
                }
                self.receive(now, self.epoll.token(i));
            }
            self.worker.handle_timeout(now);
            self.flush();
            self.publish();
            std::thread::sleep(BATCH.saturating_sub(began.elapsed()));
        }
    }

    /// Does what was ordered; whether to go on.
    fn take_orders(&mut self, now: Time) -> bool {
        loop {
            while let Ok(handover) = self.wiring.handovers.try_recv() {
                self.adopt(handover);
            }
            if let Some(leg) = self.expected {
                let Some(i) = self.arrived.iter().position(|arrived| *arrived == leg) else { return true };
                self.arrived.swap_remove(i);
                self.expected = None;
            }
            match self.wiring.orders.try_recv() {
                Ok(Order::Command(command)) => self.command(now, command),
                Ok(Order::Expect(leg)) => self.expected = Some(leg),
                Ok(Order::Give { leg, to }) => self.give(leg, to),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn command(&mut self, now: Time, command: Command) {
        if let Command::Open { leg, local, .. } = command
            && !self.sockets.contains_key(&leg)
        {
            match self.open(leg, local) {
                Ok(pair) => {
                    self.sockets.insert(leg, pair);
                }
                Err(error) => {
                    let detail = format!("cannot bind UDP {local} and the port above: {error}");
                    (self.wiring.listener)(Event::Failed { leg, detail });
                }
            }
        }
        self.worker.handle_command(now, command);
    }

    fn open(&self, leg: LegId, local: SocketAddr) -> io::Result<Pair> {
        let above = local.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let rtp = bind(local)?;
        // RTCP comes back from every peer that has none.
        sys::ask_for_returns(&rtp, local.is_ipv4());
        let pair = Pair { rtp, rtcp: bind(SocketAddr::new(local.ip(), above))? };
        self.watch(leg, &pair)?;
        Ok(pair)
    }

    fn watch(&self, leg: LegId, pair: &Pair) -> io::Result<()> {
        self.epoll.add(&pair.rtp, leg.0 << 1)?;
        self.epoll.add(&pair.rtcp, leg.0 << 1 | 1)
    }

    fn give(&mut self, leg: LegId, to: usize) {
        let moved = self.worker.release((self.wiring.clock)(), leg);
        // What the leg still has to send goes out through the sockets it leaves with, and what it has to tell before it tells more elsewhere.
        self.flush();
        let pair = self.sockets.remove(&leg);
        for socket in pair.iter().flat_map(|pair| [&pair.rtp, &pair.rtcp]) {
            let _ = self.epoll.remove(socket);
        }
        let moved = moved.map(|moved| Box::new((moved, pair)));
        let door = &self.wiring.doors[to];
        // A thread that is gone takes its legs with it.
        let _ = door.handovers.send(Handover { leg, moved });
        door.bell.ring();
    }

    fn adopt(&mut self, handover: Handover) {
        self.arrived.push(handover.leg);
        let Some((moved, pair)) = handover.moved.map(|moved| *moved) else { return };
        self.worker.adopt(moved);
        let Some(pair) = pair else { return };
        match self.watch(handover.leg, &pair) {
            Ok(()) => {
                self.sockets.insert(handover.leg, pair);
            }
            Err(error) => (self.wiring.listener)(Event::Failed { leg: handover.leg, detail: error.to_string() }),
        }
    }

    /// What a leg sent and came back. It is told of each, but only so often in one pass.
    fn take_back(&mut self, token: u64) {
        let leg = LegId(token >> 1);
        let Some(pair) = self.sockets.get(&leg) else { return };
        let returns = (0..RETURNS_MAX).take_while(|_| sys::came_back(&pair.rtp)).count();
        (0..returns).for_each(|_| self.worker.handle_undelivered(leg));
    }

    fn receive(&mut self, now: Time, token: u64) {
        let (leg, rtcp) = (LegId(token >> 1), token & 1 == 1);
        // A leg closed or given away in this very pass may still have been ready.
        let Some(pair) = self.sockets.get(&leg) else { return };
        let socket = if rtcp { &pair.rtcp } else { &pair.rtp };
        for _ in 0..ROUNDS_MAX {
            let count = self.batch.receive(socket);
            for (from, bytes) in (0..count).filter_map(|i| self.batch.datagram(i)) {
                if rtcp {
                    if self.worker.handle_rtcp(now, leg, from, bytes) {
                        self.wiring.report(leg, socket, bytes, |local| [from, local]);
                    }
                } else {
                    self.worker.handle_rtp(now, leg, from, bytes);
                }
            }
            self.wiring.gauges.received.fetch_add(count as u64, Relaxed);
            if count < sys::BATCH_MAX {
                return;
            }
        }
    }

    /// Sends all there is to send, then tells all there is to tell. Ports are free before `Closed` is told.
    fn flush(&mut self) {
        let (mut sent, mut errors) = (0, 0);
        while let Some(transmit) = self.worker.poll_transmit() {
            let Some(pair) = self.sockets.get(&transmit.leg) else { continue };
            let socket = if transmit.rtcp { &pair.rtcp } else { &pair.rtp };
            // The first may only tell that an earlier one came back (ip(7), IP_RECVERR).
            let send = || socket.send_to(transmit.bytes, transmit.to);
            match send().or_else(|_| send()) {
                Ok(_) => sent += 1,
                Err(_) => {
                    errors += 1;
                    continue;
                }
            }
            if transmit.rtcp {
                self.wiring.report(transmit.leg, socket, transmit.bytes, |local| [local, transmit.to]);
            }
        }
        self.wiring.gauges.sent.fetch_add(sent, Relaxed);
        self.wiring.gauges.send_errors.fetch_add(errors, Relaxed);
        while let Some(taped) = self.worker.poll_tape() {
            (self.wiring.recording)(taped);
        }
        while let Some(event) = self.worker.poll_event() {
            if let Event::Closed { leg, .. } = &event {
                self.sockets.remove(leg);
                self.wiring.gauges.legs.store(self.worker.legs() as u64, Relaxed);
            }
            (self.wiring.listener)(event);
        }
    }

    fn publish(&self) {
        let counters = self.worker.counters();
        for (gauge, value) in [
            (&self.wiring.gauges.cpu_ns, thread_cpu().as_nanos() as u64),
            (&self.wiring.gauges.legs, self.worker.legs() as u64),
            (&self.wiring.gauges.prompts_missing, counters.prompts_missing),
            (&self.wiring.gauges.strays, counters.strays),
            (&self.wiring.gauges.dropped, counters.dropped),
        ] {
            gauge.store(value, Relaxed);
        }
    }
}

fn bind(local: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(local)?;
    socket.set_nonblocking(true)?;
    sys::expedite(&socket, local.is_ipv4());
    Ok(socket)
}
