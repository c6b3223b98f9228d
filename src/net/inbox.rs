//! Datagrams as they come, and for how long they have waited: the system stamps each when it has it (socket(7)).

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg, sockopt::ReceiveTimestampns,
};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;

/// Tells the system to stamp what comes to this socket.
pub(super) fn ask(socket: &impl AsFd) -> io::Result<()> {
    Ok(ReceiveTimestampns.set(socket, &true)?)
}

/// Room for one datagram of any size.
pub struct Inbox {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox { bytes: vec![0; DATAGRAM_MAX], control: cmsg_space!(TimeSpec) }
    }
}

/// One that has come.
pub(super) struct Came<'i> {
    pub(super) from: SocketAddr,
    /// Zero where the clock was set back meanwhile.
    pub(super) waited: Duration,
    pub(super) bytes: &'i [u8],
}

impl Inbox {
    /// The next datagram, if one is there.
    pub(super) fn take(&mut self, socket: &UdpSocket) -> Option<Came<'_>> {
        let Inbox { bytes, control } = self;
        let mut take = || {
            let mut slices = [IoSliceMut::new(bytes)];
            let flags = MsgFlags::MSG_DONTWAIT;
            let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), flags)?;
            let stamp = message.cmsgs()?.find_map(|told| match told {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                _ => None,
            });
            Ok((message.bytes, message.address.and_then(address), stamp))
        };
        let (size, from, stamp) = socket.try_io(Interest::READABLE, &mut take).ok()?;
        let waited = stamp.and_then(|stamp| SystemTime::UNIX_EPOCH.checked_add(stamp)?.elapsed().ok());
        Some(Came { from: from?, waited: waited.unwrap_or_default(), bytes: &self.bytes[..size] })
    }
}

fn address(storage: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| storage.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}
