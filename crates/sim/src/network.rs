//! Wires that lose, duplicate, reorder and delay; the same seed loses the same packets.

use busyhour_model::{Seed, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How bad the wires are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// Lost packets, parts per thousand.
    pub loss: u32,
    /// Packets that arrive twice, parts per thousand.
    pub duplication: u32,
    /// Shortest delay.
    pub delay_min: Duration,
    /// Longest delay; packets overtake one another within the difference.
    pub delay_max: Duration,
}

impl Faults {
    /// One millisecond and nothing wrong.
    pub const NONE: Faults =
        Faults { loss: 0, duplication: 0, delay_min: Duration::from_millis(1), delay_max: Duration::from_millis(1) };
}

/// One packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Network {
    faults: Faults,
    seed: Seed,
    /// Whose cable is out.
    unplugged: BTreeSet<IpAddr>,
    sent: u64,
    on_the_way: BTreeMap<(Time, u64), Packet>,
}

impl Network {
    pub(crate) fn new(faults: Faults, seed: Seed) -> Network {
        Network { faults, seed, unplugged: BTreeSet::new(), sent: 0, on_the_way: BTreeMap::new() }
    }

    /// The wires are good from now on.
    pub(crate) fn heal(&mut self) {
        self.faults = Faults::NONE;
        self.unplugged.clear();
    }

    /// Takes a host's cable out, or puts it back.
    pub(crate) fn plug(&mut self, host: IpAddr, on: bool) {
        if on {
            self.unplugged.remove(&host)
        } else {
            self.unplugged.insert(host)
        };
    }

    pub(crate) fn send(&mut self, now: Time, packet: Packet) {
        if self.seed.per_mille(self.faults.loss) || self.is_unplugged(&packet) {
            return;
        }
        if self.seed.per_mille(self.faults.duplication) {
            self.deliver_later(now, packet.clone());
        }
        self.deliver_later(now, packet);
    }

    fn is_unplugged(&self, packet: &Packet) -> bool {
        [packet.from, packet.to].iter().any(|end| self.unplugged.contains(&end.ip()))
    }

    fn deliver_later(&mut self, now: Time, packet: Packet) {
        let at = now + self.seed.between(self.faults.delay_min, self.faults.delay_max);
        self.sent += 1;
        self.on_the_way.insert((at, self.sent), packet);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.on_the_way.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn receive(&mut self, now: Time) -> Option<Packet> {
        let (&key, _) = self.on_the_way.first_key_value().filter(|((at, _), _)| *at <= now)?;
        self.on_the_way.remove(&key)
    }
}
