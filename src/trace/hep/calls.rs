//! Which Call-ID a leg has, read from what we send: nobody else can make it another.

use busyhour_model::LegId;
use busyhour_sip::{Glance, Verb, Way};
use std::collections::BTreeMap;

/// Legs that are remembered, the newest.
const LEGS_MAX: usize = 65_536;
/// Call-IDs of one leg: of the phones rung at once, of the trunks tried one after the other.
const TRIED_MAX: usize = 16;

/// Call-IDs of legs. The first of each counts: the other side has answered by it last.
#[derive(Default)]
pub(super) struct Calls(BTreeMap<LegId, Vec<Box<str>>>);

impl Calls {
    pub(super) fn of(&self, leg: LegId) -> Option<&str> {
        self.0.get(&leg)?.first().map(|call_id| &**call_id)
    }

    /// A message went by.
    pub(super) fn note(&mut self, glance: &Glance<'_>, way: Way) {
        let begins = glance.status.is_none_or(|status| (101..300).contains(&status));
        let Some(leg) = glance.leg(way).filter(|_| begins && glance.verb == Verb::Invite) else { return };
        match way {
            Way::Out => self.told(leg, glance.call_id),
            Way::In => self.answered(leg, glance.call_id),
        }
    }

    fn told(&mut self, leg: LegId, call_id: &str) {
        let tried = self.0.entry(leg).or_default();
        if tried.len() < TRIED_MAX && !tried.iter().any(|known| **known == *call_id) {
            tried.push(call_id.into());
        }
        if self.0.len() > LEGS_MAX {
            self.0.pop_first();
        }
    }

    fn answered(&mut self, leg: LegId, call_id: &str) {
        let Some(tried) = self.0.get_mut(&leg) else { return };
        if let Some(at) = tried.iter().position(|known| **known == *call_id) {
            tried.swap(0, at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn note(calls: &mut Calls, way: Way, first: &str, tag: &str, call_id: &str) {
        let message = format!("{first}\r\nFrom: <sip:a@h>;tag={tag}\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\r\n");
        calls.note(&Glance::of(message.as_bytes()).unwrap(), way);
    }

    #[test]
    fn of_several_phones_the_one_that_answers_counts_and_no_stranger() {
        let mut calls = Calls::default();
        let mut say = |way, first: &str, call_id: &str| {
            note(&mut calls, way, first, "2a.00ff", call_id);
            calls.of(LegId(0x2a)).map(str::to_owned)
        };
        assert_eq!(say(Way::In, "SIP/2.0 200 OK", "forged"), None, "we have not asked");
        for phone in ["one", "two"] {
            assert_eq!(say(Way::Out, "INVITE sip:p@h SIP/2.0", phone).as_deref(), Some("one"));
        }
        assert_eq!(say(Way::In, "SIP/2.0 200 OK", "two").as_deref(), Some("two"));
        assert_eq!(say(Way::In, "SIP/2.0 487 Request Terminated", "one").as_deref(), Some("two"));
        assert_eq!(say(Way::In, "SIP/2.0 200 OK", "forged").as_deref(), Some("two"));
    }

    #[test]
    fn the_oldest_legs_are_forgotten_and_a_leg_that_tries_on_and_on_keeps_its_first() {
        let mut calls = Calls::default();
        for leg in 0..=LEGS_MAX {
            note(&mut calls, Way::Out, "INVITE sip:p@h SIP/2.0", &format!("{leg:x}.0"), "q");
        }
        assert_eq!((calls.0.len(), calls.of(LegId(0)), calls.of(LegId(1))), (LEGS_MAX, None, Some("q")));
        for tried in 0..=TRIED_MAX {
            note(&mut calls, Way::Out, "INVITE sip:p@h SIP/2.0", "9.0", &tried.to_string());
        }
        assert_eq!((calls.0[&LegId(9)].len(), calls.of(LegId(9))), (TRIED_MAX, Some("q")));
    }
}
