//! A UDP socket that says when the kernel took each datagram in: on loopback that is when the sender sent it.

use socket2::{Domain, Socket, Type};
use std::io::{Error, Result};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes the system may hold for a socket: a burst of a thousand answers.
const BUFFER: usize = 4 << 20;
/// Room for one timestamp among the ancillary data, aligned as its header is.
const CONTROL_WORDS: usize = 8;

/// See the module.
pub(crate) struct Wire(UdpSocket);

impl Wire {
    pub(crate) fn bind(address: SocketAddr) -> Result<Wire> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        let _ = socket.set_recv_buffer_size(BUFFER);
        let _ = socket.set_send_buffer_size(BUFFER);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        stamp(&socket)?;
        Ok(Wire(socket.into()))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.0
    }

    /// Sends, and says when it began to.
    pub(crate) fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<Duration> {
        let now = wall();
        self.0.send_to(bytes, to)?;
        Ok(now)
    }

    /// The next datagram that is there: its length and when the kernel took it in.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<(usize, Duration)> {
        let mut control = [0_u64; CONTROL_WORDS];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: a msghdr is plain integers and pointers; all zeros (null) is a valid value.
        #[allow(unsafe_code, reason = "recvmsg with ancillary data")]
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = std::mem::size_of_val(&control) as _;
        // SAFETY: the header points at one iovec over `buffer` and at `control`, which live through the call and whose
        // sizes are given.
        #[allow(unsafe_code, reason = "recvmsg with ancillary data")]
        let size = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
        let size = usize::try_from(size).ok()?;
        Some((size, stamp_of(&header).unwrap_or_else(wall)))
    }
}

/// The wall clock, which is the one the kernel stamps by.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

#[allow(unsafe_code, reason = "socket2 does not know this option")]
fn stamp(socket: &Socket) -> Result<()> {
    let on: libc::c_int = 1;
    let (level, size) = (libc::SOL_SOCKET, std::mem::size_of_val(&on) as libc::socklen_t);
    // SAFETY: the descriptor is open and `on` is `size` readable bytes.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size) };
    if set == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

#[allow(unsafe_code, reason = "walking ancillary data")]
fn stamp_of(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel filled `header`'s control buffer, which still lives; CMSG_FIRSTHDR and CMSG_NXTHDR stay within
    // it, and a message of this type holds a timespec, possibly unaligned.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            if (*message).cmsg_level == libc::SOL_SOCKET && (*message).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                return Some(Duration::new(time.tv_sec as u64, time.tv_nsec as u32));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}
