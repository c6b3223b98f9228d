//! The SIP sockets: datagrams in and out, connections of all kinds with bounded queues.

mod bound;
mod certificates;
mod connection;
mod crowds;
mod inbox;
mod names;
mod undelivered;
mod websocket;

use busyhour_model::Name;
use busyhour_sip::{Flow, Networks, Transmit, Transport};
use bytes::Bytes;
use connection::Line;
use crowds::Crowds;
use inbox::Came;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

pub(crate) use bound::advertised;
pub use bound::{Bound, refused};
pub use certificates::{Certificates, Identity, TlsSetup, TrunkTls, certificates};
pub use inbox::Inbox;

/// Datagrams taken from one socket before anybody else gets a turn.
pub const BATCH_MAX: usize = 64;
/// Events of all connections together that control has not yet seen; then the connections wait.
const EVENTS_MAX: usize = 1_024;
/// Messages waiting for one peer; a slower peer is cut off.
const WRITES_MAX: usize = 256;
/// Connections at once.
const CONNECTIONS_MAX: usize = 10_000;

/// What connections have to say, and the network of datagrams.
#[derive(Debug)]
pub enum StreamEvent {
    /// Bytes came; of a WebSocket one whole message.
    Bytes(Flow, Bytes),
    /// The handshake is done; the peer has shown the certificate of these trunks.
    Opened(Flow, Vec<Name>),
    /// The handshake failed, or there was none.
    Refused(Flow, Refusal),
    /// It is gone.
    Closed(Flow),
    /// It could not be opened.
    Unreachable(Flow),
    /// A datagram of ours came back; how it began, as far as ICMP tells.
    Undelivered(Bytes),
    /// A peer connected (seen by [`Net::accept`] only).
    Accepted(Transport, SocketAddr, TcpStream, SocketAddr),
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Of the peer, in its time.
    #[error("the peer is too slow")]
    Slow,
    /// Ours.
    #[error("no certificate of ours fits")]
    NoCertificate,
    /// The peer's TLS, or its certificate.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The peer's WebSocket.
    #[error("WebSocket: {0}")]
    Web(String),
    /// The network.
    #[error("{0}")]
    Io(io::Error),
    /// One too many.
    #[error("too many connections")]
    Full,
}

impl Refusal {
    /// In a word, for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Refusal::Slow => "slow",
            Refusal::NoCertificate => "no_certificate",
            Refusal::Tls(_) => "tls",
            Refusal::Web(_) => "websocket",
            Refusal::Io(_) => "network",
            Refusal::Full => "full",
        }
    }
}

/// What connections are made by, apart from addresses.
#[derive(Clone)]
pub struct Manners {
    /// Certificates.
    pub certificates: Certificates,
    /// Pages whose scripts may connect by WebSocket; empty: all.
    pub origins: Arc<[String]>,
    /// Who is told other addresses of ours than those bound.
    pub networks: Arc<Networks>,
    /// A peer that takes longer for a handshake is gone.
    pub patience: Duration,
}

impl Manners {
    /// With the patience peers usually need.
    pub fn new(certificates: Certificates, origins: &[String], networks: Networks) -> Manners {
        let patience = connection::PEER_TIMEOUT;
        Manners { certificates, origins: origins.into(), networks: networks.into(), patience }
    }
}

/// All SIP sockets. Addresses are those peers are told.
pub struct Net {
    udp: Vec<(SocketAddr, Arc<UdpSocket>)>,
    connections: BTreeMap<u64, Connection>,
    crowds: Crowds,
    /// The newest connection to a peer, for a trunk or for nobody in particular.
    by_peer: BTreeMap<(Transport, SocketAddr, Option<Name>), u64>,
    next: u64,
    sender: Sender<StreamEvent>,
    /// Tasks that accept connections and learn of datagrams that came back.
    listeners: Vec<AbortHandle>,
    manners: Manners,
    crypto: Option<Crypto>,
}

struct Connection {
    flow: Flow,
    trunk: Option<Name>,
    writes: Sender<Bytes>,
    task: AbortHandle,
    /// A peer's handshake is not done yet.
    opening: bool,
}

impl Bound {
    /// Serves them, inside the runtime of the control loop; the second is what connections have to say.
    pub fn serve(self, manners: Manners) -> io::Result<(Net, Receiver<StreamEvent>)> {
        let (sender, events) = channel(EVENTS_MAX);
        let udp = self.udp.into_iter().map(|(told, socket)| Ok((told, Arc::new(UdpSocket::from_std(socket)?))));
        let mut net = Net {
            udp: udp.collect::<io::Result<_>>()?,
            connections: BTreeMap::new(),
            crowds: Crowds::default(),
            by_peer: BTreeMap::new(),
            next: 1,
            sender,
            listeners: Vec::new(),
            manners,
            crypto: None,
        };
        for (_, socket) in &net.udp {
            let task = tokio::spawn(undelivered::listen(Arc::clone(socket), net.sender.clone()));
            net.listeners.push(task.abort_handle());
        }
        for (transport, told, listener) in self.streams {
            let listener = TcpListener::from_std(listener)?;
            let task = tokio::spawn(listen(transport, told, listener, net.sender.clone()));
            net.listeners.push(task.abort_handle());
        }
        Ok((net, events))
    }
}

impl Net {
    /// Waits until the runtime has seen the sockets: until then it takes them for full.
    pub async fn writable(&self) {
        for (_, socket) in &self.udp {
            let _ = socket.writable().await;
        }
    }

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

    /// The next datagram of socket `index`, if one is there, and how long it has waited.
    pub fn datagram<'i>(&self, index: usize, inbox: &'i mut Inbox) -> Option<(Flow, Duration, &'i [u8])> {
        let (local, socket) = &self.udp[index];
        let Came { from: remote, waited, bytes } = inbox.take(socket)?;
        let local = self.manners.networks.told(*local, remote.ip());
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        Some((flow, waited, bytes))
    }

    /// Sends, for a trunk or for nobody's; what is told back is what the switch must hear. SIP repeats what a full socket drops.
    pub fn send(&mut self, transmit: Transmit, trunk: Option<&Name>) -> Result<(), Unsent> {
        let Transmit { flow, bytes, .. } = transmit;
        if flow.transport.is_stream() {
            return self.send_stream(flow, bytes, trunk);
        }
        let told = |ours: &SocketAddr| self.manners.networks.told(*ours, flow.remote.ip());
        let fits = |ours: &SocketAddr| ours.is_ipv4() == flow.remote.is_ipv4();
        let ours = self.udp.iter().find(|(ours, _)| *ours == flow.local);
        let ours = ours.or_else(|| self.udp.iter().find(|(ours, _)| told(ours) == flow.local));
        let socket = ours.or_else(|| self.udp.iter().find(|(ours, _)| fits(ours)));
        let Some((_, socket)) = socket else { return Err(Unsent::Unreachable(flow)) };
        let send = || socket.try_send_to(&bytes, flow.remote);
        let full = |e: &io::Error| e.kind() == io::ErrorKind::WouldBlock;
        // The first error may be of a datagram before, to another peer.
        match send().or_else(|e| if full(&e) { Err(e) } else { send() }) {
            Ok(_) => Ok(()),
            Err(e) if full(&e) => Err(Unsent::Dropped),
            Err(_) => Err(Unsent::Unreachable(flow)),
        }
    }

    fn send_stream(&mut self, flow: Flow, bytes: Bytes, trunk: Option<&Name>) -> Result<(), Unsent> {
        let known = match flow.connection {
            0 => self.connection_to(&flow, trunk),
            id => self.connections.get(&id),
        };
        let connection = match known {
            Some(connection) => connection,
            // A WebSocket is opened by the other side only.
            None if flow.connection != 0 || flow.transport.is_websocket() || self.is_full() => {
                return Err(Unsent::Unreachable(flow));
            }
            None => self.open(flow, trunk.cloned()),
        };
        let flow = connection.flow;
        if connection.writes.try_send(bytes).is_err() {
            if let Some(slow) = self.forget(flow) {
                slow.task.abort();
            }
            return Err(Unsent::Closed(flow));
        }
        Ok(())
    }

    /// A connection that may be used again: of the same trunk, or one that shows nothing to anybody.
    fn connection_to(&self, flow: &Flow, trunk: Option<&Name>) -> Option<&Connection> {
        let of = |trunk: Option<&Name>| self.by_peer.get(&(flow.transport, flow.remote, trunk.cloned()));
        self.connections.get(of(trunk).or_else(|| of(None).filter(|_| !flow.transport.is_secure()))?)
    }

    fn is_full(&self) -> bool {
        self.connections.len() >= CONNECTIONS_MAX
    }

    fn open(&mut self, asked: Flow, trunk: Option<Name>) -> &Connection {
        let flow = Flow { connection: self.next, ..asked };
        let (writes, line) = self.line(flow);
        let task = self.runtime(flow.transport).spawn(line.call(trunk.clone()));
        self.keep(Connection { flow, trunk, writes, task: task.abort_handle(), opening: false })
    }

    /// Takes a connection a peer opened; refuses one too many.
    pub fn accept(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<(), Refusal> {
        if self.is_full() || self.crowds.is_full_for(remote.ip()) {
            return Err(Refusal::Full);
        }
        let local = self.manners.networks.told(local, remote.ip());
        let flow = Flow { transport, local, remote, connection: self.next };
        let (writes, line) = self.line(flow);
        let opening = transport != Transport::Tcp;
        let task = if opening {
            // Its new runtime has to watch it.
            let stream = stream.into_std().map_err(Refusal::Io)?;
            let served = async move { line.answer(TcpStream::from_std(stream)).await };
            self.runtime(transport).spawn(served)
        } else {
            tokio::spawn(line.answer(Ok(stream)))
        };
        self.keep(Connection { flow, trunk: None, writes, task: task.abort_handle(), opening });
        Ok(())
    }

    fn line(&self, flow: Flow) -> (Sender<Bytes>, Line) {
        let (sender, writes) = channel(WRITES_MAX);
        (sender, Line { flow, writes, events: self.sender.clone(), manners: self.manners.clone() })
    }

    /// Where a connection's task runs: what is encrypted, away from the control loop.
    fn runtime(&mut self, transport: Transport) -> Handle {
        if transport != Transport::Tcp && self.crypto.is_none() {
            self.crypto = Crypto::start().inspect_err(|e| tracing::error!("no thread for encryption: {e}")).ok();
        }
        let crypto = self.crypto.as_ref().filter(|_| transport != Transport::Tcp);
        crypto.map_or_else(Handle::current, |crypto| crypto.handle.clone())
    }

    fn keep(&mut self, connection: Connection) -> &Connection {
        let id = self.next;
        self.next += 1;
        let Flow { transport, remote, .. } = connection.flow;
        self.crowds.come(remote.ip(), connection.opening);
        self.by_peer.insert((transport, remote, connection.trunk.clone()), id);
        self.connections.entry(id).or_insert(connection)
    }

    /// The handshake of a connection is done; false when it is forgotten already.
    pub fn opened(&mut self, flow: Flow) -> bool {
        let Some(connection) = self.connections.get_mut(&flow.connection) else { return false };
        if std::mem::take(&mut connection.opening) {
            self.crowds.opened(connection.flow.remote.ip());
        }
        true
    }

    /// Forgets a connection; one that still stands is closed once what waits for it is written. False when it was
    /// forgotten already.
    pub fn close(&mut self, flow: Flow) -> bool {
        self.forget(flow).is_some()
    }

    fn forget(&mut self, flow: Flow) -> Option<Connection> {
        let connection = self.connections.remove(&flow.connection)?;
        self.crowds.leave(connection.flow.remote.ip(), connection.opening);
        let key = (connection.flow.transport, connection.flow.remote, connection.trunk.clone());
        if self.by_peer.get(&key) == Some(&flow.connection) {
            self.by_peer.remove(&key);
        }
        Some(connection)
    }

    /// Whether a connection is still ours to read.
    pub fn knows(&self, flow: Flow) -> bool {
        self.connections.contains_key(&flow.connection)
    }

    /// Connections by transport.
    pub fn connections(&self) -> BTreeMap<Transport, usize> {
        let mut counts = BTreeMap::new();
        for connection in self.connections.values() {
            *counts.entry(connection.flow.transport).or_default() += 1;
        }
        counts
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
        self.connections.values().for_each(|c| c.task.abort());
    }
}

/// The thread on which encrypted connections and WebSockets live; it ends with this.
struct Crypto {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Crypto {
    fn start() -> io::Result<Crypto> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, (stop, stopped)) = (runtime.handle().clone(), oneshot::channel::<()>());
        let run = move || {
            // Whether it is told or forgotten: it is over.
            let _ = runtime.block_on(stopped);
        };
        std::thread::Builder::new().name("tls".into()).spawn(run)?;
        Ok(Crypto { handle, _stop: stop })
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

async fn listen(transport: Transport, told: SocketAddr, listener: TcpListener, events: Sender<StreamEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => {
                if events.send(StreamEvent::Accepted(transport, told, stream, remote)).await.is_err() {
                    return;
                }
            }
            // Out of descriptors, or the peer left before we looked: neither is cured by asking at once again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
