//! What the demo knows of every call — the caller's ears, the agent's ears, the facts, the record — and whether it all fits together.

use super::site::WRAP_UP;
use busyhour_ledger::{CallRecord, LegRecord, QueueVisit, VisitEnd};
use busyhour_model::{AgentState, CallId, Fact, Name, OfferOutcome, Party, Time, What};
use busyhour_sim::peer::Outcome;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

/// Failures kept word for word; all are counted.
const FAILURES_MAX: usize = 20;
/// Measurements kept per figure; older ones give way.
const SAMPLES_MAX: usize = 65_536;
/// Finished calls of one agent waiting for their caller's and the switch's side.
const AGENT_CALLS_MAX: usize = 64;
/// Calls of which one side is still missing.
const OPEN_MAX: usize = 65_536;
/// The peers' clock and the switch's may differ by this.
const CLOCKS_APART: Duration = Duration::from_millis(50);
/// Packets with the partner's tone that make a conversation: half a second.
const TONE_MIN: u32 = 25;
/// Levels at which a tone of 5657 still is what was sent: -3 to +2 dB.
const LEVELS: std::ops::Range<f64> = 4000.0..7100.0;

/// Measurements of one figure, in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(VecDeque<u64>);

impl Samples {
    fn add(&mut self, span: Duration) {
        if self.0.len() >= SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(span.as_micros() as u64);
    }

    /// The value `share` of them do not exceed; 0 without any.
    pub(super) fn percentile(&self, share: f64) -> u64 {
        let mut sorted: Vec<u64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// One call whose sides come in one after the other.
#[derive(Debug, Default)]
struct Case {
    caller: Option<Outcome>,
    record: Option<CallRecord>,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Changed dialplans taken.
    pub(super) reloads: u32,
    pub(super) dialled: u64,
    pub(super) ended: u64,
    pub(super) judged: u64,
    pub(super) answered: u64,
    pub(super) abandoned: u64,
    pub(super) two_way: u64,
    pub(super) records: u64,
    pub(super) failed: u64,
    pub(super) failures: Vec<String>,
    /// The caller's INVITE to its 200.
    pub(super) setup: Samples,
    /// Call waiting and agent free to the decision, by the switch's clock.
    pub(super) matching: Samples,
    /// The decision to the INVITE at the agent's phone.
    pub(super) offer: Samples,
    /// The agent's answer to the agent's voice at the caller.
    pub(super) through: Samples,
    /// Calls in the switch, and those of them that wait.
    pub(super) in_switch: BTreeSet<CallId>,
    pub(super) waiting: BTreeSet<CallId>,
    pub(super) agents: BTreeMap<Name, AgentState>,
    open: HashMap<String, Case>,
    heard: HashMap<Name, VecDeque<Outcome>>,
    waiting_since: HashMap<CallId, Time>,
    free_since: HashMap<Name, Time>,
}

impl Tally {
    /// A fact of the switch.
    pub(super) fn fact(&mut self, fact: &Fact) {
        match &fact.what {
            What::Arrived { call, .. } => {
                self.in_switch.insert(*call);
            }
            What::Enqueued { call, .. } => {
                self.waiting.insert(*call);
                self.waiting_since.insert(*call, fact.at);
            }
            What::Offered { call, agent, .. } => {
                let since = self.waiting_since.get(call).max(self.free_since.get(agent));
                if let Some(since) = since {
                    self.matching.add(fact.at.since(*since));
                }
            }
            What::OfferEnded { call, outcome, .. } if *outcome != OfferOutcome::Answered => {
                self.waiting_since.insert(*call, fact.at);
            }
            What::Connected { call, .. } | What::Dequeued { call, .. } => {
                self.waiting.remove(call);
                self.waiting_since.remove(call);
            }
            What::Ended { call, .. } => {
                self.ended += 1;
                self.in_switch.remove(call);
                self.waiting.remove(call);
                self.waiting_since.remove(call);
            }
            What::AgentEntered { agent, state, .. } => {
                self.agents.insert(agent.clone(), *state);
                // Who goes from one call straight into the next is never `Ready`; it is free when its after-call work is due to end.
                match state {
                    AgentState::Ready => self.free_since.insert(agent.clone(), fact.at),
                    AgentState::WrapUp => self.free_since.insert(agent.clone(), fact.at + WRAP_UP),
                    _ => None,
                };
            }
            What::Fault { detail, .. } => self.fail(format!("the switch reports a fault: {detail}")),
            _ => {}
        }
    }

    /// A record of the switch.
    pub(super) fn record(&mut self, record: CallRecord) {
        if matches!(record.origin, Party::Agent(_)) {
            return;
        }
        self.records += 1;
        let id = record.sip_call_id.to_string();
        if self.open(&id).record.replace(record).is_some() {
            self.fail(format!("{id}: a second record"));
        }
        self.judge(&id);
    }

    /// A caller's view of its finished call.
    pub(super) fn caller(&mut self, outcome: Outcome) {
        let id = outcome.call_id.clone();
        if let Some(span) = outcome.answered {
            self.setup.add(span);
        }
        self.open(&id).caller = Some(outcome);
        self.judge(&id);
    }

    /// An agent's view of its finished call.
    pub(super) fn agent(&mut self, number: &str, outcome: Outcome) {
        let calls = self.heard.entry(number.into()).or_default();
        if calls.len() >= AGENT_CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(outcome);
        let with = |case: &Case| case.record.as_ref().and_then(|r| r.agent.as_deref()) == Some(number);
        let ready: Vec<String> = self.open.iter().filter(|(_, case)| with(case)).map(|(id, _)| id.clone()).collect();
        ready.iter().for_each(|id| self.judge(id));
    }

    fn open(&mut self, id: &str) -> &mut Case {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(id) {
            self.fail("too many calls are unfinished to judge them all".into());
            self.open.clear();
        }
        self.open.entry(id.to_owned()).or_default()
    }

    pub(super) fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(why);
        }
    }

    /// Nothing more will come: what is missing now is missing.
    pub(super) fn close(&mut self) {
        for (id, case) in std::mem::take(&mut self.open) {
            let (caller, record) = (case.caller.is_some(), case.record.as_ref());
            let missing = match (caller, record) {
                (false, Some(_)) => "the caller's phone did not see its end",
                (true, None) => "the switch wrote no record",
                _ => "the agent's phone did not see its end",
            };
            self.judged += 1;
            self.fail(format!("{id}: {missing}; record: {record:?}"));
        }
    }

    /// Judges a call as soon as all of its sides are known.
    fn judge(&mut self, id: &str) {
        let Some(Case { caller: Some(caller), record: Some(record) }) = self.open.get(id) else { return };
        let talked = agent_leg(record).and_then(|leg| Some((leg.party.name().clone(), leg.answered?)));
        let mut wrong = wrong_in_caller(caller);
        wrong.extend(wrong_in_record(record));
        if let Some((number, at)) = talked {
            let Some(agent) = self.heard.get_mut(&number).and_then(|calls| take_covering(calls, at)) else { return };
            wrong.extend(wrong_in_agent(&agent));
            self.answered += 1;
            self.two_way += u64::from(converses(&agent) && converses(caller));
            if let Some(offer) = record.offers.iter().rfind(|o| o.agent == number) {
                self.offer.add(agent.started.since(offer.offered));
            }
            if let (Some(heard), Some(answered)) = (caller.heard.first_tone, agent.answered) {
                self.through.add(heard.since(agent.started + answered));
            }
        }
        let given_up = |v: &QueueVisit| matches!(v.end, Some(VisitEnd::AbandonedRinging | VisitEnd::AbandonedWaiting));
        self.abandoned += u64::from(record.visits.last().is_some_and(given_up));
        self.open.remove(id);
        self.judged += 1;
        if !wrong.is_empty() {
            self.fail(format!("{id}: {}", wrong.join("; ")));
        }
    }
}

/// Whether one side heard the other for long enough at the level sent.
fn converses(outcome: &Outcome) -> bool {
    outcome.heard_partner() && outcome.heard.tone >= TONE_MIN && LEVELS.contains(&outcome.heard.tone_level)
}

fn wrong_in_caller(outcome: &Outcome) -> Vec<String> {
    let mut wrong = wrong_in_peer("caller", outcome);
    if outcome.status != 200 {
        wrong.push(format!("the caller got {}", outcome.status));
    } else if !converses(outcome) {
        wrong.push(format!("the caller did not hear the agent: {:?}", outcome.heard));
    }
    wrong
}

fn wrong_in_agent(outcome: &Outcome) -> Vec<String> {
    let mut wrong = wrong_in_peer("agent", outcome);
    if !converses(outcome) {
        wrong.push(format!("the agent did not hear the caller: {:?}", outcome.heard));
    }
    wrong
}

fn wrong_in_peer(who: &str, outcome: &Outcome) -> Vec<String> {
    let unclean = (!outcome.clean).then(|| format!("the {who}'s hang-up was not confirmed"));
    unclean.into_iter().chain(outcome.complaints.iter().map(|c| format!("the {who} says: {c}"))).collect()
}

/// The leg of the agent who talked.
fn agent_leg(record: &CallRecord) -> Option<&LegRecord> {
    record.legs.iter().rfind(|leg| matches!(leg.party, Party::Agent(_)) && leg.answered.is_some())
}

fn wrong_in_record(record: &CallRecord) -> Vec<String> {
    let caller_legs = record.legs.iter().filter(|leg| matches!(leg.party, Party::Trunk(_))).count();
    let rules = [
        (record.answered.is_some(), "no answer"),
        (record.queue.is_some() && record.agent.is_some(), "no queue or no agent"),
        (record.customer_wait_ms.is_some(), "no first clock (INVITE to answer)"),
        (record.queue_wait_ms.is_some(), "no second clock (queue to answer)"),
        (caller_legs == 1, "not exactly one caller's leg"),
        (agent_leg(record).is_some(), "no answered agent's leg"),
        (record.legs.iter().all(|leg| leg.ended.is_some()), "a leg without an end"),
        (record.legs.iter().all(|leg| leg.status > 0), "a leg without a status"),
        (record.dropped == 0, "more entries than a record holds"),
    ];
    rules.iter().filter(|(kept, _)| !kept).map(|(_, fault)| format!("the record has {fault}")).collect()
}

/// Takes the call an agent was in at `at`.
fn take_covering(calls: &mut VecDeque<Outcome>, at: Time) -> Option<Outcome> {
    let covers = |o: &Outcome| {
        o.status == 200 && o.started <= at + CLOCKS_APART && o.ended.is_some_and(|ended| ended + CLOCKS_APART >= at)
    };
    let index = calls.iter().position(covers)?;
    calls.remove(index)
}

#[cfg(test)]
mod tests;
