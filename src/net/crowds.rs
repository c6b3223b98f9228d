//! How many connections each address has, and how many of them are in their handshake.

use std::collections::HashMap;
use std::net::IpAddr;

/// Connections of one address.
const CONNECTIONS_MAX: usize = 1_000;
/// Handshakes at once, and with one address.
const HANDSHAKES_MAX: usize = 512;
pub(super) const HANDSHAKES_PER_PEER_MAX: usize = 64;

/// Counts that go along with the connections.
#[derive(Default)]
pub(super) struct Crowds {
    opening: usize,
    peers: HashMap<IpAddr, Crowd>,
}

#[derive(Default)]
struct Crowd {
    all: usize,
    opening: usize,
}

impl Crowds {
    /// Whether a peer may not connect once more.
    pub(super) fn is_full_for(&self, peer: IpAddr) -> bool {
        let full = |crowd: &Crowd| crowd.all >= CONNECTIONS_MAX || crowd.opening >= HANDSHAKES_PER_PEER_MAX;
        self.opening >= HANDSHAKES_MAX || self.peers.get(&peer).is_some_and(full)
    }

    /// A connection is there, perhaps with its handshake yet to come.
    pub(super) fn come(&mut self, peer: IpAddr, opening: bool) {
        let crowd = self.peers.entry(peer).or_default();
        crowd.all += 1;
        crowd.opening += usize::from(opening);
        self.opening += usize::from(opening);
    }

    /// A handshake is done.
    pub(super) fn opened(&mut self, peer: IpAddr) {
        self.opening -= 1;
        if let Some(crowd) = self.peers.get_mut(&peer) {
            crowd.opening -= 1;
        }
    }

    /// A connection is gone, perhaps in its handshake.
    pub(super) fn leave(&mut self, peer: IpAddr, opening: bool) {
        if opening {
            self.opened(peer);
        }
        if let Some(crowd) = self.peers.get_mut(&peer) {
            crowd.all -= 1;
            if crowd.all == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn other(n: usize) -> IpAddr {
        IpAddr::from([10, 0, (n >> 8) as u8, n as u8])
    }

    #[test]
    fn an_address_is_full_by_connections_or_by_handshakes_and_others_are_not() {
        for (max, opening) in [(CONNECTIONS_MAX, false), (HANDSHAKES_PER_PEER_MAX, true)] {
            let mut crowds = Crowds::default();
            for _ in 0..max {
                assert!(!crowds.is_full_for(PEER));
                crowds.come(PEER, opening);
            }
            assert!(crowds.is_full_for(PEER) && !crowds.is_full_for(other(1)));
            crowds.leave(PEER, opening);
            assert!(!crowds.is_full_for(PEER));
        }
    }

    #[test]
    fn handshakes_of_all_together_are_bounded_and_nobody_is_remembered() {
        let mut crowds = Crowds::default();
        (0..HANDSHAKES_MAX).for_each(|n| crowds.come(other(n), true));
        assert!(crowds.is_full_for(PEER));
        crowds.opened(other(0));
        assert!(!crowds.is_full_for(PEER));
        (0..HANDSHAKES_MAX).for_each(|n| crowds.leave(other(n), n > 0));
        assert!(crowds.peers.is_empty() && crowds.opening == 0);
    }
}
