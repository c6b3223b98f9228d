//! Keys that come by a handshake where the sound goes (DTLS-SRTP, RFC 5764): how far it is, and by which ways the peer was proven.

use busyhour_model::{Deafness, Fingerprint, Handshake};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Datagrams of one handshake that are handed out: it takes about ten, and the same again for each time that some are lost.
pub(crate) const DATAGRAMS_MAX: u16 = 200;
/// A longer one is no handshake's: they come in fragments.
const DATAGRAM_MAX: usize = 1_500;
/// Ways that stay proven; the eldest is forgotten for one more.
const WAYS_MAX: usize = 4;

/// Of a handshake, for whoever shakes hands: what begins, comes and ends at one leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shake {
    /// It may begin; one before it is over.
    Begin {
        /// We begin, as its client.
        active: bool,
        /// Of the peer's certificate.
        fingerprint: Fingerprint,
    },
    /// The peer's.
    Datagram(Vec<u8>),
    /// No more of the leg.
    End,
}

/// What comes to the port of such a leg beside its sound (RFC 7983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Check,
    Shake,
    /// RTCP (RFC 5761 section 4).
    Report,
}

/// One leg's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handshaking {
    pub(crate) agreed: Handshake,
    /// Which of the leg's it is.
    pub(crate) attempt: u32,
    /// From where the peer has shown that it knows us, and the one it has chosen.
    ways: Vec<SocketAddr>,
    chosen: Option<SocketAddr>,
    /// Where its newest datagram came from.
    source: Option<SocketAddr>,
    datagrams: u16,
    pub(crate) failed: Option<Deafness>,
}

impl Handshaking {
    pub(crate) fn new(agreed: Handshake, attempt: u32) -> Handshaking {
        Handshaking { agreed, attempt, ways: Vec::new(), chosen: None, source: None, datagrams: 0, failed: None }
    }

    /// Whether what is agreed on anew is still this one.
    pub(crate) fn is_of(&self, agreed: &Handshake) -> bool {
        (self.agreed.active, self.agreed.fingerprint) == (agreed.active, agreed.fingerprint)
    }

    /// The peer has other names now, and must prove ways again (ICE restart).
    pub(crate) fn rename(&mut self, agreed: Handshake) {
        if self.agreed.ice != agreed.ice {
            (self.ways, self.chosen) = (Vec::new(), None);
        }
        self.agreed = agreed;
    }

    /// `None`: it is to be sound.
    pub(crate) fn beside(bytes: &[u8]) -> Option<Beside> {
        match bytes {
            [0..=3, ..] => Some(Beside::Check),
            [20..=63, ..] => Some(Beside::Shake),
            [128..=191, 192..=223, ..] => Some(Beside::Report),
            _ => None,
        }
    }

    /// The peer has shown there that it knows us.
    pub(crate) fn prove(&mut self, from: SocketAddr, nominates: bool) {
        if !self.ways.contains(&from) {
            if self.ways.len() == WAYS_MAX {
                let eldest = self.ways.iter().position(|way| Some(*way) != self.chosen).unwrap_or(0);
                self.ways.remove(eldest);
            }
            self.ways.push(from);
        }
        if nominates || self.chosen.is_none() {
            self.chosen = Some(from);
        }
    }

    /// Whether it may begin: where ways are tried out, once one is proven.
    pub(crate) fn is_ready(&self) -> bool {
        self.agreed.ice.is_none() || self.chosen.is_some()
    }

    /// Whether the peer may speak from there; without ICE that is not known.
    pub(crate) fn admits(&self, from: SocketAddr) -> bool {
        self.agreed.ice.is_none() || self.ways.contains(&from)
    }

    /// Whether a datagram of the peer's is handed out.
    pub(crate) fn take(&mut self, from: SocketAddr, bytes: &[u8]) -> bool {
        let taken = self.datagrams < DATAGRAMS_MAX && bytes.len() <= DATAGRAM_MAX;
        self.datagrams += u16::from(taken);
        if taken {
            self.source = Some(from);
        }
        taken
    }

    /// Where sound is sent to, where ways are tried out.
    pub(crate) fn chosen(&self) -> Option<SocketAddr> {
        self.chosen
    }

    /// Where our datagrams go: the chosen way, else back to where the peer's come from.
    pub(crate) fn answers_to(&self) -> Option<SocketAddr> {
        self.chosen.or(self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7983 section 7, RFC 5761 section 4.
    #[test]
    fn what_comes_is_told_apart_by_its_first_bytes() {
        for (first, second, kind) in [
            (0, 1, Some(Beside::Check)),
            (3, 0, Some(Beside::Check)),
            (4, 0, None),
            (19, 0, None),
            (20, 0xFE, Some(Beside::Shake)),
            (63, 0, Some(Beside::Shake)),
            (64, 0, None),
            (128, 191, None),
            (128, 192, Some(Beside::Report)),
            (191, 223, Some(Beside::Report)),
            (128, 224, None),
            (192, 200, None),
        ] {
            assert_eq!(Handshaking::beside(&[first, second, 0]), kind, "{first} {second}");
        }
        assert_eq!(Handshaking::beside(&[]), None);
    }

    #[test]
    fn the_eldest_way_is_forgotten_but_never_the_chosen_one() {
        let ice = busyhour_model::Ice { ufrag: "a".into(), pwd: "b".into(), theirs: "c".into() };
        let agreed = Handshake { active: false, fingerprint: Fingerprint([0; 32]), ice: Some(ice) };
        let mut handshaking = Handshaking::new(agreed, 0);
        let way = |n: u16| SocketAddr::from(([192, 0, 2, 9], n));
        for n in 0..20 {
            handshaking.prove(way(n), n == 1);
        }
        assert_eq!((handshaking.ways.len(), handshaking.chosen()), (WAYS_MAX, Some(way(1))));
        assert!(handshaking.admits(way(1)) && handshaking.admits(way(19)) && !handshaking.admits(way(0)));
    }
}
