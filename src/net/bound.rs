//! SIP sockets bound but not yet served: binding fails before anything else starts.

use super::{inbox, undelivered};
use busyhour_sip::Transport;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

/// Bytes the system may hold for a UDP socket, each way: a burst of registrations.
const UDP_BUFFER: usize = 4 << 20;
/// Connections the system may hold until they are accepted.
const BACKLOG: i32 = 1_024;
/// How often a port is asked for anew when the one the system gave for UDP is taken for TCP.
const ATTEMPTS: usize = 16;

/// All of them, with the addresses peers are told.
pub struct Bound {
    pub(super) udp: Vec<(SocketAddr, UdpSocket)>,
    pub(super) streams: Vec<(Transport, SocketAddr, TcpListener)>,
}

impl Bound {
    /// Binds all addresses; says in one sentence which could not be had, and why.
    pub fn new(addresses: &[(Transport, SocketAddr)], advertise: Option<IpAddr>) -> Result<Bound, String> {
        let any_port = addresses.iter().any(|(_, address)| address.port() == 0);
        let attempts = if any_port { ATTEMPTS } else { 1 };
        let mut refusal = String::new();
        for _ in 0..attempts {
            match Bound::once(addresses, advertise) {
                Ok(bound) => return Ok(bound),
                Err(why) => refusal = why,
            }
        }
        Err(refusal)
    }

    fn once(addresses: &[(Transport, SocketAddr)], advertise: Option<IpAddr>) -> Result<Bound, String> {
        let told = |bound: SocketAddr| advertised(bound, advertise);
        let mut bound = Bound { udp: Vec::new(), streams: Vec::new() };
        let (datagrams, streams): (Vec<_>, Vec<_>) =
            addresses.iter().copied().partition(|(transport, _)| !transport.is_stream());
        for (_, address) in datagrams {
            let socket = bind_udp(address).map_err(|e| refused("UDP", address, &e))?;
            let local = socket.local_addr().map_err(|e| refused("UDP", address, &e))?;
            bound.udp.push((told(local), socket));
        }
        for (transport, address) in streams {
            // Port 0 of TCP next to UDP means the port UDP got: one SIP address for both.
            let same = bound.udp.first().map(|(udp, _)| udp.port());
            let same = same.filter(|_| address.port() == 0 && transport == Transport::Tcp);
            let address = SocketAddr::new(address.ip(), same.unwrap_or(address.port()));
            let name = transport.via();
            let listener = bind_stream(address).map_err(|e| refused(name, address, &e))?;
            let local = listener.local_addr().map_err(|e| refused(name, address, &e))?;
            bound.streams.push((transport, told(local), listener));
        }
        Ok(bound)
    }

    /// The addresses, as peers are told.
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|(told, _)| (Transport::Udp, *told));
        udp.chain(self.streams.iter().map(|(transport, told, _)| (*transport, *told))).collect()
    }
}

/// What peers are told of a socket: an address of its own family.
pub(crate) fn advertised(bound: SocketAddr, advertise: Option<IpAddr>) -> SocketAddr {
    let told = advertise.filter(|told| told.is_ipv4() == bound.is_ipv4());
    SocketAddr::new(told.unwrap_or(bound.ip()), bound.port())
}

fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    own_family(&socket, address)?;
    // The system may grant less; a burst is then cut earlier.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    undelivered::ask(&socket, address.is_ipv6())?;
    inbox::ask(&socket)?;
    Ok(socket.into())
}

fn bind_stream(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    own_family(&listener, address)?;
    // A restart must not wait for old connections to time out.
    listener.set_reuse_address(true)?;
    listener.set_nonblocking(true)?;
    listener.bind(&address.into())?;
    listener.listen(BACKLOG)?;
    Ok(listener.into())
}

/// `[::]` takes IPv6 only: IPv4 peers have an address of ours of their own, and none is seen as `::ffff:…`.
fn own_family(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
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
