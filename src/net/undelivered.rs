//! Datagrams the network gave back: the error queue of a UDP socket (ip(7), `IP_RECVERR`).

use super::StreamEvent;
use bytes::Bytes;
use nix::cmsg_space;
use nix::libc::{SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, sock_extended_err, sockaddr_in6};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SetSockOpt, SockaddrStorage, recvmsg,
    sockopt::{Ipv4RecvErr, Ipv6RecvErr},
};
use nix::sys::time::TimeSpec;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::Sender;

/// As much of a datagram as is looked at: routers quote 576 bytes (RFC 1812 section 4.3.2.3), IPv6 1,280 (RFC 4443 section 2.4).
const QUOTED_MAX: usize = 1_280;

/// Tells the system that this socket wants its datagrams back.
pub(super) fn ask(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
    let asked = if ipv6 { Ipv6RecvErr.set(socket, &true) } else { Ipv4RecvErr.set(socket, &true) };
    Ok(asked?)
}

/// Tells of every datagram the network says it could not deliver.
pub(super) async fn listen(socket: Arc<UdpSocket>, events: Sender<StreamEvent>) {
    while let Ok(returned) = socket.async_io(Interest::ERROR, || take(&socket)).await {
        if let Some(quoted) = returned
            && events.send(StreamEvent::Undelivered(quoted)).await.is_err()
        {
            return;
        }
    }
}

/// The next of the queue; `None` when it is nothing that ends a request.
fn take(socket: &UdpSocket) -> io::Result<Option<Bytes>> {
    let mut buffer = [0; QUOTED_MAX];
    let mut slices = [IoSliceMut::new(&mut buffer)];
    // Room for the stamp too (see `inbox`): what is cut short is no answer.
    let mut control = cmsg_space!(TimeSpec, sock_extended_err, sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags)?;
    let fatal = message.cmsgs()?.any(|told| match told {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => is_fatal(&error),
        _ => false,
    });
    let size = message.bytes.min(QUOTED_MAX);
    Ok(fatal.then(|| Bytes::copy_from_slice(&buffer[..size])))
}

/// Unreachable, or a faulty header (RFC 3261 section 18.4); what is too large, too old or too much is tried again.
fn is_fatal(error: &sock_extended_err) -> bool {
    match (error.ee_origin, error.ee_type, error.ee_code) {
        (SO_EE_ORIGIN_ICMP, 3, code) => code != 4,
        (SO_EE_ORIGIN_ICMP, 12, _) | (SO_EE_ORIGIN_ICMP6, 1 | 4, _) => true,
        _ => false,
    }
}
