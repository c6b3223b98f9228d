//! How calls at each trunk fared, each way: counts from which the ratios of ITU-T E.425 and RFC 6076 follow.

use crate::{CallRecord, LegRecord, Ratio};
use busyhour_model::{Cause, Name, Party};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Trunks counted, each way by itself.
const LINES_MAX: usize = 4_000;

/// Which way calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// From the trunk to us.
    In,
    /// From us to the trunk.
    Out,
}

impl Bound {
    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Bound::In => "in",
            Bound::Out => "out",
        }
    }
}

/// How long the trunk took, of all requests of one kind together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays {
    /// How many.
    pub count: u64,
    /// Their delays, added up.
    pub sum_ms: u64,
}

impl Delays {
    /// The mean; `None` while there was none.
    pub fn mean_ms(&self) -> Option<u64> {
        (self.sum_ms + self.count / 2).checked_div(self.count)
    }

    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.sum_ms += took.as_millis() as u64;
    }
}

/// Calls of one trunk, one way, that are over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Attempts, those too that met one of our limits before they took a channel.
    pub bids: u64,
    /// INVITEs that came or went, with their repetitions for challenges once.
    pub invites: u64,
    /// Attempts that took a channel.
    pub seizures: u64,
    /// 200.
    pub answered: u64,
    /// The network did its part: answered, or 480, 486, 487, 600, 603 (E.425's answers, busy, no answer, rejects).
    pub reached: u64,
    /// 200, 480, 486, 600, 603 (RFC 6076 section 4.7).
    pub effective: u64,
    /// 408, 500, 503, 504 (RFC 6076 section 4.8).
    pub ineffective: u64,
    /// 3xx, which no ratio counts.
    pub redirected: u64,
    /// Answered and ended by a BYE of either side, not by a fault (RFC 6076 section 4.9).
    pub completed: u64,
    /// Time from answer to end, added up (RFC 6076 section 4.5).
    pub talk_ms: u64,
    /// From our INVITE to the first 18x or 200 (section 4.3).
    pub request: Delays,
    /// From our REGISTER to its 2xx (section 4.1); among those out.
    pub registration: Delays,
    /// From our BYE to its 2xx (section 4.4), whichever way the call was made; among those out.
    pub disconnect: Delays,
}

/// A ratio, or delays, by the usual name.
pub(crate) type Named<T> = (&'static str, fn(&Traffic) -> T);

impl Traffic {
    /// Answer/seizure, network effectiveness, answer/bid (E.425); then RFC 6076 sections 4.6 to 4.9.
    pub const RATIOS: [Named<Ratio>; 7] = [
        ("asr", |t| Ratio { part: t.answered, whole: t.seizures }),
        ("ner", |t| Ratio { part: t.reached, whole: t.seizures }),
        ("abr", |t| Ratio { part: t.answered, whole: t.bids }),
        ("ser", |t| Ratio { part: t.answered, whole: t.invites - t.redirected }),
        ("seer", |t| Ratio { part: t.effective, whole: t.invites - t.redirected }),
        ("isa", |t| Ratio { part: t.ineffective, whole: t.invites }),
        ("scr", |t| Ratio { part: t.completed, whole: t.invites }),
    ];

    /// Session request, registration request and session disconnect delay of what succeeded (RFC 6076 sections 4.3, 4.1, 4.4).
    pub const DELAYS: [Named<Delays>; 3] =
        [("srd", |t| t.request), ("rrd", |t| t.registration), ("sdd", |t| t.disconnect)];

    /// Average call duration; `None` while none was answered.
    pub fn acd_ms(&self) -> Option<u64> {
        self.talk_ms.checked_div(self.answered)
    }

    fn sent(&mut self, status: u16) {
        self.invites += 1;
        self.answered += u64::from(status == 200);
        self.reached += u64::from(matches!(status, 200 | 480 | 486 | 487 | 600 | 603));
        self.effective += u64::from(matches!(status, 200 | 480 | 486 | 600 | 603));
        self.ineffective += u64::from(matches!(status, 408 | 500 | 503 | 504));
        self.redirected += u64::from((300..400).contains(&status));
    }
}

/// A trunk's traffic one way, for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficRow {
    /// Trunk name.
    pub trunk: Name,
    /// Which way.
    pub direction: Bound,
    /// Counts.
    pub counts: Traffic,
    /// Per cent by name, as [`Traffic::RATIOS`] calls them.
    pub ratios: BTreeMap<String, String>,
    /// Average call duration.
    pub acd_ms: Option<u64>,
    /// Mean delays in milliseconds by name, as [`Traffic::DELAYS`] calls them; those there are.
    pub delays_ms: BTreeMap<String, u64>,
}

impl TrafficRow {
    /// The row of these counts.
    pub fn new(trunk: &Name, direction: Bound, counts: &Traffic) -> TrafficRow {
        let ratios = Traffic::RATIOS.iter().map(|(name, ratio)| ((*name).to_owned(), ratio(counts).to_string()));
        let delay = |(name, delays): &Named<Delays>| Some(((*name).to_owned(), delays(counts).mean_ms()?));
        let delays_ms = Traffic::DELAYS.iter().filter_map(delay).collect();
        let (trunk, acd_ms) = (trunk.clone(), counts.acd_ms());
        TrafficRow { trunk, direction, counts: *counts, ratios: ratios.collect(), acd_ms, delays_ms }
    }
}

/// All trunks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lines(BTreeMap<Name, [Traffic; 2]>);

impl Lines {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Name, Bound, &Traffic)> {
        self.0.iter().flat_map(|(trunk, [into, out])| [(trunk, Bound::In, into), (trunk, Bound::Out, out)])
    }

    /// A call from the trunk met a limit of ours.
    pub(crate) fn refused(&mut self, trunk: &Name, status: u16) {
        if let Some(traffic) = self.at(trunk, Bound::In) {
            traffic.bids += 1;
            traffic.sent(status);
        }
    }

    /// A call to the trunk met one before there was an INVITE.
    pub(crate) fn undialled(&mut self, trunk: &Name) {
        if let Some(traffic) = self.at(trunk, Bound::Out) {
            traffic.bids += 1;
        }
    }

    /// The trunk agreed to a request of ours.
    pub(crate) fn answered(&mut self, trunk: &Name, method: &str, took: Duration) {
        let Some(traffic) = self.at(trunk, Bound::Out) else { return };
        match method {
            "REGISTER" => traffic.registration.add(took),
            "BYE" => traffic.disconnect.add(took),
            _ => {}
        }
    }

    pub(crate) fn ended(&mut self, record: &CallRecord) {
        for (trunk, bound, leg) in legs_at_trunks(record) {
            let Some(traffic) = self.at(trunk, bound) else { continue };
            if let Some((delay, true)) = leg.request_delay().filter(|_| bound == Bound::Out) {
                traffic.request.add(delay);
            }
            let talk = leg.talk().unwrap_or_default();
            traffic.talk_ms += talk.as_millis() as u64;
            if leg.is_seizure() {
                traffic.bids += 1;
                traffic.seizures += 1;
                traffic.sent(if leg.answered.is_some() { 200 } else { leg.status });
                let lost = matches!(record.cause, Cause::PeerVanished | Cause::Fault);
                traffic.completed += u64::from(leg.answered.is_some() && !lost);
            }
        }
    }

    fn at(&mut self, trunk: &Name, bound: Bound) -> Option<&mut Traffic> {
        if self.0.len() >= LINES_MAX && !self.0.contains_key(trunk) {
            return None;
        }
        Some(&mut self.0.entry(trunk.clone()).or_default()[bound as usize])
    }
}

/// The legs of a call at trunks: the first came from its trunk unless the call is ours, the others went out.
pub fn legs_at_trunks(record: &CallRecord) -> impl Iterator<Item = (&Name, Bound, &LegRecord)> {
    let came = !record.is_ours();
    record.legs.iter().enumerate().filter_map(move |(index, leg)| match &leg.party {
        Party::Trunk(trunk) => Some((trunk, if index == 0 && came { Bound::In } else { Bound::Out }, leg)),
        Party::Agent(_) | Party::Bot(_) => None,
    })
}

impl LegRecord {
    /// It was set up in this call: it neither came from another nor went to another before it was answered.
    fn is_seizure(&self) -> bool {
        !self.joined && (self.answered.is_some() || self.status != 200)
    }

    /// From answer to end.
    pub fn talk(&self) -> Option<Duration> {
        Some(self.ended?.since(self.answered?))
    }

    /// From our INVITE to the first sign of what becomes of it, and whether that was a good one (RFC 6076 section 4.3); of a leg that
    /// we gave up before there was any, nothing.
    pub fn request_delay(&self) -> Option<(Duration, bool)> {
        let first = self.rang.or(self.answered).map(|at| (at, true));
        let refused = || self.ended.filter(|_| self.status >= 400 && self.status != 487).map(|at| (at, false));
        let (at, good) = first.or_else(refused).filter(|_| self.is_seizure())?;
        Some((at.since(self.opened), good))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Ledger;
    use busyhour_model::{CallId, Fact, LegId, Number, Side, StreamStats, Time, What};

    const CALL: CallId = CallId(7);

    fn tell(ledger: &mut Ledger, story: Vec<(u64, What)>) -> Option<CallRecord> {
        let mut record = None;
        for (ms, what) in story {
            let at = Time::from_secs(1_000) + Duration::from_millis(ms);
            record = ledger.apply(&Fact { at, what });
        }
        record
    }

    fn arrived() -> What {
        What::Arrived {
            call: CALL,
            leg: Some(LegId(1)),
            callback_of: None,
            origin: Party::Trunk("ct".into()),
            from: Number::parse("13800138000"),
            to: Number::parse("95118"),
            sip_call_id: "x@y".into(),
        }
    }

    fn over(leg: u64, status: u16) -> What {
        What::LegEnded {
            call: CALL,
            leg: LegId(leg),
            side: Side::Trunk,
            status,
            stats: StreamStats::default(),
            release: None,
        }
    }

    /// A call that came and was refused with `status`, or answered and talked on for `talk` ms.
    fn came(ledger: &mut Ledger, status: u16, talk: u64, cause: Cause) {
        let mut story = vec![(0, arrived())];
        if status == 200 {
            story.push((500, What::Answered { call: CALL }));
        }
        story.extend([(500 + talk, over(1, status)), (500 + talk, What::Ended { call: CALL, cause })]);
        tell(ledger, story);
    }

    fn of(ledger: &Ledger, bound: Bound) -> Traffic {
        *ledger.trunks().find(|(trunk, way, _)| &***trunk == "ct" && *way == bound).unwrap().2
    }

    fn ratios(traffic: &Traffic) -> [String; 7] {
        Traffic::RATIOS.map(|(_, ratio)| ratio(traffic).to_string())
    }

    #[test]
    fn every_final_status_counts_where_the_standards_say() {
        let mut ledger = Ledger::new();
        for (talk, cause) in
            [(60_000, Cause::CallerHungUp), (20_000, Cause::PartnerHungUp), (10_000, Cause::PeerVanished)]
        {
            came(&mut ledger, 200, talk, cause);
        }
        for status in [302, 404, 408, 480, 486, 487, 500, 503, 504, 600, 603] {
            came(&mut ledger, status, 0, Cause::Refused(status));
        }
        tell(
            &mut ledger,
            vec![(0, What::TrunkRefused { trunk: "ct".into(), reason: "channels_full".into(), status: 503 })],
        );
        let traffic = of(&ledger, Bound::In);
        let wanted = Traffic {
            bids: 15,
            invites: 15,
            seizures: 14,
            answered: 3,
            reached: 8,
            effective: 7,
            ineffective: 5,
            redirected: 1,
            completed: 2,
            talk_ms: 90_000,
            ..Traffic::default()
        };
        assert_eq!(traffic, wanted);
        assert_eq!(traffic.acd_ms(), Some(30_000));
        // 3/14, 8/14, 3/15, 3/14, 7/14, 5/15, 2/15.
        assert_eq!(ratios(&traffic), ["21.43", "57.14", "20.00", "21.43", "50.00", "33.33", "13.33"]);
        assert_eq!(ratios(&of(&ledger, Bound::Out)), ["-"; 7], "nothing went out");
        assert_eq!(of(&ledger, Bound::Out).acd_ms(), None);
    }

    #[test]
    fn a_call_out_is_another_way_and_one_our_limit_stopped_is_a_bid_without_an_invite() {
        let mut ledger = Ledger::new();
        let dialled = |leg| What::LegOpened { call: CALL, leg: LegId(leg), party: Party::Trunk("ct".into()) };
        let barred = |reason: &str| What::DialRefused { call: CALL, trunk: Some("ct".into()), reason: reason.into() };
        let record = tell(
            &mut ledger,
            vec![
                (0, arrived()),
                (0, What::Answered { call: CALL }),
                (1_000, barred("channels_full")),
                (1_000, barred("no_trunk")),
                (2_000, dialled(2)),
                (2_250, over(2, 503)),
                (2_250, dialled(3)),
                (3_000, What::LegRang { call: CALL, leg: LegId(3), status: 180 }),
                (9_000, What::LegAnswered { call: CALL, leg: LegId(3) }),
                (39_000, over(3, 200)),
                (39_000, over(1, 200)),
                (39_000, What::Ended { call: CALL, cause: Cause::CallerHungUp }),
            ],
        );
        let out = of(&ledger, Bound::Out);
        assert_eq!((out.bids, out.invites, out.seizures, out.answered, out.completed), (3, 2, 2, 1, 1));
        assert_eq!((out.acd_ms(), ratios(&out)[2].as_str()), (Some(30_000), "33.33"));
        assert_eq!(out.request, Delays { count: 1, sum_ms: 750 }, "of what succeeded");
        assert_eq!(of(&ledger, Bound::In).seizures, 1);
        let record = record.unwrap();
        let delays: Vec<_> = record.legs[1..].iter().map(|leg| leg.request_delay().unwrap()).collect();
        assert_eq!(delays, [(Duration::from_millis(250), false), (Duration::from_millis(750), true)]);
    }

    #[test]
    fn delays_of_what_the_trunk_agreed_to_are_told_as_means() {
        let mut ledger = Ledger::new();
        for (method, ms, successful) in
            [("REGISTER", 40, true), ("BYE", 100, true), ("BYE", 201, true), ("BYE", 32_000, false), ("INFO", 1, true)]
        {
            let took = Duration::from_millis(ms);
            tell(
                &mut ledger,
                vec![(0, What::TrunkAnswered { trunk: "ct".into(), method: method.into(), took, successful })],
            );
        }
        let row = TrafficRow::new(&"ct".into(), Bound::Out, &of(&ledger, Bound::Out));
        assert_eq!(row.delays_ms, [("rrd".to_owned(), 40), ("sdd".to_owned(), 151)].into());
        assert_eq!((row.counts.disconnect.count, of(&ledger, Bound::In)), (2, Traffic::default()));
    }

    #[test]
    fn a_trial_goes_out_though_its_leg_is_the_first() {
        let mut ledger = Ledger::new();
        let What::Arrived { origin, from, to, .. } = arrived() else { return };
        let (party, sip_call_id) = (origin.clone(), "".into());
        let record = tell(
            &mut ledger,
            vec![
                (0, What::Arrived { call: CALL, leg: None, callback_of: None, origin, from, to, sip_call_id }),
                (0, What::TrialBegan { call: CALL, trunk: "ct".into(), by: "alice".into() }),
                (0, What::LegOpened { call: CALL, leg: LegId(2), party }),
                (3_000, What::LegAnswered { call: CALL, leg: LegId(2) }),
                (7_000, over(2, 200)),
                (7_000, What::Ended { call: CALL, cause: Cause::IvrHungUp }),
            ],
        );
        let record = record.unwrap();
        assert!(record.is_complete() && record.trial.as_deref() == Some("alice") && record.answered.is_none());
        let (into, out) = (of(&ledger, Bound::In), of(&ledger, Bound::Out));
        assert_eq!((into, out.seizures, out.answered, out.talk_ms), (Traffic::default(), 1, 1, 4_000));
    }

    #[test]
    fn a_leg_passed_on_to_another_call_is_one_seizure_and_all_its_talk_counts() {
        let mut ledger = Ledger::new();
        let other = CallId(8);
        let What::Arrived { origin, from, to, .. } = arrived() else { return };
        let (sip_call_id, leg, callback_of) = ("z".into(), Some(LegId(9)), None);
        let second =
            What::Arrived { call: other, leg, callback_of, origin: Party::Agent("1001".into()), from, to, sip_call_id };
        tell(
            &mut ledger,
            vec![
                (0, arrived()),
                (0, second),
                (0, What::Answered { call: CALL }),
                (4_000, What::LegLeft { call: CALL, leg: LegId(1), to: other }),
                (4_000, What::LegJoined { call: other, leg: LegId(1), party: origin, answered: true }),
                (4_000, What::Ended { call: CALL, cause: Cause::Joined }),
                (
                    10_000,
                    What::LegEnded {
                        call: other,
                        leg: LegId(1),
                        side: Side::Trunk,
                        status: 200,
                        stats: StreamStats::default(),
                        release: None,
                    },
                ),
                (10_000, What::Ended { call: other, cause: Cause::PartnerHungUp }),
            ],
        );
        let sum = |of: fn(&Traffic) -> u64| ledger.trunks().map(|(_, _, traffic)| of(traffic)).sum::<u64>();
        assert_eq!((sum(|t| t.seizures), sum(|t| t.answered), sum(|t| t.talk_ms)), (1, 1, 10_000));
    }
}
