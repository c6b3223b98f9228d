//! The system calls the standard library lacks: epoll, eventfd, recvmmsg and a thread's CPU clock. All unsafe code is here.
#![allow(unsafe_code)]

use std::io::{Error, Result};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::time::Duration;

/// Readiness told by one `Epoll::wait`.
pub(super) const READY_MAX: usize = 1024;
/// Datagrams taken by one `Batch::receive`.
pub(super) const BATCH_MAX: usize = 8;
/// A longer datagram is cut, known to be cut, and dropped.
const DATAGRAM_MAX: usize = 2048;

/// Level-triggered readiness of many descriptors, each known by a token.
pub(super) struct Epoll {
    fd: OwnedFd,
    ready: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(super) fn new() -> Result<Epoll> {
        // SAFETY: epoll_create1 takes no pointer; a descriptor it returns is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Epoll { fd, ready: Vec::with_capacity(READY_MAX) })
    }

    /// Watches for something to read. A closed descriptor leaves by itself.
    pub(super) fn add(&self, descriptor: &impl AsRawFd, token: u64) -> Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let (epoll, fd) = (self.fd.as_raw_fd(), descriptor.as_raw_fd());
        // SAFETY: both descriptors are open, `event` lives through the call and the kernel keeps no pointer to it.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &mut event) }).map(drop)
    }

    /// Stops watching a descriptor that stays open.
    pub(super) fn remove(&self, descriptor: &impl AsRawFd) -> Result<()> {
        let (epoll, fd) = (self.fd.as_raw_fd(), descriptor.as_raw_fd());
        // SAFETY: both descriptors are open; EPOLL_CTL_DEL ignores the event pointer.
        check(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_DEL, fd, std::ptr::null_mut()) }).map(drop)
    }

    /// Waits until something is ready or the time is over (`None`: for ever); how many. A signal is no error.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> usize {
        let ms = timeout.map_or(-1, |span| span.as_micros().div_ceil(1000).min(60_000) as i32);
        // SAFETY: `ready` has room for READY_MAX events; the kernel wrote as many as it returns, so that many are
        // initialised and the length may be set to it.
        unsafe {
            let count = libc::epoll_wait(self.fd.as_raw_fd(), self.ready.as_mut_ptr(), READY_MAX as i32, ms);
            self.ready.set_len(count.max(0) as usize);
        }
        self.ready.len()
    }

    /// Whether the i-th ready descriptor of the last `wait` has an error to tell.
    pub(super) fn failed(&self, i: usize) -> bool {
        self.ready[i].events & libc::EPOLLERR as u32 != 0
    }

    /// The token of the i-th ready descriptor of the last `wait`.
    pub(super) fn token(&self, i: usize) -> u64 {
        self.ready[i].u64
    }
}

/// Wakes a waiting `Epoll` from another thread.
pub(super) struct Bell {
    fd: OwnedFd,
    /// It rings, or is about to: whoever rings it again spares the system call.
    rings: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> Result<Bell> {
        // SAFETY: eventfd takes no pointer; a descriptor it returns is ours alone.
        let fd = unsafe { OwnedFd::from_raw_fd(check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?) };
        Ok(Bell { fd, rings: AtomicBool::new(false) })
    }

    /// Makes the descriptor readable. What was done before is seen by whoever makes it quiet after.
    pub(super) fn ring(&self) {
        if self.rings.swap(true, AcqRel) {
            return;
        }
        let one = 1u64;
        // SAFETY: the descriptor is open and `one` is 8 readable bytes. It fails only when it rings already.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes it quiet again; look for what it rang for only afterwards.
    pub(super) fn quiet(&self) {
        let mut count = 0u64;
        // SAFETY: the descriptor is open and `count` is 8 writable bytes. It fails only when it is quiet already.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
        // In this order: a ring between the two is not lost in the read while the flag says that it rings.
        self.rings.swap(false, AcqRel);
    }
}

impl AsRawFd for Bell {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

/// Room for the datagrams of one recvmmsg.
pub(super) struct Batch {
    buffers: Box<[[u8; DATAGRAM_MAX]; BATCH_MAX]>,
    addresses: [libc::sockaddr_storage; BATCH_MAX],
    /// Length of each; `None` when it was cut.
    lengths: [Option<usize>; BATCH_MAX],
}

impl Batch {
    pub(super) fn new() -> Batch {
        // SAFETY: sockaddr_storage is plain integers; all zeros is a valid value.
        let addresses = unsafe { mem::zeroed() };
        Batch { buffers: Box::new([[0; DATAGRAM_MAX]; BATCH_MAX]), addresses, lengths: [None; BATCH_MAX] }
    }

    /// Takes what waits at the socket without waiting; how many datagrams.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> usize {
        // SAFETY: iovec and mmsghdr are plain integers and pointers; all zeros (null) is a valid value.
        let (mut vectors, mut headers): ([libc::iovec; BATCH_MAX], [libc::mmsghdr; BATCH_MAX]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        for i in 0..BATCH_MAX {
            vectors[i].iov_base = self.buffers[i].as_mut_ptr().cast();
            vectors[i].iov_len = DATAGRAM_MAX;
            headers[i].msg_hdr.msg_name = (&raw mut self.addresses[i]).cast();
            headers[i].msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            headers[i].msg_hdr.msg_iov = &mut vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every header points at its own iovec, buffer and address, which live through the call and whose
        // sizes are given; the timeout is null.
        let count = unsafe {
            let fd = socket.as_raw_fd();
            libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH_MAX as u32, libc::MSG_DONTWAIT as _, std::ptr::null_mut())
        };
        let count = count.max(0) as usize;
        for (length, header) in self.lengths.iter_mut().zip(&headers[..count]) {
            let whole = header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0;
            *length = whole.then_some(header.msg_len as usize);
        }
        count
    }

    /// The i-th datagram of the last `receive` and its sender; `None` when it was cut.
    pub(super) fn datagram(&self, i: usize) -> Option<(SocketAddr, &[u8])> {
        let bytes = self.buffers[i].get(..self.lengths[i]?)?;
        Some((address(&self.addresses[i])?, bytes))
    }
}

/// Marks what the socket sends as expedited forwarding (RFC 3246); a system that refuses still carries it.
pub(super) fn expedite(socket: &UdpSocket, v4: bool) {
    let class: libc::c_int = 46 << 2;
    let (level, name) = if v4 { (libc::IPPROTO_IP, libc::IP_TOS) } else { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) };
    let len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open and `class` is `len` readable bytes.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const class).cast(), len) };
}

/// Has the socket told when what it sent comes back as undeliverable (ip(7), IP_RECVERR); a system that refuses tells nothing.
pub(super) fn ask_for_returns(socket: &UdpSocket, v4: bool) {
    let on: libc::c_int = 1;
    let (level, name) =
        if v4 { (libc::IPPROTO_IP, libc::IP_RECVERR) } else { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) };
    let len = mem::size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open and `on` is `len` readable bytes.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), len) };
}

/// Whether something that was sent came back; to be asked until nothing did.
pub(super) fn came_back(socket: &UdpSocket) -> bool {
    // SAFETY: msghdr is plain integers and pointers; all zeros (null, no room) is a valid value: what came back is not looked at.
    let taken = unsafe {
        let mut header: libc::msghdr = mem::zeroed();
        libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT)
    };
    taken >= 0
}

/// CPU time the calling thread has used.
pub(super) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a writable timespec; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let start: *const libc::sockaddr_storage = storage;
    // SAFETY: sockaddr_storage is larger and as aligned as every address of its family, and fully initialised.
    unsafe {
        match storage.ss_family as i32 {
            libc::AF_INET => {
                let v4 = &*start.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let v6 = &*start.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}

fn check(result: i32) -> Result<i32> {
    if result < 0 { Err(Error::last_os_error()) } else { Ok(result) }
}
