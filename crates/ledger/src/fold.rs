//! The fold itself: one fact in, at most one finished record out.

use crate::open::{Open, leg_record};
use crate::slot::Slots;
use crate::traffic::{Bound, Lines, Traffic};
use crate::{AgentTimes, CallRecord, Counts, QueueVisit, Slot};
use busyhour_model::{AgentState, CallId, Cause, Fact, Name, Talk, Time, What};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Calls followed at once; facts of further ones are counted as strays.
pub const OPEN_CALLS_MAX: usize = 50_000;
/// No trunk was found: what is named is what was looked for, which may be a group.
const NO_TRUNK: &str = "no_trunk";
/// Agents whose time is kept.
const AGENTS_MAX: usize = 20_000;

/// All that is known from the facts so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    open: BTreeMap<CallId, Open>,
    slots: Slots,
    agents: BTreeMap<Name, AgentTimes>,
    #[serde(default)]
    lines: Lines,
    strays: u64,
    stays: Vec<Stay>,
}

/// What one fact did to a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stay {
    /// A call was offered to this queue.
    Began(Name),
    /// Somebody will be called back by it.
    Promised(Name),
    /// It is there no longer.
    Ended(QueueVisit),
}

/// Law S4 broken: a slot whose counts do not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// Where.
    pub slot: Slot,
    /// Calls offered.
    pub offered: u64,
    /// Answered + abandoned + overflowed + refused.
    pub ended: u64,
    /// Still waiting or ringing.
    pub in_progress: u64,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Ledger {
        Ledger::default()
    }

    /// Takes one fact; hands out the record of a call that ended with it.
    pub fn apply(&mut self, fact: &Fact) -> Option<CallRecord> {
        let at = fact.at;
        self.stays.clear();
        match &fact.what {
            What::Arrived { .. } => self.arrived(fact),
            What::AgentEntered { agent, state, reason, .. } => self.agent_entered(at, agent, *state, reason.clone()),
            What::TrunkRefused { trunk, status, .. } => self.lines.refused(trunk, *status),
            What::TrunkAnswered { trunk, method, took, successful: true } => self.lines.answered(trunk, method, *took),
            What::DialRefused { trunk: Some(trunk), reason, .. } if **reason != *NO_TRUNK => {
                self.lines.undialled(trunk)
            }
            What::Ended { call, cause } => return self.ended(at, *call, *cause),
            what => {
                if let Some(call) = what.call() {
                    match self.open.get_mut(&call) {
                        Some(open) => {
                            open.apply(at, what, &mut self.slots, &mut self.agents);
                            self.stays.append(&mut open.stays);
                        }
                        None => self.strays += 1,
                    }
                }
            }
        }
        None
    }

    /// What the last fact did to queues: few, at most one of these for every queue the call was in.
    pub fn stays(&self) -> &[Stay] {
        &self.stays
    }

    /// Counts per slot, oldest first.
    pub fn slots(&self) -> impl Iterator<Item = (&Slot, &Counts)> {
        self.slots.iter()
    }

    /// All slots of `queue` that start in `from..until`, added up.
    pub fn counts(&self, queue: &str, from: Time, until: Time) -> Counts {
        let mut sum = Counts::default();
        for (slot, counts) in self.slots.iter() {
            if *slot.queue == *queue && (from..until).contains(&slot.start) {
                sum.merge(counts);
            }
        }
        sum
    }

    /// Time by state of every agent, by agent number.
    pub fn agents(&self) -> impl Iterator<Item = (&Name, &AgentTimes)> {
        self.agents.iter()
    }

    /// How the calls of each trunk fared that are over, each way, by trunk name.
    pub fn trunks(&self) -> impl Iterator<Item = (&Name, Bound, &Traffic)> {
        self.lines.iter()
    }

    /// The record so far of a call going on.
    pub fn open_call(&self, call: CallId) -> Option<&CallRecord> {
        self.open.get(&call).map(|open| &open.record)
    }

    /// Calls going on.
    pub fn open_calls(&self) -> usize {
        self.open.len()
    }

    /// Facts about calls nobody knows: always 0 unless facts were lost or [`OPEN_CALLS_MAX`] was reached.
    pub fn strays(&self) -> u64 {
        self.strays
    }

    /// Law S4, per slot: offered = answered + abandoned + overflowed + called back + refused + in progress; and the
    /// same of call-backs.
    pub fn check(&self) -> Result<(), Imbalance> {
        let mut waiting: BTreeMap<(Slot, bool), u64> = BTreeMap::new();
        for visit in self.open.values().flat_map(|open| &open.record.visits).filter(|v| v.end.is_none()) {
            *waiting.entry((Slot::of(visit.entered, &visit.queue), visit.is_callback())).or_default() += 1;
        }
        let balance = |slot: &Slot, callback: bool, offered: u64, ended: u64| {
            let slot = slot.clone();
            let in_progress = waiting.get(&(slot.clone(), callback)).copied().unwrap_or_default();
            let holds = offered == ended + in_progress;
            if holds { Ok(()) } else { Err(Imbalance { slot, offered, ended, in_progress }) }
        };
        for (slot, counts) in self.slots.iter() {
            balance(slot, false, counts.offered, counts.ended())?;
            balance(slot, true, counts.callbacks.asked, counts.callbacks.ended())?;
        }
        Ok(())
    }

    fn arrived(&mut self, fact: &Fact) {
        let What::Arrived { call, leg, callback_of, origin, from, to, sip_call_id } = &fact.what else { return };
        if self.open.len() >= OPEN_CALLS_MAX || self.open.contains_key(call) {
            self.strays += 1;
            return;
        }
        let record = CallRecord {
            call: *call,
            sip_call_id: sip_call_id.clone(),
            callback_of: *callback_of,
            trial: None,
            callback: None,
            origin: origin.clone(),
            from: from.clone(),
            to: to.clone(),
            withheld: false,
            headers: Vec::new(),
            arrived: fact.at,
            answered: None,
            ended: fact.at,
            cause: Cause::Fault,
            plan: None,
            outcome: None,
            nodes: Vec::new(),
            queue: None,
            agent: None,
            visits: Vec::new(),
            offers: Vec::new(),
            recordings: Vec::new(),
            legs: leg.iter().map(|leg| leg_record(fact.at, *leg, origin)).collect(),
            customer_wait_ms: None,
            queue_wait_ms: None,
            ring_ms: 0,
            talk_ms: 0,
            hold_ms: 0,
            surveys: Vec::new(),
            transfers: Vec::new(),
            talk: Talk::default(),
            dropped: 0,
        };
        self.open.insert(*call, Open::new(record));
    }

    fn ended(&mut self, at: Time, call: CallId, cause: Cause) -> Option<CallRecord> {
        let Some(mut open) = self.open.remove(&call) else {
            self.strays += 1;
            return None;
        };
        open.finish(at, cause, &mut self.slots);
        self.stays = open.stays;
        self.lines.ended(&open.record);
        Some(open.record)
    }

    fn agent_entered(&mut self, at: Time, agent: &Name, state: AgentState, reason: Option<Name>) {
        if self.agents.len() >= AGENTS_MAX && !self.agents.contains_key(agent) {
            return;
        }
        let times = self.agents.entry(agent.clone()).or_insert_with(|| AgentTimes::new(at));
        let (finished, span) = times.enter(at, state, reason);
        if finished == AgentState::WrapUp
            && let Some(slot) = times.served.take()
        {
            self.slots.at(&slot).wrap_up.add(span.as_millis() as u64);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::STORY_MAX;
    use crate::{SurveyEnd, VisitEnd};
    use busyhour_model::{DequeueReason, Entrance, LegId, Number, OfferOutcome, Party, Rule, Side, StreamStats, Why};
    use std::time::Duration;

    const CALL: CallId = CallId(7);

    struct Tape {
        ledger: Ledger,
        record: Option<CallRecord>,
    }

    impl Tape {
        fn new() -> Tape {
            let mut tape = Tape { ledger: Ledger::new(), record: None };
            tape.say(0.0, arrived());
            tape
        }

        /// Seconds after nine o'clock.
        fn say(&mut self, at: f64, what: What) -> &mut Tape {
            let at = Time::from_secs(9 * 3600) + Duration::from_secs_f64(at);
            if let Some(record) = self.ledger.apply(&Fact { at, what }) {
                assert!(self.record.replace(record).is_none(), "one record per call");
            }
            assert_eq!(self.ledger.check(), Ok(()), "law S4");
            self
        }

        fn counts(&self) -> Counts {
            self.ledger.counts("credit", Time::ZERO, Time::from_secs(u64::MAX / 2_000_000))
        }
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

    fn enqueued() -> What {
        entered("credit", 9 * 3600, Entrance::First)
    }

    fn entered(queue: &str, since: u64, entrance: Entrance) -> What {
        let (queue, since) = (queue.into(), Time::from_secs(since));
        What::Enqueued {
            call: CALL,
            queue_id: Default::default(),
            queue,
            priority: 5,
            ahead: 2,
            since,
            entrance,
            tier: None,
            wait: Some(Duration::from_secs(60)),
        }
    }

    fn offered(agent: &str) -> What {
        let why = Why { rule: Rule::LongestIdle, ..Why::default() };
        What::Offered { call: CALL, queue: "credit".into(), agent: agent.into(), why, runner_up: None }
    }

    fn offer_ended(agent: &str, outcome: OfferOutcome) -> What {
        What::OfferEnded { call: CALL, queue: "credit".into(), agent: agent.into(), outcome }
    }

    fn dequeued(reason: DequeueReason) -> What {
        What::Dequeued { call: CALL, queue: "credit".into(), reason }
    }

    fn agent(number: &str) -> Party {
        Party::Agent(number.into())
    }

    fn ended(cause: Cause) -> What {
        What::Ended { call: CALL, cause }
    }

    fn agent_entered(state: AgentState, reason: Option<&str>) -> What {
        let reason = reason.map(Into::into);
        What::AgentEntered { agent_id: Default::default(), agent: "1001".into(), state, reason }
    }

    #[test]
    fn an_answered_call_has_both_clocks_all_legs_and_its_offers() {
        let mut tape = Tape::new();
        let leg = |leg, party| What::LegOpened { call: CALL, leg: LegId(leg), party };
        let leg_ended = |leg, side, status| What::LegEnded {
            call: CALL,
            leg: LegId(leg),
            side,
            status,
            stats: StreamStats { packets_in: 50, ..StreamStats::default() },
            release: None,
        };
        tape.say(0.5, What::Answered { call: CALL })
            .say(0.6, What::NodeEntered { call: CALL, plan: "hotline".into(), node: "menu".into() })
            .say(10.0, enqueued())
            .say(
                11.0,
                What::Announced { call: CALL, queue: "credit".into(), ahead: 2, wait: Some(Duration::from_secs(20)) },
            )
            .say(12.0, offered("1001"))
            .say(12.0, leg(2, agent("1001")))
            .say(20.0, leg_ended(2, Side::Agent, 487))
            .say(20.0, offer_ended("1001", OfferOutcome::NoAnswer))
            .say(20.0, offered("1002"))
            .say(20.0, leg(3, agent("1002")))
            .say(24.0, What::LegAnswered { call: CALL, leg: LegId(3) })
            .say(24.0, offer_ended("1002", OfferOutcome::Answered))
            .say(24.0, What::IvrLeft { call: CALL, plan: "hotline".into(), outcome: "to_agent".into() })
            .say(24.0, What::Connected { call: CALL, party: agent("1002"), queue: Some("credit".into()) })
            .say(30.0, What::Held { call: CALL, leg: LegId(3), on: true })
            .say(31.0, What::Held { call: CALL, leg: LegId(1), on: true })
            .say(33.0, What::Held { call: CALL, leg: LegId(3), on: false })
            .say(34.0, What::Held { call: CALL, leg: LegId(1), on: false })
            .say(64.0, What::Disconnected { call: CALL, party: agent("1002") })
            .say(64.0, leg_ended(3, Side::Agent, 200))
            .say(64.1, leg_ended(1, Side::Trunk, 200))
            .say(64.1, ended(Cause::PartnerHungUp));
        let record = tape.record.clone().unwrap();
        assert!(record.is_complete());
        assert_eq!((record.customer_wait_ms, record.queue_wait_ms), (Some(24_000), Some(14_000)));
        assert_eq!((record.ring_ms, record.talk_ms, record.hold_ms), (12_000, 36_000, 4_000));
        assert_eq!(record.agent.as_deref(), Some("1002"));
        assert_eq!(record.legs.iter().map(|l| l.status).collect::<Vec<_>>(), [200, 487, 200]);
        assert_eq!(record.offers[1].why.rule, Rule::LongestIdle);
        assert_eq!(record.prediction_error_ms(), Some(7_000));
        assert_eq!(record.masked().from.national, "138****8000");
        assert!(!format!("{:?}", record.masked()).contains("13800138000"), "no way back to the number");
        let counts = tape.counts();
        assert_eq!((counts.offered, counts.answered, counts.held, counts.ring.sum_ms), (1, 1, 1, 4_000));
        assert_eq!((counts.talk.sum_ms, counts.hold.sum_ms), (36_000, 4_000));
        assert_eq!(counts.service_level(15).unwrap().to_string(), "100.00");
        assert_eq!(tape.ledger.open_calls(), 0);
    }

    #[test]
    fn a_survey_is_about_the_last_agent_and_counts_where_the_call_was_answered() {
        let begun = || What::SurveyBegun { call: CALL, survey: "service".into() };
        let said = |question: &str, key, score, satisfied| {
            let question = question.into();
            What::Surveyed { call: CALL, question, key, score, satisfied }
        };
        type Script = Vec<What>;
        let table: [(&str, Script, SurveyEnd, [u64; 4]); 4] = [
            (
                "all answered",
                vec![
                    said("mark", '1', 5, Some(true)),
                    said("solved", '2', 0, None),
                    What::SurveyEnded { call: CALL, complete: true },
                ],
                SurveyEnd::Complete,
                [1, 1, 1, 5],
            ),
            ("hangs up halfway", vec![said("mark", '4', 2, Some(false))], SurveyEnd::CutShort, [1, 1, 0, 2]),
            (
                "presses nothing",
                vec![What::SurveyEnded { call: CALL, complete: false }],
                SurveyEnd::NoAnswer,
                [1, 0, 0, 0],
            ),
            ("hangs up at once", vec![], SurveyEnd::CutShort, [1, 0, 0, 0]),
        ];
        for (name, script, end, counts) in table {
            let mut tape = Tape::new();
            tape.say(1.0, enqueued())
                .say(2.0, offered("1001"))
                .say(3.0, offer_ended("1001", OfferOutcome::Answered))
                .say(3.0, What::Connected { call: CALL, party: agent("1001"), queue: Some("credit".into()) })
                .say(9.0, What::Connected { call: CALL, party: agent("1002"), queue: None })
                .say(20.0, What::Disconnected { call: CALL, party: agent("1002") })
                .say(21.0, begun());
            let answers = script.iter().filter(|what| matches!(what, What::Surveyed { .. })).count();
            for what in script {
                tape.say(25.0, what);
            }
            tape.say(30.0, ended(Cause::CallerHungUp));
            let record = tape.record.clone().unwrap();
            assert!(record.is_complete(), "{name}");
            let survey = &record.surveys[0];
            assert_eq!((survey.end, survey.answers.len()), (Some(end), answers), "{name}");
            assert_eq!((survey.agent.as_deref(), survey.queue.as_deref()), (Some("1002"), Some("credit")), "{name}");
            assert_eq!(survey.begun, Time::from_secs(9 * 3600 + 21), "{name}");
            let surveys = tape.counts().surveys;
            assert_eq!([surveys.invited, surveys.rated, surveys.satisfied, surveys.marks], counts, "{name}");
            assert_eq!(tape.counts().invitation_rate().to_string(), "100.00", "{name}");
        }
    }

    #[test]
    fn the_first_wait_told_counts_or_else_the_one_on_entry() {
        let say = |wait| What::Announced { call: CALL, queue: "credit".into(), ahead: 2, wait };
        let told = |secs| say(Some(Duration::from_secs(secs)));
        let again = entered("credit", 9 * 3600, Entrance::Returned);
        let answer = offer_ended("1001", OfferOutcome::Answered);
        type Script = Vec<(f64, What)>;
        let table: [(&str, Script, Option<i64>); 5] = [
            ("nothing told", vec![(50.0, answer.clone())], Some(10_000)),
            ("twice told", vec![(5.0, told(30)), (20.0, told(90)), (50.0, answer.clone())], Some(-15_000)),
            ("nothing more can be said", vec![(5.0, say(None)), (50.0, answer.clone())], Some(10_000)),
            (
                "out and back",
                vec![(5.0, told(30)), (10.0, dequeued(DequeueReason::Left)), (20.0, again), (50.0, answer)],
                Some(30_000),
            ),
            ("gave up", vec![(5.0, told(30)), (20.0, dequeued(DequeueReason::Abandoned))], None),
        ];
        for (name, script, error) in table {
            let mut tape = Tape::new();
            tape.say(0.0, enqueued());
            for (at, what) in script {
                tape.say(at, what);
            }
            tape.say(60.0, ended(Cause::CallerHungUp));
            assert_eq!(tape.record.unwrap().visits[0].prediction_error_ms, error, "{name}");
        }
    }

    #[test]
    fn every_way_out_of_a_queue_is_counted_once() {
        type Script<'a> = &'a [(f64, What)];
        let table: [(&str, Script, VisitEnd); 9] = [
            ("gives up waiting", &[(5.0, dequeued(DequeueReason::Abandoned))], VisitEnd::AbandonedWaiting),
            ("gives up, no word from the queue", &[], VisitEnd::AbandonedWaiting),
            (
                "gives up ringing",
                &[
                    (2.0, offered("1")),
                    (5.0, offer_ended("1", OfferOutcome::Abandoned)),
                    (5.0, dequeued(DequeueReason::Abandoned)),
                ],
                VisitEnd::AbandonedRinging,
            ),
            ("gives up ringing, no word", &[(2.0, offered("1"))], VisitEnd::AbandonedRinging),
            ("times out", &[(5.0, dequeued(DequeueReason::TimedOut))], VisitEnd::TimedOut),
            ("full", &[(1.0, dequeued(DequeueReason::Full))], VisitEnd::Full),
            ("nobody", &[(1.0, dequeued(DequeueReason::NoAgents))], VisitEnd::NoAgents),
            ("leaves by key", &[(5.0, dequeued(DequeueReason::Left))], VisitEnd::Left),
            (
                "answered, then vanishes before connecting",
                &[(2.0, offered("1")), (3.0, offer_ended("1", OfferOutcome::Answered))],
                VisitEnd::Answered,
            ),
        ];
        for (name, script, end) in table {
            let mut tape = Tape::new();
            tape.say(1.0, enqueued());
            for (at, what) in script {
                tape.say(*at, what.clone());
            }
            tape.say(9.0, ended(Cause::CallerHungUp));
            let record = tape.record.clone().unwrap();
            assert_eq!(record.visits.iter().map(|v| v.end).collect::<Vec<_>>(), [Some(end)], "{name}");
            assert_eq!((tape.counts().offered, tape.counts().ended()), (1, 1), "{name}");
        }
    }

    #[test]
    fn a_caller_who_leaves_by_key_and_comes_back_is_one_call_offered_and_waits_from_the_first_entry() {
        let mut tape = Tape::new();
        tape.say(10.0, enqueued())
            .say(20.0, dequeued(DequeueReason::Left))
            .say(50.0, entered("credit", 9 * 3600 + 10, Entrance::Returned))
            .say(60.0, offered("1"))
            .say(70.0, offer_ended("1", OfferOutcome::Answered))
            .say(90.0, ended(Cause::CallerHungUp));
        let record = tape.record.clone().unwrap();
        assert_eq!((record.visits.len(), record.queue_wait_ms), (1, Some(60_000)), "{:?}", record.visits);
        let counts = tape.counts();
        assert_eq!((counts.offered, counts.answered, counts.overflowed()), (1, 1, 0));
    }

    #[test]
    fn a_caller_who_never_comes_back_left_by_key_when_it_was_pressed() {
        let mut tape = Tape::new();
        tape.say(10.0, enqueued()).say(20.0, dequeued(DequeueReason::Left));
        tape.say(30.0, entered("other", 9 * 3600 + 30, Entrance::First)).say(35.0, dequeued(DequeueReason::Left));
        tape.say(40.0, entered("credit", 9 * 3600 + 10, Entrance::Returned)).say(45.0, dequeued(DequeueReason::Left));
        tape.say(90.0, ended(Cause::CallerHungUp));
        let record = tape.record.clone().unwrap();
        let stays: Vec<_> = record.visits.iter().map(|v| (&*v.queue, v.wait_ms(), v.end)).collect();
        assert_eq!(stays, [("credit", 35_000, Some(VisitEnd::Left)), ("other", 5_000, Some(VisitEnd::Left))]);
        assert_eq!((tape.counts().offered, tape.counts().left), (1, 1));
    }

    #[test]
    fn a_caller_sent_on_is_transferred_there_and_offered_here_and_never_abandoned() {
        let mut tape = Tape::new();
        tape.say(10.0, enqueued()).say(12.0, offered("1")).say(15.0, offer_ended("1", OfferOutcome::Answered));
        tape.say(15.0, What::Connected { call: CALL, party: agent("1"), queue: Some("credit".into()) })
            .say(40.0, What::Transferred { call: CALL, party: agent("1"), to: "other".into() })
            .say(40.0, What::Disconnected { call: CALL, party: agent("1") })
            .say(40.0, entered("other", 9 * 3600 + 10, Entrance::Transferred))
            .say(50.0, offered("2"))
            .say(52.0, offer_ended("2", OfferOutcome::Answered))
            .say(60.0, ended(Cause::CallerHungUp));
        let record = tape.record.clone().unwrap();
        assert_eq!(record.visits[1].since, Time::from_secs(9 * 3600 + 10), "the place it brought");
        let told = |language| crate::explain(&record, language, false).into_iter().map(|line| line.says);
        assert!(told(crate::Language::En).any(|says| says == "passed on by 1 to other"));
        assert!(told(crate::Language::Zh).any(|says| says == "由 1 转接至 other"));
        assert_eq!(
            (record.customer_wait_ms, record.queue_wait_ms),
            (Some(15_000), Some(5_000)),
            "until the first answer"
        );
        let counts = tape.counts();
        assert_eq!((counts.offered, counts.answered, counts.transferred, counts.returned), (1, 1, 1, 0));
        assert_eq!(counts.transfer_rate().to_string(), "100.00");
        let other = tape.ledger.counts("other", Time::ZERO, Time::from_secs(u64::MAX / 2_000_000));
        assert_eq!((other.offered, other.answered, other.abandoned(), other.returned), (1, 1, 0, 1));
    }

    /// A caller leaves the queue to be called back; what happens to the call-back, to its record and the counts.
    fn callback(story: &[(f64, What)]) -> (CallRecord, Counts) {
        let mut tape = Tape::new();
        let (asked, callback) = (Time::from_secs(9 * 3600 + 10), CallId(8));
        tape.say(10.0, enqueued()).say(20.0, dequeued(DequeueReason::Left));
        let What::Arrived { origin, from, to, .. } = arrived() else { unreachable!() };
        let (call, callback_of, sip_call_id) = (callback, Some(CALL), "".into());
        tape.say(30.0, What::Arrived { call, leg: None, callback_of, origin, from, to, sip_call_id });
        tape.say(30.0, What::CallbackAsked { call: CALL, callback, queue: "credit".into() });
        tape.say(40.0, ended(Cause::IvrHungUp));
        let caller = tape.record.take().unwrap();
        assert_eq!((caller.callback, caller.visits[0].end), (Some(callback), Some(VisitEnd::Callback)));
        assert_eq!(caller.visits[0].wait_ms(), 10_000);
        let entered = |since, entrance| match entered("credit", 0, entrance) {
            What::Enqueued { queue_id, queue, priority, ahead, .. } => What::Enqueued {
                call,
                queue_id,
                queue,
                priority,
                ahead,
                since,
                entrance,
                tier: None,
                wait: Some(Duration::from_secs(60)),
            },
            _ => unreachable!(),
        };
        tape.say(30.0, entered(asked, Entrance::Callback));
        for (at, what) in story {
            tape.say(*at, what.clone());
        }
        let record = tape.record.clone().unwrap();
        assert!(record.is_complete() && record.callback_of == Some(CALL) && record.visits.len() == 1);
        (record, tape.counts())
    }

    #[test]
    fn a_callback_is_counted_apart_from_the_call_that_asked_for_it() {
        let call = CallId(8);
        let offer = |w: What| match w {
            What::Offered { queue, agent, why, runner_up, .. } => What::Offered { call, queue, agent, why, runner_up },
            What::OfferEnded { queue, agent, outcome, .. } => What::OfferEnded { call, queue, agent, outcome },
            What::Connected { party, queue, .. } => What::Connected { call, party, queue },
            _ => What::Ended { call, cause: Cause::CallerHungUp },
        };
        let queue = Some("credit".into());
        let (record, counts) = callback(&[
            (100.0, offer(offered("1"))),
            (105.0, offer(offer_ended("1", OfferOutcome::Answered))),
            (120.0, offer(What::Connected { call, party: agent("1"), queue })),
            (150.0, offer(ended(Cause::CallerHungUp))),
        ]);
        assert_eq!((record.queue_wait_ms, record.talk_ms), (Some(90_000), 30_000));
        assert_eq!((record.agent.as_deref(), record.visits[0].end), (Some("1"), Some(VisitEnd::Answered)));
        assert_eq!((counts.offered, counts.answered, counts.called_back, counts.talk.sum_ms), (1, 0, 1, 0));
        assert_eq!(counts.callbacks, crate::Callbacks { asked: 1, reached: 1, ..Default::default() });
    }

    #[test]
    fn a_callback_that_reaches_nobody_ends_once_too() {
        for (cause, end) in [
            (Cause::CallbackFailed, VisitEnd::Unreached),
            (Cause::CallbackExpired, VisitEnd::Expired),
            (Cause::OperatorHungUp, VisitEnd::Refused),
        ] {
            let (record, counts) = callback(&[(400.0, What::Ended { call: CallId(8), cause })]);
            assert_eq!(record.visits[0].end, Some(end));
            assert_eq!((counts.callbacks.asked, counts.callbacks.ended(), counts.refused), (1, 1, 0));
        }
    }

    #[test]
    fn a_queue_that_refuses_at_once_still_counts_the_call_as_offered() {
        let mut tape = Tape::new();
        tape.say(1.0, dequeued(DequeueReason::Full)).say(2.0, ended(Cause::IvrHungUp));
        assert_eq!((tape.counts().offered, tape.counts().full), (1, 1));
    }

    #[test]
    fn an_operator_ending_a_waiting_call_is_no_abandon() {
        let mut tape = Tape::new();
        tape.say(1.0, enqueued()).say(2.0, ended(Cause::OperatorHungUp));
        assert_eq!((tape.counts().abandoned(), tape.counts().refused), (0, 1));
    }

    #[test]
    fn a_call_answered_in_the_next_slot_counts_where_it_was_offered() {
        let mut tape = Tape::new();
        tape.say(899.0, enqueued()).say(901.0, offered("1")).say(905.0, offer_ended("1", OfferOutcome::Answered));
        tape.say(930.0, ended(Cause::CallerHungUp));
        let slots: Vec<_> =
            tape.ledger.slots().map(|(s, c)| (s.start.as_secs() % 3600, c.offered, c.answered)).collect();
        assert_eq!(slots, [(0, 1, 1)], "so no rate can exceed 100 %");
    }

    #[test]
    fn agent_times_tile_and_wrap_up_reaches_the_slot() {
        let mut tape = Tape::new();
        tape.say(0.0, agent_entered(AgentState::NotReady, Some("lunch")))
            .say(60.0, agent_entered(AgentState::Ready, None))
            .say(61.0, enqueued())
            .say(61.0, offered("1001"))
            .say(62.0, offer_ended("1001", OfferOutcome::Answered))
            .say(62.0, agent_entered(AgentState::Talking, None))
            .say(62.0, What::Connected { call: CALL, party: agent("1001"), queue: Some("credit".into()) })
            .say(70.0, ended(Cause::CallerHungUp))
            .say(70.0, agent_entered(AgentState::WrapUp, None))
            .say(75.0, agent_entered(AgentState::Ready, None))
            .say(80.0, agent_entered(AgentState::SignedOut, None));
        let (_, times) = tape.ledger.agents().next().unwrap();
        let now = times.since;
        let spent: Duration = times.spent.values().sum();
        assert_eq!(spent, now.since(times.first), "law S5");
        assert_eq!(times.not_ready["lunch"], Duration::from_secs(60));
        assert_eq!(times.total(now, AgentState::Ready), Duration::from_secs(7));
        assert_eq!(tape.counts().wrap_up.sum_ms, 5_000);
    }

    #[test]
    fn a_caller_nobody_answers_for_hours_stays_bounded() {
        let mut tape = Tape::new();
        tape.say(0.0, enqueued());
        for i in 0..1_000_u32 {
            let at = f64::from(i);
            let leg = LegId(u64::from(i) + 2);
            tape.say(at, offered("1")).say(at, What::LegOpened { call: CALL, leg, party: agent("1") });
            let stats = StreamStats::default();
            tape.say(at, What::LegEnded { call: CALL, leg, side: Side::Agent, status: 487, stats, release: None });
            tape.say(at, offer_ended("1", OfferOutcome::NoAnswer));
        }
        tape.say(2_000.0, ended(Cause::CallerHungUp));
        let record = tape.record.unwrap();
        assert_eq!((record.legs.len(), record.offers.len()), (STORY_MAX, STORY_MAX));
        assert_eq!(record.legs[0].leg, LegId(1), "the caller's leg is never dropped");
        assert_eq!(record.dropped, 1_000 - 256 + 1_001 - 256);
    }

    #[test]
    fn facts_of_unknown_calls_are_counted_not_believed() {
        let mut ledger = Ledger::new();
        let fact = Fact { at: Time::from_secs(1), what: ended(Cause::CallerHungUp) };
        assert_eq!(ledger.apply(&fact), None);
        assert_eq!((ledger.strays(), ledger.open_calls()), (1, 0));
    }

    #[test]
    fn a_ledger_written_out_mid_call_goes_on_alike() {
        let mut tape = Tape::new();
        tape.say(1.0, enqueued()).say(2.0, offered("1"));
        let bytes = postcard::to_stdvec(&tape.ledger).unwrap();
        let mut copy = Tape { ledger: postcard::from_bytes(&bytes).unwrap(), record: None };
        for tape in [&mut tape, &mut copy] {
            tape.say(3.0, offer_ended("1", OfferOutcome::Answered)).say(9.0, ended(Cause::CallerHungUp));
        }
        assert_eq!(tape.record, copy.record);
        assert_eq!(tape.ledger, copy.ledger);
    }
}
