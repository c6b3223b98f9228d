//! UDP sockets read and written many datagrams at a time, each stamped by the kernel as it comes.
#![allow(unsafe_code, reason = "recvmmsg, sendmmsg and ancillary data")]

use socket2::{Domain, SockAddr, Socket, Type};
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Datagrams of one call.
pub(crate) const MANY: usize = 64;
/// Bytes of a datagram that are kept.
pub(crate) const LEN_MAX: usize = 256;
/// Bytes the system may hold for a socket: what many phones are told in a moment.
const BUFFER: usize = 4 << 20;
/// Room for one stamp among the ancillary data, aligned as its header is.
const CONTROL_WORDS: usize = 8;

/// A socket on loopback that never blocks, on any free port.
pub(crate) fn bound() -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("there are descriptors: ulimit -n 20000");
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true).expect("a socket can be made non-blocking");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("loopback has free ports");
    socket.into()
}

/// Lets the kernel stamp what comes.
pub(crate) fn stamp(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    let (level, size) = (libc::SOL_SOCKET, mem::size_of_val(&on) as libc::socklen_t);
    // SAFETY: the descriptor is open and `on` is `size` readable bytes.
    let set =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, libc::SO_TIMESTAMPNS, (&raw const on).cast(), size) };
    assert_eq!(set, 0, "Linux stamps datagrams");
}

pub(crate) fn address(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("a bound socket has an address")
}

/// The wall clock, which is the one the kernel stamps by.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970")
}

/// Room for the datagrams of one call.
pub(crate) struct Many {
    bytes: Box<[[u8; LEN_MAX]; MANY]>,
    lengths: [usize; MANY],
    from: [libc::sockaddr_storage; MANY],
    control: Box<[[u64; CONTROL_WORDS]; MANY]>,
    came: [Option<Duration>; MANY],
}

impl Many {
    pub(crate) fn new() -> Many {
        // SAFETY: sockaddr_storage is plain integers; all zeros is a valid value.
        let from = unsafe { mem::zeroed() };
        Many {
            bytes: Box::new([[0; LEN_MAX]; MANY]),
            lengths: [0; MANY],
            from,
            control: Box::new([[0; CONTROL_WORDS]; MANY]),
            came: [None; MANY],
        }
    }

    /// Takes what waits at the socket; how many.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> usize {
        // SAFETY: iovec and mmsghdr are plain integers and pointers; all zeros (null) is a valid value.
        let (mut parts, mut headers): ([libc::iovec; MANY], [libc::mmsghdr; MANY]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        for i in 0..MANY {
            parts[i] = libc::iovec { iov_base: self.bytes[i].as_mut_ptr().cast(), iov_len: LEN_MAX };
            let header = &mut headers[i].msg_hdr;
            (header.msg_iov, header.msg_iovlen) = (&raw mut parts[i], 1);
            header.msg_name = (&raw mut self.from[i]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_control = (&raw mut self.control[i]).cast();
            header.msg_controllen = mem::size_of_val(&self.control[i]) as _;
        }
        // SAFETY: every header points at its own iovec, buffer, address and control data, which live through the call
        // and whose sizes are given; the timeout is null.
        let count = unsafe {
            let fd = socket.as_raw_fd();
            libc::recvmmsg(fd, headers.as_mut_ptr(), MANY as u32, libc::MSG_DONTWAIT as _, std::ptr::null_mut())
        };
        let count = count.max(0) as usize;
        for (i, header) in headers[..count].iter().enumerate() {
            (self.lengths[i], self.came[i]) = (header.msg_len as usize, stamp_of(&header.msg_hdr));
        }
        count
    }

    /// The i-th datagram that was taken, and when the kernel had it.
    pub(crate) fn datagram(&self, i: usize) -> (&[u8], Option<Duration>) {
        (&self.bytes[i][..self.lengths[i]], self.came[i])
    }

    /// Whence the i-th came.
    pub(crate) fn port(&self, i: usize) -> u16 {
        // SAFETY: only IPv4 sockets are bound here, so the kernel wrote a sockaddr_in.
        unsafe { u16::from_be((*(&raw const self.from[i]).cast::<libc::sockaddr_in>()).sin_port) }
    }

    /// Puts what is to be sent in the i-th place.
    pub(crate) fn put(&mut self, i: usize, bytes: &[u8]) {
        self.bytes[i][..bytes.len()].copy_from_slice(bytes);
        self.lengths[i] = bytes.len();
    }

    /// Sends what is in the first places, the i-th to the i-th of `to`; how many went.
    pub(crate) fn send<'a>(&mut self, socket: &UdpSocket, to: impl Iterator<Item = &'a SockAddr>) -> usize {
        // SAFETY: as above.
        let (mut parts, mut headers): ([libc::iovec; MANY], [libc::mmsghdr; MANY]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let mut count = 0;
        for (i, to) in to.take(MANY).enumerate() {
            parts[i] = libc::iovec { iov_base: self.bytes[i].as_mut_ptr().cast(), iov_len: self.lengths[i] };
            let header = &mut headers[i].msg_hdr;
            (header.msg_iov, header.msg_iovlen) = (&raw mut parts[i], 1);
            (header.msg_name, header.msg_namelen) = (to.as_ptr().cast_mut().cast(), to.len());
            count = i + 1;
        }
        // SAFETY: the first `count` headers point at iovecs, bytes and addresses that live through the call.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, 0) };
        sent.max(0) as usize
    }
}

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
