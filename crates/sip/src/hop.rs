//! A trunk's peers: which of them lives, and in what order they are tried (RFC 3263 section 4, RFC 2782).

use crate::event::{Flow, Peer};
use busyhour_model::{Seed, Time, Trouble};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Probes that may go unanswered before a peer counts as down.
const MISSES_MAX: u32 = 2;
/// A peer that failed a request is not tried first again for so long, or until it answers a probe.
pub(crate) const AVOID: Duration = Duration::from_secs(30);
/// A peer that asks for a longer pause gets no more than this.
const AVOID_MAX: Duration = Duration::from_secs(300);

/// How a peer, or a registration, was found last.
pub(crate) type Standing = Result<(), Trouble>;

/// What we know of one peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hop {
    pub(crate) peer: Peer,
    /// What the last probe said; `None` before the first is decided.
    pub(crate) standing: Option<Standing>,
    misses: u32,
    /// The last probe, while it is unanswered.
    probing: Option<u64>,
    /// It failed a request.
    avoided_until: Time,
}

impl Hop {
    fn new(peer: Peer) -> Hop {
        Hop { peer, standing: None, misses: 0, probing: None, avoided_until: Time::ZERO }
    }

    pub(crate) fn is_good(&self, now: Time) -> bool {
        !matches!(self.standing, Some(Err(_))) && self.avoided_until <= now
    }
}

/// All peers of a trunk, as configured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Hops(Vec<Hop>);

impl Hops {
    /// Takes over a configuration; who is known stays as it is.
    pub(crate) fn configure(&mut self, peers: &[Peer]) {
        let known = std::mem::take(&mut self.0);
        let hop = |peer: &Peer| match known.iter().find(|hop| hop.peer.is_at(peer)) {
            Some(hop) => Hop { peer: *peer, ..hop.clone() },
            None => Hop::new(*peer),
        };
        self.0 = peers.iter().map(hop).collect();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hop> {
        self.0.iter()
    }

    /// The peers in the order to try them: good ones first, a lower priority before a higher, by weight among equals.
    pub(crate) fn order(&self, now: Time, random: &mut Seed) -> Vec<Peer> {
        let mut left: Vec<&Hop> = self.0.iter().collect();
        let rank = |hop: &&Hop| (!hop.is_good(now), hop.peer.priority);
        let mut order = Vec::with_capacity(left.len());
        while let Some(best) = left.iter().map(rank).min() {
            let mut equal: Vec<usize> = (0..left.len()).filter(|&at| rank(&left[at]) == best).collect();
            // Those of no weight stand first, and have their chance when nothing was drawn (RFC 2782).
            equal.sort_by_key(|&at| left[at].peer.weight > 0);
            let weight = |at: usize| u64::from(left[at].peer.weight);
            let total: u64 = equal.iter().map(|&at| weight(at)).sum();
            let mut drawn = if equal.len() > 1 { random.below(total + 1) } else { 0 };
            let chosen = equal.iter().copied().find(|&at| {
                let here = drawn <= weight(at);
                drawn = drawn.saturating_sub(weight(at));
                here
            });
            order.push(left.remove(chosen.unwrap_or(equal[0])).peer);
        }
        order
    }

    fn at(&mut self, flow: &Flow) -> Option<&mut Hop> {
        self.0.iter_mut().find(|hop| hop.peer.address == flow.remote && hop.peer.transport == flow.transport)
    }

    /// The peer at the other end of a flow.
    pub(crate) fn peer(&mut self, flow: &Flow) -> Option<Peer> {
        self.at(flow).map(|hop| hop.peer)
    }

    pub(crate) fn is_good(&self, peer: &Peer, now: Time) -> bool {
        self.0.iter().any(|hop| hop.peer.is_at(peer) && hop.is_good(now))
    }

    /// It failed a request: others first, for a while.
    pub(crate) fn avoid(&mut self, now: Time, flow: &Flow, span: Duration) {
        if let Some(hop) = self.at(flow) {
            hop.avoided_until = now + span.min(AVOID_MAX);
        }
    }

    /// A probe went out; the one before may have been missed.
    pub(crate) fn probed(&mut self, flow: &Flow, id: u64) {
        if let Some(hop) = self.at(flow)
            && hop.probing.replace(id).is_some()
        {
            hop.miss();
        }
    }

    /// What became of a probe; [`Trouble::Silent`] counts when it comes again.
    pub(crate) fn answered(&mut self, flow: &Flow, id: u64, found: Standing) {
        let Some(hop) = self.at(flow) else { return };
        let last = hop.probing.take_if(|probe| *probe == id).is_some();
        match found {
            Ok(()) => (hop.misses, hop.standing, hop.avoided_until) = (0, Some(found), Time::ZERO),
            Err(Trouble::Silent) if last => hop.miss(),
            Err(Trouble::Silent) => {}
            Err(_) => (hop.misses, hop.standing) = (MISSES_MAX, Some(found)),
        }
    }

    /// How the best of them stands, the first of those alike; `None` while none answers and one might.
    pub(crate) fn best(&self) -> Option<Standing> {
        let rank = |standing: &Option<Standing>| match standing {
            Some(Ok(())) => 0,
            None => 1,
            Some(Err(_)) => 2,
        };
        self.0.iter().map(|hop| hop.standing).min_by_key(rank)?
    }
}

impl Hop {
    fn miss(&mut self) {
        self.misses += 1;
        if self.misses >= MISSES_MAX {
            self.standing = Some(Err(Trouble::Silent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    fn peer(last: u8, priority: u16, weight: u16) -> Peer {
        Peer { transport: Transport::Udp, address: ([10, 0, 0, last], 5060).into(), priority, weight }
    }

    fn hops(peers: &[Peer]) -> Hops {
        let mut hops = Hops::default();
        hops.configure(peers);
        hops
    }

    fn last(peer: &Peer) -> u8 {
        match peer.address.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        }
    }

    /// RFC 2782: by priority, and by weight among equals; one of no weight hardly ever comes first.
    #[test]
    fn peers_are_tried_by_priority_and_weight() {
        let hops = hops(&[peer(1, 1, 30), peer(2, 1, 10), peer(3, 1, 0), peer(9, 0, 0), peer(8, 2, 5)]);
        let mut first = [0; 10];
        let mut random = Seed(7);
        for _ in 0..4_000 {
            let order = hops.order(Time::ZERO, &mut random);
            assert_eq!((order.len(), last(&order[0]), last(&order[4])), (5, 9, 8));
            first[last(&order[1]) as usize] += 1;
        }
        assert!((2_800..3_200).contains(&first[1]) && (800..1_150).contains(&first[2]), "{first:?}");
        assert!((1..250).contains(&first[3]), "{first:?}");
    }

    #[test]
    fn who_failed_or_is_down_comes_last_until_it_shows_life() {
        let mut hops = hops(&[peer(1, 1, 1), peer(2, 2, 1), peer(3, 3, 1)]);
        let flow = |last| Flow {
            transport: Transport::Udp,
            local: ([10, 9, 0, 1], 5060).into(),
            remote: ([10, 0, 0, last], 5060).into(),
            connection: 0,
        };
        let order =
            |hops: &Hops, at| hops.order(Time::from_secs(at), &mut Seed(1)).iter().map(last).collect::<Vec<_>>();
        hops.avoid(Time::from_secs(100), &flow(1), AVOID);
        assert_eq!((order(&hops, 101), order(&hops, 131)), (vec![2, 3, 1], vec![1, 2, 3]));
        assert_eq!(hops.best(), None);
        for id in 1..=3 {
            hops.probed(&flow(2), id);
        }
        assert_eq!(order(&hops, 131), [1, 3, 2], "two probes unanswered");
        hops.answered(&flow(1), 7, Ok(()));
        assert_eq!(hops.best(), Some(Ok(())));
        hops.answered(&flow(1), 8, Err(Trouble::Refused(503)));
        hops.answered(&flow(3), 9, Err(Trouble::Refused(503)));
        assert_eq!((hops.best(), order(&hops, 131)), (Some(Err(Trouble::Refused(503))), vec![1, 2, 3]));
        hops.configure(&[peer(2, 5, 1), peer(4, 6, 1)]);
        assert_eq!(order(&hops, 131), [4, 2], "what was known of 2 stays");
    }
}
