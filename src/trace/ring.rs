//! The newest messages of all calls within so many bytes, and which of them are a call's.

use super::Seen;
use busyhour_model::{CallId, LegId, Name, Time};
use busyhour_sip::{Glance, Verb};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Calls whose legs are remembered; the messages of an older one cannot be found any more.
const CALLS_MAX: usize = 65_536;
/// Legs of one call that are remembered.
const LEGS_MAX: usize = 64;
/// What a message takes beside its own bytes.
const OVERHEAD: usize = size_of::<Kept>() + 64;

/// The messages of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub call: CallId,
    /// Its messages, oldest first, each with who is at the other end.
    pub messages: Vec<(Name, Seen)>,
    /// Nothing of it has aged out.
    pub whole: bool,
}

/// Why there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No call of this id has arrived since the start, or it was very long ago.
    Unknown,
    /// Its messages have aged out; the oldest kept is from then.
    Aged(Option<Time>),
}

/// What is kept.
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    calls: BTreeMap<CallId, Known>,
    hasher: BuildHasherDefault<DefaultHasher>,
    bytes: usize,
    bytes_max: usize,
    /// When the newest message left that has aged out.
    aged: Option<Time>,
}

struct Kept {
    seen: Seen,
    leg: Option<LegId>,
    /// Of the Call-ID.
    hash: u64,
}

struct Known {
    arrived: Time,
    /// Of its first leg's Call-ID; a call-back has none.
    hash: Option<u64>,
    legs: Vec<(LegId, Name)>,
}

impl Ring {
    pub(super) fn new(bytes_max: usize) -> Ring {
        let hasher = BuildHasherDefault::default();
        Ring { kept: VecDeque::new(), calls: BTreeMap::new(), hasher, bytes: 0, bytes_max, aged: None }
    }

    /// Keeps a message that may be of a call.
    pub(super) fn push(&mut self, seen: Seen) {
        let Some(glance) = Glance::of(&seen.bytes) else { return };
        let leg = glance.leg(seen.way);
        let of_a_call = match glance.verb {
            Verb::Register | Verb::Publish | Verb::Subscribe => false,
            Verb::Options | Verb::Notify | Verb::Message => leg.is_some(),
            _ => true,
        };
        if !of_a_call {
            return;
        }
        let hash = self.hasher.hash_one(glance.call_id);
        self.bytes += seen.bytes.len() + OVERHEAD;
        self.kept.push_back(Kept { seen, leg, hash });
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.seen.bytes.len() + OVERHEAD;
            self.aged = Some(oldest.seen.at);
        }
    }

    pub(super) fn arrived(&mut self, call: CallId, arrived: Time, call_id: &str) {
        let hash = (!call_id.is_empty()).then(|| self.hasher.hash_one(call_id));
        self.calls.insert(call, Known { arrived, hash, legs: Vec::new() });
        if self.calls.len() > CALLS_MAX {
            self.calls.pop_first();
        }
    }

    pub(super) fn leg(&mut self, call: CallId, leg: LegId, party: Name) {
        if let Some(known) = self.calls.get_mut(&call).filter(|known| known.legs.len() < LEGS_MAX) {
            known.legs.push((leg, party));
        }
    }

    /// All messages of a call. Those before our tag is known are found by the Call-ID of the others.
    pub(super) fn find(&self, call: CallId) -> Result<Found, Missing> {
        let known = self.calls.get(&call).ok_or(Missing::Unknown)?;
        let party = |leg: LegId| known.legs.iter().rfind(|(known, _)| *known == leg).map(|(_, party)| party);
        let mut hashes: BTreeMap<u64, &Name> = BTreeMap::new();
        let first = known.legs.first().map(|(_, party)| party);
        hashes.extend(known.hash.zip(first));
        for kept in &self.kept {
            hashes.extend(kept.leg.and_then(party).map(|party| (kept.hash, party)));
        }
        let theirs = |kept: &&Kept| kept.leg.is_none_or(|leg| party(leg).is_some());
        let mine = self.kept.iter().filter(theirs);
        let messages: Vec<_> =
            mine.filter_map(|kept| hashes.get(&kept.hash).map(|party| ((*party).clone(), kept.seen.clone()))).collect();
        if messages.is_empty() {
            return Err(Missing::Aged(self.kept.front().map(|kept| kept.seen.at)));
        }
        Ok(Found { call, messages, whole: self.aged.is_none_or(|aged| aged < known.arrived) })
    }
}

impl Found {
    /// For each message, whether the same went the same way before.
    pub fn repeats(&self) -> Vec<bool> {
        let mut before = HashSet::new();
        self.messages.iter().map(|(_, seen)| !before.insert((seen.way, seen.flow, &seen.bytes))).collect()
    }

    /// Stars secrets, and people's numbers unless they may be seen.
    #[must_use]
    pub fn veiled(mut self, unmasked: bool, secrets: &[Name]) -> Found {
        for (_, seen) in &mut self.messages {
            let mut bytes = seen.bytes.to_vec();
            busyhour_sip::veil(&mut bytes, !unmasked, secrets);
            seen.bytes = bytes.into();
        }
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_sip::{Flow, Transport, Way};

    const CALL: CallId = CallId(7);

    fn seen(secs: u64, way: Way, text: &str) -> Seen {
        let local = "10.0.0.1:5060".parse().unwrap();
        let remote = "10.0.0.2:5060".parse().unwrap();
        let flow = Flow { transport: Transport::Udp, local, remote, connection: 0 };
        Seen { at: Time::from_secs(secs), way, flow, bytes: text.to_owned().into() }
    }

    fn message(first: &str, from: &str, to: &str, call_id: &str) -> String {
        format!("{first}\r\nFrom: <sip:a@h>{from}\r\nTo: <sip:b@h>{to}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n")
    }

    /// An INVITE that comes, its 200 with our tag, and a leg to a phone with a Call-ID of its own.
    fn ring(bytes: usize) -> Ring {
        let mut ring = Ring::new(bytes);
        ring.push(seen(1, Way::In, &message("INVITE sip:b SIP/2.0", ";tag=x", "", "one")));
        ring.push(seen(1, Way::In, &message("INVITE sip:b SIP/2.0", ";tag=x", "", "another")));
        ring.arrived(CALL, Time::from_secs(1), "one");
        ring.leg(CALL, LegId(1), "ct".into());
        ring.push(seen(1, Way::Out, &message("SIP/2.0 200 OK", ";tag=x", ";tag=1.00", "one")));
        ring.push(seen(2, Way::Out, &message("INVITE sip:1001 SIP/2.0", ";tag=2.00", "", "two")));
        ring.leg(CALL, LegId(2), "1001".into());
        ring.push(seen(2, Way::In, &message("SIP/2.0 180 Ringing", ";tag=2.00", ";tag=p", "two")));
        ring.push(seen(2, Way::In, &message("SIP/2.0 180 Ringing", ";tag=2.00", ";tag=p", "two")));
        ring
    }

    #[test]
    fn a_calls_messages_are_those_of_all_its_legs_and_of_no_other_call() {
        let found = ring(1 << 20).find(CALL).unwrap();
        let parties: Vec<_> = found.messages.iter().map(|(party, _)| &**party).collect();
        assert_eq!(parties, ["ct", "ct", "1001", "1001", "1001"]);
        assert_eq!(found.repeats(), [false, false, false, false, true]);
        assert!(found.whole);
    }

    #[test]
    fn a_call_that_has_aged_out_is_told_from_one_that_never_was() {
        let mut ring = ring(1 << 20);
        assert_eq!(ring.find(CallId(8)), Err(Missing::Unknown));
        ring.bytes_max = ring.bytes;
        ring.push(seen(8, Way::In, &message("INVITE sip:b SIP/2.0", ";tag=x", "", "later")));
        let found = ring.find(CALL).unwrap();
        assert!(!found.whole, "its beginning is gone");
        ring.bytes_max = 600;
        ring.push(seen(9, Way::In, &message("INVITE sip:b SIP/2.0", ";tag=x", "", "later")));
        assert!(ring.bytes <= 600, "the limit holds");
        assert_eq!(ring.find(CALL), Err(Missing::Aged(Some(Time::from_secs(9)))));
    }
}
