//! Packets waiting to be sent: one growing byte buffer used again and again, so that sending allocates nothing.

use busyhour_model::LegId;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Packets kept between two drains; more are dropped and counted.
pub(crate) const PACKETS_MAX: usize = 16_384;

/// Bytes for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// From whose port.
    pub leg: LegId,
    /// Whereto.
    pub to: SocketAddr,
    /// From the leg's RTCP port, not its RTP port.
    pub rtcp: bool,
    /// One datagram.
    pub bytes: &'a [u8],
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    packets: VecDeque<Packet>,
    pub(crate) dropped: u64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Packet {
    leg: LegId,
    to: SocketAddr,
    rtcp: bool,
    start: u32,
    end: u32,
}

impl Outbox {
    /// Queues what `write` appends; whether there was room.
    pub(crate) fn push(&mut self, leg: LegId, to: SocketAddr, rtcp: bool, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.packets.len() >= PACKETS_MAX {
            self.dropped += 1;
            return false;
        }
        if self.packets.is_empty() {
            self.bytes.clear();
        }
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        self.packets.push_back(Packet { leg, to, rtcp, start, end: self.bytes.len() as u32 });
        true
    }

    /// The oldest packet; its bytes live until the next push.
    pub(crate) fn pop(&mut self) -> Option<Transmit<'_>> {
        let Packet { leg, to, rtcp, start, end } = self.packets.pop_front()?;
        Some(Transmit { leg, to, rtcp, bytes: &self.bytes[start as usize..end as usize] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_in_order_the_buffer_is_reused_and_too_many_are_counted() {
        let mut outbox = Outbox::default();
        let to: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for round in 0..3u8 {
            for i in 0..PACKETS_MAX + 2 {
                outbox.push(LegId(i as u64), to, false, |out| out.extend([round, i as u8]));
            }
            for i in 0..PACKETS_MAX {
                let expected = Transmit { leg: LegId(i as u64), to, rtcp: false, bytes: &[round, i as u8] };
                assert_eq!(outbox.pop(), Some(expected));
            }
            assert_eq!(outbox.pop(), None);
            assert_eq!(outbox.dropped, 2 * (round as u64 + 1));
            assert_eq!(outbox.bytes.len(), 2 * PACKETS_MAX);
        }
    }
}
