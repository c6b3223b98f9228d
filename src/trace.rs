//! What went over the wire, kept for a while and mirrored to Homer: the control loop hands over batches, media threads RTCP, a thread
//! of its own files and finds them.

mod hep;
mod ladder;
mod pcap;
mod ring;
mod svg;

use crate::media::Reporting;
use busyhour_model::{CallId, Fact, LegId, Name, Time, What};
use busyhour_sip::{Flow, Frame, Framer, Limits, Transmit, Way};
use bytes::Bytes;
use hep::{Hep, Secrets};
use prometheus::IntCounter;
use ring::Ring;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

pub use hep::{HepCounts, HepSetup};
pub use ladder::Ladder;
pub use pcap::pcap;
pub use ring::{Found, Missing};
pub use svg::svg;

/// Batches on their way; more are lost, and counted.
const BATCHES_MAX: usize = 1_024;
/// Notes of one batch; then it is handed over in the middle of a turn.
const BATCH_MAX: usize = 256;
/// After a group, orders may gather for so long: who hands over need not wake this thread each time.
const GATHER: Duration = Duration::from_millis(5);

/// One message on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Time,
    /// Which way.
    pub way: Way,
    /// Between whom.
    pub flow: Flow,
    /// All of it.
    pub bytes: Bytes,
}

/// An RTCP packet of a leg.
struct Reported {
    at: Time,
    leg: LegId,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Bytes,
}

/// What the control loop notes.
enum Note {
    Message(Seen),
    /// Bytes of a stream, in which messages are yet to be found.
    Chunk(Seen),
    Closed(u64),
    /// Notes were lost before this one.
    Gap,
    Arrived {
        call: CallId,
        at: Time,
        sip_call_id: Name,
    },
    Leg {
        call: CallId,
        leg: LegId,
        party: Name,
    },
}

enum Order {
    Take(Vec<Note>),
    Report(Reported),
    Find(CallId, oneshot::Sender<Result<Found, Missing>>),
    Close,
}

/// The control loop's end.
pub struct Tracer {
    orders: SyncSender<Order>,
    batch: Vec<Note>,
    lost: IntCounter,
    /// The last batch was lost.
    gap: bool,
}

/// Where others ask for a call. Clones lead to the same thread.
#[derive(Clone)]
pub struct Traces {
    orders: SyncSender<Order>,
    keeps: bool,
    /// RTCP that the collector was to be told of and is not; `None`: it is told none.
    unreported: Option<IntCounter>,
    secrets: Secrets,
}

/// Starts the thread that keeps the newest `bytes` of messages and mirrors them to `hep`.
pub fn start(
    bytes: usize,
    hep: Option<(HepSetup, HepCounts)>,
    lost: IntCounter,
) -> std::io::Result<(Tracer, Traces, JoinHandle<()>)> {
    let (orders, queue) = sync_channel(BATCHES_MAX);
    let secrets = Secrets::default();
    let wanted = |(setup, counts): &(HepSetup, HepCounts)| setup.rtcp.then(|| counts.lost.clone());
    let unreported = hep.as_ref().and_then(wanted);
    let hep = hep.map(|(setup, counts)| Hep::open(setup, secrets.clone(), counts)).transpose()?;
    let shelf = Shelf { hep, ..Shelf::new(bytes) };
    let thread = std::thread::Builder::new().name("trace".into()).spawn(move || shelf.run(&queue))?;
    let tracer = Tracer { orders: orders.clone(), batch: Vec::with_capacity(BATCH_MAX), lost, gap: false };
    Ok((tracer, Traces { orders, keeps: bytes > 0, unreported, secrets }, thread))
}

impl Tracer {
    /// A datagram came.
    pub fn datagram(&mut self, at: Time, flow: Flow, bytes: &[u8]) {
        self.note(Note::Message(Seen { at, way: Way::In, flow, bytes: Bytes::copy_from_slice(bytes) }));
    }

    /// Bytes came on a connection; of a WebSocket always a whole message.
    pub fn stream(&mut self, at: Time, flow: Flow, bytes: Bytes) {
        let seen = Seen { at, way: Way::In, flow, bytes };
        self.note(if flow.transport.is_websocket() { Note::Message(seen) } else { Note::Chunk(seen) });
    }

    /// A message is sent.
    pub fn sent(&mut self, at: Time, transmit: &Transmit) {
        self.note(Note::Message(Seen { at, way: Way::Out, flow: transmit.flow, bytes: transmit.bytes.clone() }));
    }

    /// A connection is gone.
    pub fn closed(&mut self, flow: Flow) {
        self.note(Note::Closed(flow.connection));
    }

    /// Which legs a call has is told by facts.
    pub fn fact(&mut self, fact: &Fact) {
        match &fact.what {
            What::Arrived { call, leg, origin, sip_call_id, .. } => {
                self.note(Note::Arrived { call: *call, at: fact.at, sip_call_id: sip_call_id.clone() });
                if let Some(leg) = *leg {
                    self.note(Note::Leg { call: *call, leg, party: origin.name().clone() });
                }
            }
            What::LegOpened { call, leg, party } | What::LegJoined { call, leg, party, .. } => {
                self.note(Note::Leg { call: *call, leg: *leg, party: party.name().clone() });
            }
            _ => {}
        }
    }

    fn note(&mut self, note: Note) {
        self.batch.push(note);
        if self.batch.len() >= BATCH_MAX {
            self.hand_over();
        }
    }

    /// At the end of a turn: what was noted goes to the thread. Never waits.
    pub fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH_MAX));
        let size = batch.len() as u64;
        if self.gap {
            batch.insert(0, Note::Gap);
        }
        self.gap = self.orders.try_send(Order::Take(batch)).is_err();
        if self.gap {
            self.lost.inc_by(size);
        }
    }
}

impl Traces {
    /// Whether calls can be found.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// From now on the values of these headers are starred in what is mirrored.
    pub fn hide(&self, headers: impl IntoIterator<Item = Name>) {
        self.secrets.hide(headers);
    }

    /// Takes the RTCP of all legs, which the collector is told of; `None`: not. Never waits: what the thread has no room for is lost,
    /// and counted.
    pub fn reporting(&self) -> Option<Reporting> {
        let (lost, orders) = (self.unreported.clone()?, self.orders.clone());
        Some(Arc::new(move |at, leg, [from, to], bytes| {
            let reported = Reported { at, leg, from, to, bytes: Bytes::copy_from_slice(bytes) };
            lost.inc_by(u64::from(orders.try_send(Order::Report(reported)).is_err()));
        }))
    }

    /// The messages of a call, oldest first; `None` when the thread has ended or has more to do than it can.
    pub async fn find(&self, call: CallId) -> Option<Result<Found, Missing>> {
        let (reply, answer) = oneshot::channel();
        self.orders.try_send(Order::Find(call, reply)).ok()?;
        answer.await.ok()
    }

    /// Ends the thread; join it afterwards.
    pub fn close(&self) {
        // A thread that has ended needs no order.
        let _ = self.orders.send(Order::Close);
    }
}

/// What the thread holds.
struct Shelf {
    ring: Ring,
    streams: HashMap<u64, Framer>,
    limits: Limits,
    hep: Option<Hep>,
}

impl Shelf {
    fn new(bytes: usize) -> Shelf {
        Shelf { ring: Ring::new(bytes), streams: HashMap::new(), limits: Limits::default(), hep: None }
    }

    fn run(mut self, queue: &Receiver<Order>) {
        while let Ok(first) = queue.recv() {
            for order in std::iter::once(first).chain(queue.try_iter()) {
                match order {
                    Order::Take(batch) => batch.into_iter().for_each(|note| self.take(note)),
                    Order::Report(reported) => self.hep.iter_mut().for_each(|hep| hep.report(&reported)),
                    // Whoever asked may have left.
                    Order::Find(call, reply) => drop(reply.send(self.ring.find(call))),
                    Order::Close => return,
                }
            }
            std::thread::sleep(GATHER);
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Message(seen) => keep(&mut self.ring, self.hep.as_mut(), seen),
            Note::Chunk(seen) => self.cut(&seen),
            Note::Closed(connection) => drop(self.streams.remove(&connection)),
            // Parts of messages may be missing, and connections be gone.
            Note::Gap => self.streams.clear(),
            Note::Arrived { call, at, sip_call_id } => self.ring.arrived(call, at, &sip_call_id),
            Note::Leg { call, leg, party } => self.ring.leg(call, leg, party),
        }
    }

    /// Finds the messages in a stream; one that cannot be cut is of no more use, and the switch closes it.
    fn cut(&mut self, seen: &Seen) {
        let framer = self.streams.entry(seen.flow.connection).or_default();
        framer.push(&seen.bytes);
        loop {
            match framer.poll(&self.limits) {
                // A copy, so that what is kept holds no more of the stream in memory.
                Ok(Some(Frame::Message(bytes))) => {
                    let whole = Seen { bytes: Bytes::copy_from_slice(&bytes), ..seen.clone() };
                    keep(&mut self.ring, self.hep.as_mut(), whole);
                }
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => return,
                Err(_) => return drop(self.streams.remove(&seen.flow.connection)),
            }
        }
    }
}

fn keep(ring: &mut Ring, hep: Option<&mut Hep>, seen: Seen) {
    if let Some(hep) = hep {
        hep.mirror(&seen);
    }
    ring.push(seen);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_sip::Transport;

    const OPTIONS: &[u8] = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: q\r\nContent-Length: 0\r\n\r\n";

    /// The end of a connection is lost: nothing of it stays, and the next message of another is cut where it begins.
    #[test]
    fn a_stream_whose_end_was_lost_is_forgotten() {
        let (orders, queue) = sync_channel(1);
        let lost = IntCounter::new("lost", "x").unwrap();
        let mut tracer = Tracer { orders, batch: Vec::new(), lost: lost.clone(), gap: false };
        let mut shelf = Shelf::new(1 << 20);
        let at = "10.0.0.1:5060".parse().unwrap();
        let flow = |connection| Flow { transport: Transport::Tcp, local: at, remote: at, connection };
        let part = |tracer: &mut Tracer, connection, bytes| {
            tracer.stream(Time::ZERO, flow(connection), Bytes::from_static(bytes));
            tracer.hand_over();
        };
        let take = |shelf: &mut Shelf| match queue.try_recv() {
            Ok(Order::Take(batch)) => batch.into_iter().for_each(|note| shelf.take(note)),
            _ => panic!("nothing was handed over"),
        };
        part(&mut tracer, 1, &OPTIONS[..20]);
        tracer.closed(flow(1));
        tracer.hand_over();
        take(&mut shelf);
        assert_eq!((shelf.streams.len(), lost.get()), (1, 1));
        part(&mut tracer, 2, OPTIONS);
        take(&mut shelf);
        assert_eq!(shelf.streams.keys().collect::<Vec<_>>(), [&2]);
        part(&mut tracer, 2, OPTIONS);
        take(&mut shelf);
        assert_eq!(shelf.streams.len(), 1, "and what comes after it is no gap");
    }
}
