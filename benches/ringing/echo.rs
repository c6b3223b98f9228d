//! A thread that sends every datagram back at once: what the same machine, in the same minute, takes for the same way.

use crate::wire::Wire;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// See the module; it ends with the process.
pub(crate) struct Echo {
    pub(crate) wire: Wire,
    other: SocketAddr,
    next: u64,
    /// When each ping left.
    left: BTreeMap<u64, Duration>,
}

impl Echo {
    pub(crate) fn start() -> Echo {
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let at = other.local_addr().expect("a bound socket has an address");
        std::thread::spawn(move || {
            let mut buffer = [0; 64];
            while let Ok((size, from)) = other.recv_from(&mut buffer) {
                let _ = other.send_to(&buffer[..size], from);
            }
        });
        let wire = Wire::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback has free ports");
        Echo { wire, other: at, next: 0, left: BTreeMap::new() }
    }

    pub(crate) fn ping(&mut self) {
        self.next += 1;
        let left = self.wire.send(&self.next.to_be_bytes(), self.other).expect("loopback takes a datagram");
        self.left.insert(self.next, left);
    }

    /// How long each took whose answer has come.
    pub(crate) fn heard(&mut self, buffer: &mut [u8]) -> Vec<Duration> {
        let mut spans = Vec::new();
        while let Some((size, at)) = self.wire.receive(buffer) {
            let number = buffer[..size].try_into().map(u64::from_be_bytes).ok();
            spans.extend(number.and_then(|number| self.left.remove(&number)).map(|left| at.saturating_sub(left)));
        }
        spans
    }
}
