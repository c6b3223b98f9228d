//! Symmetric RTP: whom a leg listens to and where it sends, so that a phone behind a NAT works and a hijacker does not.

use busyhour_model::Time;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Packets taken from sources nobody announced before one of them is believed.
const TRIAL_PACKETS: u8 = 5;
/// How long the announced address must be silent before an unlikely source is believed.
const TRIAL_TIME: Duration = Duration::from_secs(3);
/// A latched source behind a NAT that was silent so long may come back from another port of its address.
const REBIND_TIME: Duration = Duration::from_secs(1);

/// Whom one leg listens to.
///
/// The announced address always wins and is then the only one until it is negotiated anew. Before it speaks:
/// * an address that cannot be the announced one for anybody but a NAT (a private address was announced, a public one
///   speaks) is believed at once: nothing in plain RTP tells the phone from an attacker who is first;
/// * any other is on trial: five packets, then none until the announced address was silent for three seconds.
///
/// Once latched, nobody else is heard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latch {
    announced: SocketAddr,
    source: Option<SocketAddr>,
    heard_at: Time,
    trial: Option<Trial>,
    /// Packets taken on trial from anybody.
    injected: u8,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Trial {
    from: SocketAddr,
    since: Time,
    last: Time,
}

impl Latch {
    /// For a peer that announced this address in its SDP.
    pub fn new(announced: SocketAddr) -> Latch {
        Latch { announced, source: None, heard_at: Time::ZERO, trial: None, injected: 0 }
    }

    /// After re-negotiation. The same address, or none (old-style hold), changes nothing.
    pub fn renegotiate(&mut self, announced: SocketAddr) {
        if announced != self.announced && !announced.ip().is_unspecified() {
            *self = Latch::new(announced);
        }
    }

    /// Whether a packet from there is to be listened to.
    pub fn hear(&mut self, now: Time, from: SocketAddr) -> bool {
        if from == self.announced || self.source == Some(from) {
            return self.follow(now, from);
        }
        match self.source {
            Some(source) if source == self.announced => false,
            Some(source) if source.ip() == from.ip() && now.since(self.heard_at) >= REBIND_TIME => {
                self.follow(now, from)
            }
            Some(_) => false,
            None if scope(self.announced.ip()) != scope(from.ip()) && scope(self.announced.ip()) != Scope::Global => {
                self.follow(now, from)
            }
            None => self.try_out(now, from),
        }
    }

    /// Whether control packets may come from there: the host we listen to, or the announced one.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.source.map_or(self.announced.ip(), |source| source.ip()) == ip
    }

    /// Where to send; `None` while the peer holds with an unspecified address.
    pub fn destination(&self) -> Option<SocketAddr> {
        let announced = Some(self.announced).filter(|a| !a.ip().is_unspecified());
        match self.source {
            // A gateway that sends from elsewhere still wants to be sent to where it said.
            Some(source) if source.ip() != self.announced.ip() && scope(self.announced.ip()) == Scope::Global => {
                announced
            }
            Some(source) => Some(source),
            None => announced,
        }
    }

    /// Whether the peer is heard from another address than it announced.
    pub fn moved(&self) -> bool {
        self.destination().is_some_and(|to| to != self.announced)
    }

    /// Whether the announced address is of a private network that is not ours: packets reach it only as answers.
    pub(crate) fn is_behind_nat(&self, local: IpAddr) -> bool {
        let (announced, ours) = (scope(self.announced.ip()), scope(local));
        ![Scope::Global, Scope::Unspecified, ours].contains(&announced) && ours != Scope::Unspecified
    }

    /// It is the peer.
    pub(crate) fn believe(&mut self, now: Time, from: SocketAddr) {
        (self.source, self.heard_at, self.trial) = (Some(from), now, None);
    }

    fn follow(&mut self, now: Time, from: SocketAddr) -> bool {
        self.believe(now, from);
        true
    }

    fn try_out(&mut self, now: Time, from: SocketAddr) -> bool {
        let likelier = |t: &Trial| from.ip() == self.announced.ip() && t.from.ip() != from.ip();
        let trial = match self.trial {
            Some(trial) if trial.from == from => trial,
            Some(trial) if !likelier(&trial) && now.since(trial.last) < REBIND_TIME => return false,
            _ => Trial { from, since: now, last: now },
        };
        if now.since(trial.since) >= TRIAL_TIME {
            return self.follow(now, from);
        }
        self.trial = Some(Trial { last: now, ..trial });
        let take = self.injected < TRIAL_PACKETS;
        self.injected += take as u8;
        take
    }
}

/// Which network an address belongs to; two of them meet only through a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Unspecified,
    Loopback,
    LinkLocal,
    TenNet,
    Net172,
    Net192,
    Carrier,
    UniqueLocal,
    Global,
}

fn scope(ip: IpAddr) -> Scope {
    match ip.to_canonical() {
        ip if ip.is_unspecified() => Scope::Unspecified,
        ip if ip.is_loopback() => Scope::Loopback,
        IpAddr::V4(ip) => match ip.octets() {
            [10, ..] => Scope::TenNet,
            [172, 16..=31, ..] => Scope::Net172,
            [192, 168, ..] => Scope::Net192,
            [100, 64..=127, ..] => Scope::Carrier,
            [169, 254, ..] => Scope::LinkLocal,
            _ => Scope::Global,
        },
        IpAddr::V6(ip) if ip.is_unique_local() => Scope::UniqueLocal,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => Scope::LinkLocal,
        IpAddr::V6(_) => Scope::Global,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: &str = "203.0.113.5:4000";
    const SAME_HOST: &str = "203.0.113.5:6000";
    const ATTACKER: &str = "198.51.100.66:9";
    const PHONE: &str = "192.168.1.20:4000";
    const NAT: &str = "203.0.113.77:31000";

    fn at(ms: u64) -> Time {
        Time::from_secs(1) + Duration::from_millis(ms)
    }

    /// How many of `count` packets, 20 ms apart from `start` ms on, are heard.
    fn heard(latch: &mut Latch, from: &str, start: u64, count: u64) -> u64 {
        (0..count).filter(|i| latch.hear(at(start + i * 20), from.parse().unwrap())).count() as u64
    }

    fn latch(announced: &str) -> Latch {
        Latch::new(announced.parse().unwrap())
    }

    fn destination(latch: &Latch) -> String {
        latch.destination().map_or("nowhere".into(), |to| to.to_string())
    }

    #[test]
    fn a_hijacker_after_the_true_source_is_never_heard_nor_sent_to() {
        for attacker in [ATTACKER, SAME_HOST] {
            let mut latch = latch(PEER);
            assert_eq!(heard(&mut latch, PEER, 0, 1), 1);
            assert_eq!(heard(&mut latch, attacker, 10, 500), 0, "even when the true source falls silent");
            assert_eq!(destination(&latch), PEER);
        }
    }

    #[test]
    fn a_hijacker_who_speaks_first_gets_five_packets_in_and_none_out() {
        for (announced, attacker) in [(PEER, ATTACKER), (PEER, SAME_HOST), ("127.0.0.1:4000", "127.0.0.1:5000")] {
            let mut latch = latch(announced);
            assert_eq!(heard(&mut latch, attacker, 0, 100), 5, "{attacker}");
            assert_eq!(destination(&latch), announced);
            assert_eq!(heard(&mut latch, announced, 2000, 100), 100, "the true source is heard from its first packet");
            assert_eq!(heard(&mut latch, attacker, 2010, 100), 0);
            assert_eq!(destination(&latch), announced);
        }
    }

    #[test]
    fn many_hijackers_share_the_five_packets() {
        let mut latch = latch(PEER);
        let total: u64 = (1..200).map(|i| heard(&mut latch, &format!("198.51.100.{i}:9"), i * 1500, 3)).sum();
        assert_eq!(total, 5);
    }

    #[test]
    fn a_phone_behind_a_nat_is_heard_and_sent_to_at_once() {
        for (announced, source) in [(PHONE, NAT), ("127.0.0.1:4000", "172.17.0.1:4000"), ("100.64.0.1:4000", NAT)] {
            let mut latch = latch(announced);
            assert_eq!(heard(&mut latch, source, 0, 50), 50, "{announced}");
            assert_eq!(destination(&latch), source);
            assert_eq!(heard(&mut latch, ATTACKER, 5, 50), 0);
        }
    }

    #[test]
    fn the_announced_address_wins_over_whoever_was_first() {
        let mut latch = latch(PHONE);
        heard(&mut latch, NAT, 0, 50);
        assert_eq!(heard(&mut latch, PHONE, 1000, 1), 1);
        assert_eq!((heard(&mut latch, NAT, 1010, 50), destination(&latch)), (0, PHONE.to_string()));
    }

    #[test]
    fn a_port_changing_nat_is_believed_when_the_announced_port_stays_silent() {
        let mut latch = latch(PEER);
        assert_eq!(heard(&mut latch, SAME_HOST, 0, 200), 5 + 50);
        assert_eq!(destination(&latch), SAME_HOST);
    }

    #[test]
    fn a_gateway_sending_from_elsewhere_is_heard_but_sent_to_where_it_said() {
        let mut latch = latch(PEER);
        heard(&mut latch, ATTACKER, 0, 200);
        assert_eq!((heard(&mut latch, ATTACKER, 4000, 1), destination(&latch)), (1, PEER.to_string()));
    }

    #[test]
    fn a_nat_that_rebinds_is_followed_only_after_a_second_of_silence() {
        let mut latch = latch(PHONE);
        heard(&mut latch, NAT, 0, 1);
        assert_eq!(heard(&mut latch, "203.0.113.77:32000", 500, 1), 0);
        assert_eq!(heard(&mut latch, "203.0.113.77:32000", 1000, 10), 10);
        assert_eq!(destination(&latch), "203.0.113.77:32000");
    }

    #[test]
    fn renegotiation_opens_the_latch_only_for_another_address() {
        let mut latch = latch(PEER);
        heard(&mut latch, PEER, 0, 1);
        latch.renegotiate(PEER.parse().unwrap());
        latch.renegotiate("0.0.0.0:4000".parse().unwrap());
        assert_eq!(heard(&mut latch, ATTACKER, 100, 10), 0);
        latch.renegotiate("203.0.113.9:7000".parse().unwrap());
        assert_eq!(heard(&mut latch, "203.0.113.9:7000", 200, 1), 1);
        assert_eq!(heard(&mut latch, PEER, 200, 1), 0);
    }

    #[test]
    fn a_private_address_is_behind_a_nat_unless_its_network_is_ours() {
        let table = [
            (PHONE, "203.0.113.1", true),
            (PHONE, "10.0.0.1", true),
            (PHONE, "192.168.7.1", false),
            (PHONE, "0.0.0.0", false),
            (PEER, "192.168.7.1", false),
            ("0.0.0.0:4000", "203.0.113.1", false),
        ];
        for (announced, local, behind) in table {
            assert_eq!(latch(announced).is_behind_nat(local.parse().unwrap()), behind, "{announced} from {local}");
        }
    }

    #[test]
    fn nothing_is_sent_to_an_unspecified_address_until_the_peer_speaks() {
        let mut latch = latch("0.0.0.0:4000");
        assert_eq!(destination(&latch), "nowhere");
        heard(&mut latch, NAT, 0, 1);
        assert_eq!(destination(&latch), NAT);
    }
}
