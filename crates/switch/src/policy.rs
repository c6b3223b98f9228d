//! What a trunk is told of callers and believes of them: identities, privacy and which numbers may be shown or called.

use crate::causes::Causes;
use crate::rewriting::{Place, Rewriting};
use busyhour_model::{Name, Number, Pattern};
use busyhour_sip::{Form, Identities, Identity};
use serde::{Deserialize, Serialize};

/// Numbers no trunk is asked for unless it is allowed: hotlines, abroad, and what costs by the minute.
pub const BARRED: [&str; 6] = ["400*", "95*", "00*", "160*", "168*", "1259*"];

/// How a trunk deals with numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkPolicy {
    /// It is of our trust domain (RFC 3325 section 2.3): what it asserts is believed, withheld or not. Else only From is read.
    pub trusted: bool,
    /// It puts callers into P-Preferred-Identity, which is a phone's header and no carrier's.
    pub preferred: bool,
    /// What its numbers are to us.
    pub rewrite_in: Rewriting,
    /// What our numbers are to it.
    pub rewrite_out: Rewriting,
    /// Where it wants to read who calls, beside From.
    pub identity: Telling,
    /// How it wants numbers written.
    pub form: Form,
    /// Whoever is called does not see a number.
    pub clir: bool,
    /// Whose number is shown for a caller who is passed on.
    pub present: Present,
    /// Where it is told that a caller is passed on.
    pub passed_on: Vec<PassedOn>,
    /// Numbers of ours at this trunk: no other is shown. Empty: nobody said.
    pub owned: Vec<Pattern>,
    /// Shown when the number at hand is not ours.
    pub caller_id: Option<Name>,
    /// Not called by it, beside [`BARRED`].
    pub barred: Vec<Pattern>,
    /// Called all the same.
    pub allowed: Vec<Pattern>,
    /// What its causes and statuses are to us.
    pub causes_in: Causes,
    /// What ours are to it.
    pub causes_out: Causes,
    /// A callee who has moved (3xx) is followed so many times, by the same trunk; 0: that is a refusal.
    pub redirects: u8,
}

impl Default for TrunkPolicy {
    fn default() -> TrunkPolicy {
        TrunkPolicy {
            trusted: true,
            preferred: false,
            rewrite_in: Rewriting::default(),
            rewrite_out: Rewriting::default(),
            identity: Telling::default(),
            form: Form::default(),
            clir: false,
            present: Present::default(),
            passed_on: Vec::new(),
            owned: Vec::new(),
            caller_id: None,
            barred: Vec::new(),
            allowed: Vec::new(),
            causes_in: Causes::default(),
            causes_out: Causes::default(),
            redirects: 0,
        }
    }
}

/// Where a trunk reads who calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// From only.
    #[default]
    None,
    /// P-Asserted-Identity.
    Pai,
    /// P-Preferred-Identity.
    Ppi,
    /// Remote-Party-ID.
    Rpid,
}

/// Whose number is shown for a caller who is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Present {
    /// One of ours.
    #[default]
    Own,
    /// The caller's, in From only; ours is asserted.
    Caller,
}

/// Where a trunk is told that a caller is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassedOn {
    /// RFC 5806.
    Diversion,
    /// RFC 7044.
    HistoryInfo,
}

/// Who calls, as far as a trunk is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) number: Number,
    /// The number is for routing and records, and shown to nobody.
    pub(crate) withheld: bool,
}

/// Whom a call out is for.
pub(crate) struct Calling<'a> {
    /// As dialled, in our form.
    pub(crate) number: &'a str,
    /// The number of ours it is about.
    pub(crate) own: &'a str,
    /// Who is passed on, when somebody is; `None` inside: the number is withheld.
    pub(crate) passed_on: Option<Option<&'a str>>,
}

/// An INVITE's numbers, as the trunk wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) number: String,
    pub(crate) from: String,
    pub(crate) identity: Identity,
}

impl TrunkPolicy {
    /// Whom to believe: PAI, PPI where the trunk uses it, RPID, From. What an untrusted peer asserts says nothing, and of a
    /// withheld number it may not say more than that (RFC 3325 sections 5 and 7).
    pub(crate) fn caller(&self, told: &Identities) -> Known {
        let asserted = [
            (Place::Pai, told.asserted.as_ref()),
            (Place::Ppi, told.preferred.as_ref().filter(|_| self.preferred)),
            (Place::Rpid, told.remote_party.as_ref()),
        ];
        let (place, user) = asserted
            .into_iter()
            .filter(|_| self.trusted)
            .find_map(|(place, user)| Some((place, user?)))
            .unwrap_or((Place::From, &told.from));
        let withheld = told.private || told.from.eq_ignore_ascii_case("anonymous");
        let user = if withheld && !self.trusted { "anonymous" } else { user };
        Known { number: self.rewrite_in.read(place, user), withheld }
    }

    /// Whether this number may be called by the trunk.
    pub fn allows(&self, number: &Number) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(number));
        any(&self.allowed) || !(any(&self.barred) || is_barred(number))
    }

    /// The number of ours that goes out: the one at hand when it is ours, else the trunk's.
    pub fn shown<'a>(&'a self, own: &'a str) -> &'a str {
        let whole = || self.owned.iter().find(|pattern| !pattern.prefix).map(|pattern| &*pattern.digits);
        let fallback = self.caller_id.as_deref().or_else(whole);
        let parsed = Number::parse(own);
        match self.owned.iter().any(|pattern| pattern.matches(&parsed)) {
            true => own,
            false if self.owned.is_empty() => fallback.unwrap_or(own),
            false => fallback.unwrap_or_default(),
        }
    }

    /// What the INVITE says.
    pub(crate) fn numbers(&self, calling: &Calling) -> Numbers {
        let shown = self.shown(calling.own);
        let write = |place, number: &str| self.rewrite_out.apply(place, number);
        let told = |telling, place| (self.identity == telling).then(|| write(place, shown));
        let passed = |how| {
            (calling.passed_on.is_some() && self.passed_on.contains(&how)).then(|| write(Place::Diversion, shown))
        };
        let (from, withheld) = match (self.present, calling.passed_on) {
            (Present::Caller, Some(Some(caller))) => (caller, false),
            (Present::Caller, Some(None)) => (shown, true),
            _ => (shown, false),
        };
        let identity = Identity {
            form: self.form,
            to: Some(write(Place::To, calling.number)),
            asserted: told(Telling::Pai, Place::Pai),
            preferred: told(Telling::Ppi, Place::Ppi),
            remote_party: told(Telling::Rpid, Place::Rpid),
            private: self.clir || withheld,
            diversion: passed(PassedOn::Diversion),
            history: passed(PassedOn::HistoryInfo),
        };
        Numbers { number: write(Place::RequestUri, calling.number), from: write(Place::From, from), identity }
    }
}

fn is_barred(number: &Number) -> bool {
    BARRED.iter().any(|barred| number.national.starts_with(barred.trim_end_matches('*')))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told() -> Identities {
        Identities {
            from: "02100000000".into(),
            asserted: Some("+8613900139000".into()),
            preferred: Some("13700137000".into()),
            remote_party: Some("13600136000".into()),
            ..Identities::default()
        }
    }

    fn known(policy: &TrunkPolicy, told: &Identities) -> (String, bool) {
        let known = policy.caller(told);
        (known.number.national, known.withheld)
    }

    #[test]
    fn the_header_most_to_be_believed_says_who_calls() {
        let policy = TrunkPolicy::default();
        assert_eq!(known(&policy, &told()).0, "13900139000");
        let no_pai = Identities { asserted: None, ..told() };
        assert_eq!(known(&policy, &no_pai).0, "13600136000", "PPI is a phone's header");
        assert_eq!(known(&TrunkPolicy { preferred: true, ..policy.clone() }, &no_pai).0, "13700137000");
        let bare = Identities { asserted: None, remote_party: None, ..told() };
        assert_eq!(known(&policy, &bare).0, "02100000000");
        let stranger = TrunkPolicy { trusted: false, preferred: true, ..policy };
        assert_eq!(known(&stranger, &told()).0, "02100000000", "nobody believes a stranger's assertion");
    }

    #[test]
    fn a_withheld_number_is_known_only_by_a_trusted_trunk() {
        let private = Identities { private: true, ..told() };
        let by_name = Identities { from: "Anonymous".into(), ..told() };
        for told in [private, by_name] {
            assert_eq!(known(&TrunkPolicy::default(), &told), ("13900139000".into(), true));
            let stranger = TrunkPolicy { trusted: false, ..TrunkPolicy::default() };
            assert_eq!(known(&stranger, &told), (String::new(), true));
        }
    }

    fn patterns(texts: &[&str]) -> Vec<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
    }

    #[test]
    fn only_numbers_of_ours_go_out() {
        let nothing_said = TrunkPolicy::default();
        assert_eq!(nothing_said.shown("95118"), "95118");
        let one = TrunkPolicy { caller_id: Some("02151234500".into()), ..TrunkPolicy::default() };
        assert_eq!(one.shown("95118"), "02151234500");
        let owned = TrunkPolicy { owned: patterns(&["021512345*"]), ..one };
        assert_eq!(owned.shown("02151234507"), "02151234507");
        assert_eq!(owned.shown("+862151234507"), "+862151234507");
        assert_eq!(owned.shown("13800138000"), "02151234500");
        let no_default = TrunkPolicy { owned: patterns(&["0215123*", "02151234599"]), ..TrunkPolicy::default() };
        assert_eq!(no_default.shown("95118"), "02151234599");
    }

    #[test]
    fn hotlines_abroad_and_dear_numbers_are_barred_unless_allowed() {
        let policy = TrunkPolicy { barred: patterns(&["0898*"]), ..TrunkPolicy::default() };
        let allows = |policy: &TrunkPolicy, number: &str| policy.allows(&Number::parse(number));
        for number in ["4008671888", "95118", "02195118", "+8695118", "0085221234567", "+14085551212", "16812345"] {
            assert!(!allows(&policy, number), "{number}");
        }
        assert!(!allows(&policy, "089812345678"));
        for number in ["13800138000", "02112345678", "16600166000", "10086", "0951 2345678", "1001"] {
            assert!(allows(&policy, number), "{number}");
        }
        let allowing = TrunkPolicy { allowed: patterns(&["00852*", "95588"]), ..policy };
        assert!(allows(&allowing, "0085221234567") && allows(&allowing, "95588") && !allows(&allowing, "95118"));
    }

    #[test]
    fn a_trunk_is_told_what_it_wants_to_read() {
        let policy = TrunkPolicy {
            identity: Telling::Pai,
            caller_id: Some("02195118".into()),
            passed_on: vec![PassedOn::Diversion],
            ..TrunkPolicy::default()
        };
        let calling = Calling { number: "13800138000", own: "95118", passed_on: None };
        let plain = policy.numbers(&calling);
        assert_eq!((plain.from.as_str(), plain.identity.asserted.as_deref()), ("02195118", Some("02195118")));
        assert_eq!((plain.identity.diversion, plain.identity.private), (None, false));
        let passed_on = Calling { passed_on: Some(Some("13900139000")), ..calling };
        let own = policy.numbers(&passed_on);
        assert_eq!((own.from.as_str(), own.identity.diversion.as_deref()), ("02195118", Some("02195118")));
        let policy = TrunkPolicy { present: Present::Caller, ..policy };
        let shown = policy.numbers(&passed_on);
        assert_eq!((shown.from.as_str(), shown.identity.asserted.as_deref()), ("13900139000", Some("02195118")));
        let withheld = policy.numbers(&Calling { passed_on: Some(None), ..passed_on });
        assert!(withheld.identity.private && withheld.from == "02195118");
        let clir = TrunkPolicy { clir: true, ..TrunkPolicy::default() };
        assert!(clir.numbers(&Calling { passed_on: None, ..calling_of("1") }).identity.private);
    }

    fn calling_of(number: &str) -> Calling<'_> {
        Calling { number, own: "95118", passed_on: None }
    }
}
