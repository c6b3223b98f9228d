//! The way to a collector: by UDP at once, by TCP from a thread of its own, so that a slow collector delays nobody.

use super::{HepCounts, HepSetup};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Packets on their way to the thread; more are lost, and counted.
const QUEUE_MAX: usize = 1_024;
/// A collector that takes longer to connect or to read is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// The wait after a failure, doubled each time up to the longest.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The way to a collector.
pub(super) struct Link {
    way: Way,
    counts: HepCounts,
}

enum Way {
    Udp(UdpSocket),
    /// Taken apart when the link ends: the thread writes what it has, and is waited for.
    Tcp(Option<(SyncSender<Vec<u8>>, JoinHandle<()>)>),
}

impl Link {
    pub(super) fn open(setup: &HepSetup, counts: HepCounts) -> io::Result<Link> {
        let collector = setup.collector;
        let way = if setup.by_tcp {
            let (packets, queue) = sync_channel(QUEUE_MAX);
            let writer = Writer { collector, queue, counts: counts.clone(), stream: None, wait: RETRY_MIN };
            let thread = std::thread::Builder::new().name("hep".into()).spawn(move || writer.run())?;
            Way::Tcp(Some((packets, thread)))
        } else {
            let any: IpAddr =
                if collector.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(collector)?;
            socket.set_nonblocking(true)?;
            Way::Udp(socket)
        };
        Ok(Link { way, counts })
    }

    /// Counts a packet that could not be made.
    pub(super) fn lose(&self) {
        self.counts.lost.inc();
    }

    /// Sends a packet, or counts it as lost; never waits.
    pub(super) fn send(&self, packet: &[u8]) {
        let lost = match &self.way {
            Way::Udp(socket) => {
                let sent = socket.send(packet).is_ok();
                self.counts.sent.inc_by(u64::from(sent));
                !sent
            }
            // The thread counts what it takes.
            Way::Tcp(open) => open.as_ref().is_none_or(|(packets, _)| packets.try_send(packet.to_vec()).is_err()),
        };
        self.counts.lost.inc_by(u64::from(lost));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Way::Tcp(open) = &mut self.way
            && let Some((packets, thread)) = open.take()
        {
            drop(packets);
            // A panic of the thread has been told already.
            let _ = thread.join();
        }
    }
}

/// The thread's end: one connection, made anew when it is lost.
struct Writer {
    collector: SocketAddr,
    queue: Receiver<Vec<u8>>,
    counts: HepCounts,
    stream: Option<TcpStream>,
    /// After the next failure.
    wait: Duration,
}

impl Writer {
    fn run(mut self) {
        while let Ok(packet) = self.queue.recv() {
            match self.write(&packet) {
                Ok(()) => self.counts.sent.inc(),
                Err(error) => {
                    tracing::debug!("the collector at {} takes nothing for {:?}: {error}", self.collector, self.wait);
                    self.counts.lost.inc();
                    if !self.pause() {
                        return;
                    }
                }
            }
        }
    }

    fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut stream = match self.stream.take().filter(is_open) {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect_timeout(&self.collector, PATIENCE)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                stream
            }
        };
        stream.write_all(packet)?;
        (self.stream, self.wait) = (Some(stream), RETRY_MIN);
        Ok(())
    }

    /// Waits before the next try; what is to be sent meanwhile is lost. False: nothing comes any more.
    fn pause(&mut self) -> bool {
        let end = Instant::now() + self.wait;
        self.wait = (self.wait * 2).min(RETRY_MAX);
        loop {
            match self.queue.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(_) => self.counts.lost.inc(),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// Whether the collector has not closed the connection: what is written then would be lost without a word.
fn is_open(stream: &TcpStream) -> bool {
    let looked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let open = looked.map_or_else(|error| error.kind() == io::ErrorKind::WouldBlock, |bytes| bytes > 0);
    open && stream.set_nonblocking(false).is_ok()
}
