//! Sources met with silence: scanners, password guessers, and who asks too much; every table bounded, every ban with its end.

use busyhour_model::Time;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use crate::transaction::Map;

/// Wrong passwords within [`WINDOW`] after which an account at a source, or a whole source, is met with silence.
pub(crate) const FAILURES_MAX: u32 = 10;
/// Accounts those of a whole source must be spread over: one phone with an old password is no guesser.
pub(crate) const GUESSED_MIN: usize = 3;
/// Failures are forgotten, and an account may try again, so long after the last one.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a ban lasts. Not longer: an address is somebody else's tomorrow.
pub(crate) const BAN: Duration = Duration::from_secs(600);
/// Bans at once; beyond it the one that ends first makes room.
pub(crate) const BANS_MAX: usize = 10_000;
/// Sources watched in one generation, of two; the older generation is forgotten when the younger one is full.
const WATCHED_MAX: usize = 5_000;
/// Accounts counted apart at one source; beyond it the oldest is forgotten.
const NAMES_MAX: usize = 32;
/// Requests of strangers answered per source and second, and at once: 1,500 phones behind one address may all start together.
const RATE: u64 = 100;
const BURST: u64 = 3_000;
/// What scanners call themselves; a whole word of User-Agent.
const SCANNERS: [&str; 11] = [
    "friendly-scanner",
    "friendly-request",
    "sipvicious",
    "sundayddr",
    "sipcli",
    "sip-scan",
    "sipscan",
    "smap",
    "iwar",
    "vaxsipuseragent",
    "pplsip",
];

/// Why a source is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanReason {
    /// Its User-Agent is a scanner's.
    Scanner,
    /// It tried passwords of several accounts.
    Guessing,
}

/// A source whose requests outside dialogs are met with silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// An IPv4 address, or an IPv6 network of 64 bits.
    pub source: IpNet,
    /// Why.
    pub reason: BanReason,
    /// Since when.
    pub since: Time,
    /// Until when.
    pub until: Time,
    /// Messages met with silence so far.
    pub silenced: u64,
}

/// Who is banned, and who is on the way there.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bans {
    list: BTreeMap<IpNet, Ban>,
    ends: BTreeSet<(Time, IpNet)>,
    young: Map<Asker, Watched>,
    old: Map<Asker, Watched>,
}

/// Who asks: a source, and whether it has shown that it receives what is sent there, by a handshake or by a nonce. What it has not
/// shown may be said by anybody in its name, and takes nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Asker {
    pub(crate) source: IpNet,
    pub(crate) proven: bool,
}

/// What is known of a source: what it may still ask, and whose passwords it failed at.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Watched {
    /// Thousandths of a request, as they were at `asked`.
    tokens: u64,
    asked: Time,
    failed: Time,
    /// Hashed account names with the failures of each.
    names: Vec<(u64, u32)>,
}

impl BanReason {
    /// As told to people.
    pub fn as_str(self) -> &'static str {
        match self {
            BanReason::Scanner => "scanner",
            BanReason::Guessing => "guessing",
        }
    }
}

/// What is counted as one source: whoever has an IPv6 address has 2^64 of them.
pub(crate) fn source(ip: IpAddr) -> IpNet {
    let ip = ip.to_canonical();
    let bits = if ip.is_ipv4() { 32 } else { 64 };
    IpNet::new_assert(ip, bits).trunc()
}

/// Whether a program with this User-Agent looks for somebody to cheat.
pub(crate) fn is_scanner(user_agent: &str) -> bool {
    let mut words = user_agent.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.any(|word| SCANNERS.iter().any(|scanner| word.eq_ignore_ascii_case(scanner)))
}

fn hash(name: &str) -> u64 {
    foldhash::fast::FixedState::default().hash_one(name)
}

impl Bans {
    /// Whether this source is banned; the message is counted.
    pub(crate) fn silence(&mut self, now: Time, source: IpNet) -> bool {
        let ban = self.list.get_mut(&source).filter(|ban| now < ban.until);
        ban.map(|ban| ban.silenced += 1).is_some()
    }

    /// Bans a source from now on.
    pub(crate) fn ban(&mut self, now: Time, source: IpNet, reason: BanReason) -> Time {
        while let Some(&(until, first)) = self.ends.first()
            && (until <= now || self.list.len() >= BANS_MAX)
        {
            self.lift(first);
        }
        self.lift(source);
        let until = now + BAN;
        self.ends.insert((until, source));
        self.list.insert(source, Ban { source, reason, since: now, until, silenced: 0 });
        until
    }

    /// Bans that hold now, by source.
    pub(crate) fn list(&self, now: Time) -> Vec<Ban> {
        self.list.values().filter(|ban| now < ban.until).cloned().collect()
    }

    /// Forgets all about a source; whether it was banned.
    pub(crate) fn forgive(&mut self, now: Time, source: IpNet) -> bool {
        for proven in [false, true] {
            self.young.remove(&Asker { source, proven });
            self.old.remove(&Asker { source, proven });
        }
        self.lift(source).is_some_and(|ban| now < ban.until)
    }

    fn lift(&mut self, source: IpNet) -> Option<Ban> {
        let ban = self.list.remove(&source)?;
        self.ends.remove(&(ban.until, source));
        Some(ban)
    }

    /// Whether a stranger's request may be answered; takes one of those its source has left.
    pub(crate) fn take(&mut self, now: Time, asker: Asker) -> bool {
        let watched = self.watch(now, asker);
        let earned = now.since(watched.asked).as_millis() as u64 * RATE;
        watched.tokens = watched.tokens.saturating_add(earned).min(BURST * 1_000);
        watched.asked = now;
        let left = watched.tokens.checked_sub(1_000);
        watched.tokens = left.unwrap_or(watched.tokens);
        left.is_some()
    }

    /// Whether this account failed too often at this source.
    pub(crate) fn is_locked(&self, now: Time, source: IpNet, name: &str) -> bool {
        let asker = Asker { source, proven: true };
        let watched = self.young.get(&asker).or(self.old.get(&asker));
        let watched = watched.filter(|watched| now.since(watched.failed) < WINDOW);
        let name = hash(name);
        watched
            .is_some_and(|watched| watched.names.iter().any(|(known, count)| *known == name && *count >= FAILURES_MAX))
    }

    /// Counts a wrong password of a proven source; whether it looks like a guesser now.
    pub(crate) fn count_failure(&mut self, now: Time, source: IpNet, name: &str) -> bool {
        let watched = self.watch(now, Asker { source, proven: true });
        if now.since(watched.failed) >= WINDOW {
            watched.names.clear();
        }
        watched.failed = now;
        let name = hash(name);
        match watched.names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                if watched.names.len() >= NAMES_MAX {
                    watched.names.remove(0);
                }
                watched.names.push((name, 1));
            }
        }
        let failures: u32 = watched.names.iter().map(|(_, count)| count).sum();
        failures >= FAILURES_MAX && watched.names.len() >= GUESSED_MIN
    }

    fn watch(&mut self, now: Time, asker: Asker) -> &mut Watched {
        if self.young.len() >= WATCHED_MAX && !self.young.contains_key(&asker) {
            self.old = std::mem::take(&mut self.young);
        }
        let known = self.old.remove(&asker);
        let new = || Watched { tokens: BURST * 1_000, asked: now, failed: Time::ZERO, names: Vec::new() };
        self.young.entry(asker).or_insert_with(|| known.unwrap_or_else(new))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(n: u32) -> IpNet {
        source(IpAddr::from(n.to_be_bytes()))
    }

    fn asker(n: u32) -> Asker {
        Asker { source: at(n), proven: false }
    }

    #[test]
    fn strangers_from_everywhere_do_not_fill_the_memory() {
        let mut bans = Bans::default();
        let now = Time::from_secs(1000);
        for n in 0..50_000 {
            assert!(bans.take(now, asker(n)));
            bans.count_failure(now, at(n), "8001");
            bans.ban(now + Duration::from_micros(u64::from(n)), at(n), BanReason::Scanner);
        }
        assert!(bans.young.len() + bans.old.len() <= 2 * WATCHED_MAX);
        assert_eq!((bans.list.len(), bans.ends.len()), (BANS_MAX, BANS_MAX));
        assert!(bans.silence(now, at(49_999)) && !bans.silence(now, at(0)), "the first to end made room");
    }

    #[test]
    fn failures_far_apart_ban_nobody_and_names_are_bounded() {
        let mut bans = Bans::default();
        for n in 0..50 {
            let now = Time::from_secs(1000 + 60 * n);
            assert!(!bans.count_failure(now, at(1), &format!("{n}")));
            assert!(!bans.is_locked(now, at(1), &format!("{n}")));
        }
        let now = Time::from_secs(9_000);
        let guesses: Vec<bool> = (0..100).map(|n| bans.count_failure(now, at(1), &format!("{n}"))).collect();
        assert_eq!(guesses.iter().position(|guesser| *guesser), Some(9));
        assert_eq!(bans.young[&Asker { source: at(1), proven: true }].names.len(), NAMES_MAX);
    }

    #[test]
    fn one_account_alone_locks_itself_and_not_its_source() {
        let mut bans = Bans::default();
        let now = Time::from_secs(1000);
        assert!((0..500).all(|_| !bans.count_failure(now, at(1), "8001")));
        assert!(bans.is_locked(now, at(1), "8001"));
        assert!(!bans.is_locked(now, at(1), "8002") && !bans.is_locked(now, at(2), "8001"));
        assert!(!bans.is_locked(now + WINDOW, at(1), "8001"));
    }

    #[test]
    fn a_source_that_asks_without_end_is_answered_at_its_rate() {
        let mut bans = Bans::default();
        let now = Time::from_secs(1000);
        let answered = (0..10_000).filter(|_| bans.take(now, asker(1))).count() as u64;
        assert_eq!(answered, BURST);
        let later = (0..10_000).filter(|n| bans.take(now + Duration::from_millis(*n), asker(1))).count() as u64;
        assert!((RATE * 10 - 1..=RATE * 10).contains(&later), "{later}");
        assert!(bans.take(now, asker(2)), "others are not touched");
    }

    #[test]
    fn a_ban_ends_by_itself_or_is_lifted() {
        let mut bans = Bans::default();
        let now = Time::from_secs(1000);
        assert_eq!(bans.ban(now, at(1), BanReason::Scanner), now + BAN);
        assert!(bans.silence(now, at(1)) && !bans.silence(now + BAN, at(1)));
        assert_eq!(bans.list(now).iter().map(|ban| ban.silenced).collect::<Vec<_>>(), [1]);
        assert!(bans.list(now + BAN).is_empty());
        assert!(bans.forgive(now, at(1)) && !bans.forgive(now, at(1)));
        assert!(bans.list.is_empty() && bans.ends.is_empty());
    }

    #[test]
    fn an_ipv6_source_is_its_network_and_a_mapped_address_the_ipv4_one() {
        let net = |text: &str| source(text.parse().unwrap()).to_string();
        assert_eq!(net("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(net("::ffff:203.0.113.9"), "203.0.113.9/32");
    }

    #[test]
    fn scanners_are_known_by_name_and_phones_are_not_taken_for_them() {
        let scanners = "friendly-scanner|friendly-request|SIPVicious 0.3|sundayddr|sipcli/v1.8|Sip-Scan/1.0|sipscan|smap 0.6|iWar|\
            VaxSIPUserAgent/3.1|pplsip";
        assert_eq!(scanners.split('|').count(), SCANNERS.len(), "one of each");
        for (name, scanner) in scanners.split('|').zip(SCANNERS) {
            assert!(is_scanner(name) && name.to_lowercase().contains(scanner), "{name}");
        }
        let phones = "baresip v1.0.0|Yealink SIP-T46S 66.85|Linphone/5.1|MicroSIP/3.21|Z 5.6 rv2.10|Grandstream GXP2170|\
            LinphoneAndroid/5.2|snom821/8.9|PolycomVVX|Cisco-CP8841/12.8|Ozeki|Jitsi2.11|SIP.js/0.21|JsSIP 3.10|SipClient/2.0|Kiwari";
        let monitors = "sipsak 0.9.8|kamailio (5.6.3 (x86_64/linux))|OpenSIPS (3.4.2)|SIPp|FPBX-16|Asterisk PBX 20|FreeSWITCH|\
            HOMER heplify|sip-options-exporter/0.1|Zabbix|Nagios check_sip 1.3|SIPCapture|Oracle SBC|pjsua v2.13|Voipmonitor";
        for name in phones.split('|').chain(monitors.split('|')) {
            assert!(!is_scanner(name), "{name}");
        }
    }
}
