//! Peers by name: when each is looked up, and what holds while nobody answers.

use crate::event::{Peer, TrunkPeer};
use crate::locate::{Found, NamedPeer, Unfound, Wanted};
use crate::stack::Stack;
use crate::transaction::Alarm;
use busyhour_model::{Time, TrunkId};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::Duration;

/// Peers of a trunk, those of all its names together.
const PEERS_MAX: usize = 32;
/// An answer holds at least and at most so long, whatever its TTL.
const TTL_MIN: Duration = Duration::from_secs(5);
const TTL_MAX: Duration = Duration::from_secs(86_400);
/// First wait after a failure; doubled each time up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A question nobody answers at all is asked again.
const ASKED_MAX: Duration = Duration::from_secs(120);
/// Addresses that are no peers any more, whose calls go on.
const FORMER_MAX: usize = 32;

/// One name of a trunk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    peer: NamedPeer,
    /// As they were found last.
    found: Vec<Peer>,
    /// Since then.
    failures: u32,
    /// When it is looked up again.
    due: Time,
}

/// How a name of a trunk stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedState {
    /// Which.
    pub peer: NamedPeer,
    /// Where it is, as far as is known.
    pub peers: Vec<Peer>,
    /// The last look-up failed: what is known may be old.
    pub failing: bool,
}

/// All names of a trunk.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Names {
    all: Vec<Named>,
    /// Where they were before.
    former: Vec<IpAddr>,
}

impl Names {
    /// Takes over a configuration; what is known stays.
    pub(crate) fn configure(&mut self, now: Time, peers: &[NamedPeer]) {
        let known = std::mem::take(&mut self.all);
        let named = |peer: &NamedPeer| match known.iter().find(|named| named.peer.is_alike(peer)) {
            Some(named) => Named { peer: peer.clone(), ..named.clone() },
            None => Named { peer: peer.clone(), found: Vec::new(), failures: 0, due: now },
        };
        self.all = peers.iter().map(named).collect();
    }

    /// The peers of a trunk, those with addresses and those with names, ranked by the configuration first and SRV second.
    pub(crate) fn peers(&self, literal: &[Peer]) -> Vec<Peer> {
        let found = |named: &Named| {
            let priority = named.peer.priority;
            named.found.iter().map(move |peer| ((priority, peer.priority), *peer)).collect::<Vec<_>>()
        };
        let literal = literal.iter().map(|peer| ((peer.priority, 0), *peer));
        let ranked: Vec<_> = literal.chain(self.all.iter().flat_map(found)).collect();
        let mut ranks: Vec<_> = ranked.iter().map(|(rank, _)| *rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let mut peers: Vec<Peer> = Vec::new();
        for (rank, peer) in ranked {
            if peers.len() < PEERS_MAX && !peers.iter().any(|other| other.is_at(&peer)) {
                let priority = ranks.partition_point(|other| *other < rank) as u16;
                peers.push(Peer { priority, ..peer });
            }
        }
        peers
    }

    /// Nobody could say where any of them is.
    pub(crate) fn are_unresolved(&self) -> bool {
        !self.all.is_empty() && self.all.iter().all(|named| named.found.is_empty() && named.failures > 0)
    }

    /// Whether one of them was there once.
    pub(crate) fn were_at(&self, ip: IpAddr) -> bool {
        self.former.contains(&ip)
    }

    /// What is to be looked up now; until it is answered, not again for a while.
    fn take_due(&mut self, now: Time) -> Vec<NamedPeer> {
        let due = self.all.iter_mut().filter(|named| named.due <= now);
        due.map(|named| {
            named.due = now + ASKED_MAX;
            named.peer.clone()
        })
        .collect()
    }

    fn settle(&mut self, now: Time, peer: &NamedPeer, outcome: Result<&Found, Unfound>) {
        let Some(named) = self.all.iter_mut().find(|named| named.peer.is_alike(peer)) else { return };
        let wait = match outcome {
            Ok(found) => {
                let old = std::mem::replace(&mut named.found, found.peers.clone());
                named.failures = 0;
                let gone = old.iter().map(|peer| peer.address.ip());
                let gone: Vec<IpAddr> = gone.filter(|ip| !self.former.contains(ip)).collect();
                self.former.extend(gone);
                found.ttl.clamp(TTL_MIN, TTL_MAX)
            }
            // Better where it was than nowhere.
            Err(_) => {
                named.failures += 1;
                (RETRY_MIN * (1 << (named.failures - 1).min(6))).min(RETRY_MAX)
            }
        };
        named.due = now + wait;
        let surplus = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..surplus);
    }
}

impl Stack {
    /// The next name to look up.
    pub fn poll_wanted(&mut self) -> Option<Wanted> {
        self.wanted.pop_front()
    }

    /// A name was looked up. Calls in progress stay where they are; later ones go to the peers found.
    pub fn handle_resolved(&mut self, now: Time, wanted: &Wanted, outcome: Result<&Found, Unfound>) {
        let Some(line) = self.lines.get_mut(&wanted.trunk) else { return };
        line.names.settle(now, &wanted.peer, outcome);
        if let Some(trunk) = self.line_config(wanted.trunk).cloned() {
            self.rearrange(now, &trunk);
        }
        self.resolve_line_at(wanted.trunk);
        self.tell_line(wanted.trunk);
    }

    /// The peers as they are now. Who is new is asked at once, and a registrar that is none any more is left.
    fn rearrange(&mut self, now: Time, trunk: &TrunkPeer) {
        let Some(line) = self.lines.get_mut(&trunk.trunk) else { return };
        let peers = line.names.peers(&trunk.peers);
        if line.hops.iter().map(|hop| hop.peer).eq(peers.iter().copied()) {
            return;
        }
        line.hops.configure(&peers);
        line.registrar = line.registrar.filter(|at| peers.iter().any(|peer| peer.is_at(at)));
        let unregistered = trunk.registers() && line.registrar.is_none();
        if unregistered {
            self.register_line_at(trunk.trunk, now);
        }
        if trunk.probe.is_some() {
            self.probe_line_at(trunk.trunk, now);
        }
    }

    /// Looks up what is due.
    pub(crate) fn resolve_line(&mut self, now: Time, trunk: TrunkId) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        let due = line.names.take_due(now);
        let Some(config) = self.line_config(trunk) else { return };
        let sockets: Vec<_> = self
            .config
            .locals
            .iter()
            .filter(|(_, local)| config.bind.is_none_or(|bind| bind == *local))
            .copied()
            .collect();
        self.wanted.extend(due.into_iter().map(|peer| Wanted { trunk, peer, sockets: sockets.clone() }));
        self.resolve_line_at(trunk);
    }

    pub(crate) fn resolve_line_at(&mut self, trunk: TrunkId) {
        let Some(line) = self.lines.get_mut(&trunk) else { return };
        self.net.stop(&mut line.resolve);
        let due = line.names.all.iter().map(|named| named.due).min();
        line.resolve = due.map(|at| self.net.timers.set(at, Alarm::Resolve(trunk)));
    }

    /// A trunk's peers that have names, in the order of the configuration.
    pub fn named_peers(&self, trunk: TrunkId) -> Vec<NamedState> {
        let state = |named: &Named| NamedState {
            peer: named.peer.clone(),
            peers: named.found.clone(),
            failing: named.failures > 0,
        };
        self.lines.get(&trunk).map_or_else(Vec::new, |line| line.names.all.iter().map(state).collect())
    }
}
