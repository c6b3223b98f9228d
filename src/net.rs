//! The SIP sockets: datagrams in and out, TCP connections with bounded queues.

use busyhour_sip::{Flow, Transmit, Transport};
use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// Datagrams taken from one socket before anybody else gets a turn.
pub const BATCH_MAX: usize = 64;
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// Bytes the system may hold for a UDP socket, each way: a burst of registrations.
const UDP_BUFFER: usize = 4 << 20;
/// Events of all TCP connections together that control has not yet seen; then the connections wait.
const EVENTS_MAX: usize = 1_024;
/// Messages waiting for one TCP peer; a slower peer is cut off.
const WRITES_MAX: usize = 256;
/// TCP connections at once, and of one address.
const CONNECTIONS_MAX: usize = 10_000;
const CONNECTIONS_PER_PEER_MAX: usize = 1_000;
/// Bytes read from a connection at a time.
const READ_MAX: usize = 16_384;
/// A peer that takes longer to accept a connection or one message is gone.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a TCP connection has to say.
#[derive(Debug)]
pub enum TcpEvent {
    /// Bytes came.
    Bytes(Flow, Bytes),
    /// It is gone.
    Closed(Flow),
    /// It could not be opened.
    Unreachable(Flow),
    /// A peer connected (seen by [`Net::accept`] only).
    Accepted(SocketAddr, TcpStream, SocketAddr),
}

/// All SIP sockets. Addresses are those peers are told.
pub struct Net {
    udp: Vec<(SocketAddr, UdpSocket)>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    sender: Sender<TcpEvent>,
    listeners: Vec<AbortHandle>,
}

struct Connection {
    flow: Flow,
    writes: Sender<Bytes>,
    task: AbortHandle,
}

/// Sockets bound but not yet served: binding fails before anything else starts.
pub struct Bound {
    udp: Vec<(SocketAddr, std::net::UdpSocket)>,
    tcp: Vec<(SocketAddr, std::net::TcpListener)>,
}

impl Bound {
    /// Binds all addresses; says in one sentence which could not be had, and why.
    pub fn new(udp: &[SocketAddr], tcp: &[SocketAddr], advertise: Option<IpAddr>) -> Result<Bound, String> {
        let told = |bound: SocketAddr| SocketAddr::new(advertise.unwrap_or(bound.ip()), bound.port());
        let mut bound = Bound { udp: Vec::new(), tcp: Vec::new() };
        for &address in udp {
            let socket = bind_udp(address).map_err(|e| refused("UDP", address, &e))?;
            let local = socket.local_addr().map_err(|e| refused("UDP", address, &e))?;
            bound.udp.push((told(local), socket));
        }
        for &address in tcp {
            // Port 0 next to UDP means the port UDP got: one SIP address for both.
            let same = bound.udp.iter().map(|(a, _)| a.port()).next().filter(|_| address.port() == 0);
            let address = SocketAddr::new(address.ip(), same.unwrap_or(address.port()));
            let listener = bind_tcp(address).map_err(|e| refused("TCP", address, &e))?;
            let local = listener.local_addr().map_err(|e| refused("TCP", address, &e))?;
            bound.tcp.push((told(local), listener));
        }
        Ok(bound)
    }

    /// The addresses, as peers are told.
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|(a, _)| (Transport::Udp, *a));
        udp.chain(self.tcp.iter().map(|(a, _)| (Transport::Tcp, *a))).collect()
    }

    /// Serves them, inside the runtime of the control loop; the second is what TCP connections have to say.
    pub fn serve(self) -> io::Result<(Net, Receiver<TcpEvent>)> {
        let (sender, events) = channel(EVENTS_MAX);
        let udp = self.udp.into_iter().map(|(told, s)| Ok((told, UdpSocket::from_std(s)?)));
        let mut net = Net {
            udp: udp.collect::<io::Result<_>>()?,
            connections: BTreeMap::new(),
            next: 1,
            sender,
            listeners: Vec::new(),
        };
        for (told, listener) in self.tcp {
            let listener = TcpListener::from_std(listener)?;
            net.listeners.push(tokio::spawn(listen(told, listener, net.sender.clone())).abort_handle());
        }
        Ok((net, events))
    }
}

fn bind_udp(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // The system may grant less; a burst is then cut earlier.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to time out.
    listener.set_reuse_address(true)?;
    listener.set_nonblocking(true)?;
    listener.bind(&address.into())?;
    listener.listen(1_024)?;
    Ok(listener.into())
}

/// What to tell an operator whose address could not be bound.
pub fn refused(what: &str, address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{what} {address} is in use by another program; is busyhour running already?")
        }
        io::ErrorKind::AddrNotAvailable => format!("{what} {address}: no interface of this machine has that address"),
        io::ErrorKind::PermissionDenied => {
            format!("{what} {address}: not permitted; ports below 1024 need a privilege")
        }
        _ => format!("{what} {address} cannot be bound: {error}"),
    }
}

impl Net {
    /// Waits until a datagram may be there.
    pub async fn readable(&self) {
        poll_fn(|cx| {
            let ready = self.udp.iter().any(|(_, socket)| socket.poll_recv_ready(cx).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// How many UDP sockets there are.
    pub fn udp_sockets(&self) -> usize {
        self.udp.len()
    }

    /// The next datagram of socket `index`, if one is there.
    pub fn datagram<'b>(&self, index: usize, buffer: &'b mut [u8]) -> Option<(Flow, &'b [u8])> {
        let (local, socket) = &self.udp[index];
        let (size, remote) = socket.try_recv_from(buffer).ok()?;
        let flow = Flow { transport: Transport::Udp, local: *local, remote, connection: 0 };
        Some((flow, &buffer[..size]))
    }

    /// A buffer any datagram fits in.
    pub fn buffer() -> Vec<u8> {
        vec![0; DATAGRAM_MAX]
    }

    /// Sends; what is told back is what the switch must hear. SIP repeats what a full socket drops.
    pub fn send(&mut self, transmit: Transmit) -> Result<(), Unsent> {
        let Transmit { flow, bytes, .. } = transmit;
        match flow.transport {
            Transport::Udp => {
                let socket = self.udp.iter().find(|(told, _)| *told == flow.local).or(self.udp.first());
                let sent = socket.map(|(_, socket)| socket.try_send_to(&bytes, flow.remote));
                match sent {
                    Some(Ok(_)) => Ok(()),
                    Some(Err(e)) if e.kind() == io::ErrorKind::WouldBlock => Err(Unsent::Dropped),
                    _ => Err(Unsent::Unreachable(flow)),
                }
            }
            _ => self.send_stream(flow, bytes),
        }
    }

    fn send_stream(&mut self, flow: Flow, bytes: Bytes) -> Result<(), Unsent> {
        let by_peer = |c: &&Connection| c.flow.remote == flow.remote;
        let known = match flow.connection {
            0 => self.connections.values().find(by_peer),
            id => self.connections.get(&id),
        };
        let connection = match known {
            Some(connection) => connection,
            None if flow.connection != 0 || self.connections.len() >= CONNECTIONS_MAX => {
                return Err(Unsent::Unreachable(flow));
            }
            None => self.open(flow),
        };
        let flow = connection.flow;
        if connection.writes.try_send(bytes).is_err() {
            if let Some(slow) = self.connections.remove(&flow.connection) {
                slow.task.abort();
            }
            return Err(Unsent::Closed(flow));
        }
        Ok(())
    }

    fn open(&mut self, asked: Flow) -> &Connection {
        let flow = Flow { connection: self.next, ..asked };
        let (writes, queue) = channel(WRITES_MAX);
        let events = self.sender.clone();
        let task = tokio::spawn(async move {
            match timeout(PEER_TIMEOUT, TcpStream::connect(flow.remote)).await {
                Ok(Ok(stream)) => serve(flow, stream, queue, events).await,
                _ => {
                    // Both names of it: what was asked for, and the connection given to it.
                    let _ = events.send(TcpEvent::Unreachable(asked)).await;
                    let _ = events.send(TcpEvent::Closed(flow)).await;
                }
            }
        });
        self.keep(Connection { flow, writes, task: task.abort_handle() })
    }

    /// Takes a connection a peer opened; refuses one too many.
    pub fn accept(&mut self, local: SocketAddr, stream: TcpStream, remote: SocketAddr) {
        let of_peer = self.connections.values().filter(|c| c.flow.remote.ip() == remote.ip()).count();
        if self.connections.len() >= CONNECTIONS_MAX || of_peer >= CONNECTIONS_PER_PEER_MAX {
            return;
        }
        let flow = Flow { transport: Transport::Tcp, local, remote, connection: self.next };
        let (writes, queue) = channel(WRITES_MAX);
        let task = tokio::spawn(serve(flow, stream, queue, self.sender.clone()));
        self.keep(Connection { flow, writes, task: task.abort_handle() });
    }

    fn keep(&mut self, connection: Connection) -> &Connection {
        let id = self.next;
        self.next += 1;
        self.connections.entry(id).or_insert(connection)
    }

    /// Forgets a connection; one that still stands is closed once what waits for it is written. False when it was
    /// forgotten already.
    pub fn close(&mut self, flow: Flow) -> bool {
        self.connections.remove(&flow.connection).is_some()
    }

    /// Whether a connection is still ours to read.
    pub fn knows(&self, flow: Flow) -> bool {
        self.connections.contains_key(&flow.connection)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
        self.connections.values().for_each(|c| c.task.abort());
    }
}

/// Why something was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The socket was full.
    Dropped,
    /// There is no way to that peer.
    Unreachable(Flow),
    /// The connection was too slow and has been closed.
    Closed(Flow),
}

async fn listen(told: SocketAddr, listener: TcpListener, events: Sender<TcpEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if events.send(TcpEvent::Accepted(told, stream, remote)).await.is_err() {
                    return;
                }
            }
            // Out of descriptors, or the peer left before we looked: neither is cured by asking at once again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(flow: Flow, stream: TcpStream, queue: Receiver<Bytes>, events: Sender<TcpEvent>) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = read(flow, reader, &events) => {}
        () = write(writer, queue) => {}
    }
    let _ = events.send(TcpEvent::Closed(flow)).await;
}

async fn read(flow: Flow, mut reader: OwnedReadHalf, events: &Sender<TcpEvent>) {
    // Grows while bytes come and costs an idle connection nothing.
    let mut buffer = bytes::BytesMut::new();
    loop {
        if reader.readable().await.is_err() {
            return;
        }
        buffer.reserve(READ_MAX);
        match reader.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if events.send(TcpEvent::Bytes(flow, buffer.split().freeze())).await.is_err() {
                    return;
                }
                buffer = bytes::BytesMut::new();
            }
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: Receiver<Bytes>) {
    while let Some(bytes) = queue.recv().await {
        if !matches!(timeout(PEER_TIMEOUT, writer.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
}
