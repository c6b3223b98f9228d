//! One call as it is told afterwards: every leg, every queue, every offer, and both clocks.

use crate::Survey;
use busyhour_model::{
    CallId, Cause, Deafness, DequeueReason, Entrance, FaxTone, LegId, Name, Number, OfferOutcome, Party, Release, Side,
    StreamStats, Talk, TapeId, Time, Why,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Nodes, visits, offers and legs kept per call; beyond it the middle of the story is dropped and counted in `dropped`.
pub(crate) const STORY_MAX: usize = 256;

/// One call, complete once `Ledger::apply` hands it out. Spans in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Which.
    pub call: CallId,
    /// SIP Call-ID of the caller's leg; empty for a call-back or a trial.
    pub sip_call_id: Name,
    /// It is a call-back asked for in this call.
    pub callback_of: Option<CallId>,
    /// It is a trial: who had a number called, to see whether a trunk works.
    #[serde(default)]
    pub trial: Option<Name>,
    /// The call-back asked for.
    pub callback: Option<CallId>,
    /// Who sent the INVITE.
    pub origin: Party,
    /// Caller, normalised.
    pub from: Number,
    /// Dialled number, normalised.
    pub to: Number,
    /// The caller's number is shown to nobody (RFC 3325 section 7).
    #[serde(default)]
    pub withheld: bool,
    /// The Request-URI and the headers that say who calls and whom, as they came from a trunk.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The INVITE came.
    pub arrived: Time,
    /// Our 200 went out.
    pub answered: Option<Time>,
    /// All legs down.
    pub ended: Time,
    /// Why it ended; `Fault` as long as it has not.
    pub cause: Cause,
    /// Dialplan, the last one.
    pub plan: Option<Name>,
    /// How the dialplan was left, the last time.
    pub outcome: Option<Name>,
    /// Nodes in order.
    pub nodes: Vec<NodeVisit>,
    /// The last queue.
    pub queue: Option<Name>,
    /// The agent who talked last.
    pub agent: Option<Name>,
    /// Queues in order.
    pub visits: Vec<QueueVisit>,
    /// Offers in order, with why.
    pub offers: Vec<OfferRecord>,
    /// Who passed the caller on to whom, in order.
    #[serde(default)]
    pub transfers: Vec<Transfer>,
    /// Surveys in order.
    #[serde(default)]
    pub surveys: Vec<Survey>,
    /// Legs in order of opening, the caller's first.
    pub legs: Vec<LegRecord>,
    /// Recordings kept.
    #[serde(default)]
    pub recordings: Vec<Recording>,
    /// Clock one: INVITE until the caller can hear the first agent.
    pub customer_wait_ms: Option<u64>,
    /// Clock two: from entry of the answering queue until then.
    pub queue_wait_ms: Option<u64>,
    /// Agents' phones rang so long, all offers together.
    pub ring_ms: u64,
    /// Connected and not on hold.
    pub talk_ms: u64,
    /// Connected, one side or both holding.
    pub hold_ms: u64,
    /// Who talked how long while caller and partner heard each other, all partners together; nothing: it was not measured.
    #[serde(default)]
    pub talk: Talk,
    /// Entries of the lists above that were dropped because there were too many.
    pub dropped: u32,
}

/// The caller was passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// When.
    pub at: Time,
    /// By whom, or away from whom when a supervisor did it.
    pub from: Party,
    /// Queue, node, agent, trunk or dialplan.
    pub to: Name,
}

/// A recording of the caller that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The tape.
    pub tape: TapeId,
    /// What for: a variable of the dialplan.
    pub name: Name,
    /// Below the folder of recordings.
    pub file: Name,
    /// Milliseconds of sound.
    pub ms: u64,
    /// Of them silence because the disk was too slow.
    pub gap_ms: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: Name,
}

/// A dialplan node the caller entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVisit {
    /// Node.
    pub node: Name,
    /// When.
    pub at: Time,
}

/// One stay in one queue; leaving it by a key and coming back is the same stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueVisit {
    /// Queue.
    pub queue: Name,
    /// Since when; decides the slot it is counted in.
    pub entered: Time,
    /// How the call came in.
    pub entrance: Entrance,
    /// Since when its place there counted: earlier than `entered` when it brought one.
    pub since: Time,
    /// Out in the dialplan since then; `None` while in the queue.
    pub out: Option<Time>,
    /// Tier of the caller.
    #[serde(default)]
    pub tier: Option<Name>,
    /// Head start, points.
    pub priority: i32,
    /// Calls ahead on entry.
    pub ahead: u32,
    /// The first wait told to the caller or, when none was told, the one predicted on entry.
    pub predicted: Option<Prediction>,
    /// By how much that was longer than the real wait until the answer, in milliseconds; negative: shorter.
    pub prediction_error_ms: Option<i64>,
    /// Until when; equal to `entered` while it lasts.
    pub left: Time,
    /// How it ended; `None` while it lasts.
    pub end: Option<VisitEnd>,
}

/// A predicted wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// When it was predicted.
    pub at: Time,
    /// Milliseconds from then on.
    pub wait_ms: u64,
    /// The caller was told.
    pub told: bool,
}

/// How a stay in a queue ended. These add up to the calls offered (law S4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VisitEnd {
    /// By an agent's answer.
    Answered,
    /// The caller gave up waiting.
    AbandonedWaiting,
    /// The caller gave up while an agent's phone rang.
    AbandonedRinging,
    /// Overflow: waited too long.
    TimedOut,
    /// Overflow: too many waiting.
    Full,
    /// Overflow: nobody signed in.
    NoAgents,
    /// Overflow: the caller pressed a key to leave.
    Left,
    /// The caller asked to be called back.
    Callback,
    /// We ended it: operator, limit, fault.
    Refused,
    /// Overflow: the queue is closed.
    Closed,
    /// A call-back that never reached the customer.
    Unreached,
    /// A call-back that waited too long.
    Expired,
}

impl QueueVisit {
    /// A stay that begins, for the first time.
    pub(crate) fn new(at: Time, queue: &Name) -> QueueVisit {
        QueueVisit {
            queue: queue.clone(),
            entered: at,
            entrance: Entrance::First,
            since: at,
            out: None,
            tier: None,
            priority: 0,
            ahead: 0,
            predicted: None,
            prediction_error_ms: None,
            left: at,
            end: None,
        }
    }

    /// It waits without a caller, and is counted apart.
    pub fn is_callback(&self) -> bool {
        self.entrance == Entrance::Callback
    }

    /// In the queue now, neither gone nor out in the dialplan.
    pub(crate) fn is_on(&self) -> bool {
        self.end.is_none() && self.out.is_none()
    }

    /// From entry to end, in milliseconds.
    pub fn wait_ms(&self) -> u64 {
        ms(self.entered, self.left)
    }

    /// A wait is predicted: the first that is told counts, else the first.
    pub(crate) fn predict(&mut self, at: Time, wait: Duration, told: bool) {
        if self.predicted.is_none_or(|former| told && !former.told) {
            self.predicted = Some(Prediction { at, wait_ms: wait.as_millis() as u64, told });
        }
    }

    /// It is over.
    pub(crate) fn finish(&mut self, at: Time, end: VisitEnd) {
        (self.left, self.end) = (at, Some(end));
        let counts = self.predicted.filter(|_| end == VisitEnd::Answered);
        self.prediction_error_ms = counts.map(|said| said.wait_ms as i64 - ms(said.at, at) as i64);
    }
}

impl From<DequeueReason> for VisitEnd {
    fn from(reason: DequeueReason) -> VisitEnd {
        match reason {
            DequeueReason::Abandoned => VisitEnd::AbandonedWaiting,
            DequeueReason::TimedOut => VisitEnd::TimedOut,
            DequeueReason::Full => VisitEnd::Full,
            DequeueReason::NoAgents => VisitEnd::NoAgents,
            DequeueReason::Left => VisitEnd::Left,
            DequeueReason::Closed => VisitEnd::Closed,
        }
    }
}

/// One offer to one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OfferRecord {
    /// Queue.
    pub queue: Name,
    /// Agent number.
    pub agent: Name,
    /// Rings since.
    pub offered: Time,
    /// Until.
    pub ended: Option<Time>,
    /// Of that, so long the agent had answered and was told of the caller, who waited on.
    #[serde(default)]
    pub briefed_ms: u64,
    /// How it ended.
    pub outcome: Option<OfferOutcome>,
    /// Why this agent.
    pub why: Why,
    /// Agent number of the runner-up, when that is an agent.
    #[serde(default)]
    pub runner_up: Option<Name>,
}

/// One leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegRecord {
    /// Which.
    pub leg: LegId,
    /// With whom.
    pub party: Party,
    /// The side it faced.
    pub side: Side,
    /// INVITE sent or received.
    pub opened: Time,
    /// The first 18x of a telephone outside.
    #[serde(default)]
    pub rang: Option<Time>,
    /// 2xx.
    pub answered: Option<Time>,
    /// It came from another call.
    #[serde(default)]
    pub joined: bool,
    /// Down, ports released.
    pub ended: Option<Time>,
    /// Final SIP status; 0 while there is none.
    pub status: u16,
    /// What its stream carried.
    pub stats: StreamStats,
    /// How good what came from it sounded: mean opinion score by the E-model (ITU-T G.107), 1-4.5; `None`: too little came.
    #[serde(default)]
    pub mos_in: Option<f64>,
    /// How good what it was sent sounded there, by its RTCP.
    #[serde(default)]
    pub mos_out: Option<f64>,
    /// A fax machine or modem was heard.
    #[serde(default)]
    pub fax: Option<FaxTone>,
    /// Nothing was heard while it talked to another, likely because.
    #[serde(default)]
    pub unheard: Option<Deafness>,
    /// Who ended it, and why.
    #[serde(default)]
    pub release: Option<Release>,
}

impl OfferRecord {
    /// How long the phone rang, when that is over.
    pub(crate) fn rang_ms(&self) -> Option<u64> {
        self.ended.map(|ended| ms(self.offered, ended).saturating_sub(self.briefed_ms))
    }
}

impl CallRecord {
    /// The stay in the queue the call is in.
    pub(crate) fn visit(&mut self) -> Option<&mut QueueVisit> {
        self.visits.iter_mut().rev().find(|visit| visit.is_on())
    }

    /// Why it ended by signalling: of the leg its peer ended last, else the caller's.
    pub fn release(&self) -> Option<Release> {
        let by_peer = self.legs.iter().filter(|leg| leg.release.is_some_and(|release| release.by_peer));
        by_peer.max_by_key(|leg| leg.ended).or(self.legs.first())?.release
    }

    /// The lowest opinion of what was heard on any of its legs, either way.
    pub fn mos_min(&self) -> Option<f64> {
        self.legs.iter().flat_map(|leg| [leg.mos_in, leg.mos_out]).flatten().min_by(f64::total_cmp)
    }

    /// The same record as people without the right to numbers may see it.
    pub fn masked(&self) -> CallRecord {
        CallRecord { from: self.masked_caller(), headers: Vec::new(), ..self.clone() }
    }

    /// The caller as such people may see it.
    pub fn masked_caller(&self) -> Number {
        if self.withheld { masked(&Number::default()) } else { masked(&self.from) }
    }

    /// By how much the wait predicted was longer than the one until the last answer, in milliseconds; negative: shorter.
    pub fn prediction_error_ms(&self) -> Option<i64> {
        self.visits.iter().rev().find(|v| v.end == Some(VisitEnd::Answered))?.prediction_error_ms
    }

    /// Whether all lists are closed and consistent, as they must be in a record handed out.
    pub fn is_complete(&self) -> bool {
        self.visits.iter().all(|v| v.end.is_some())
            && self.offers.iter().all(|o| o.outcome.is_some())
            && self.legs.iter().all(|l| l.ended.is_some_and(|e| e >= l.opened))
            && self.surveys.iter().all(|s| s.end.is_some())
            && (!self.legs.is_empty() || self.is_ours())
    }

    /// Nobody called: it is a call-back or a trial.
    pub fn is_ours(&self) -> bool {
        self.callback_of.is_some() || self.trial.is_some()
    }
}

fn masked(number: &Number) -> Number {
    let shown = number.masked();
    Number { raw: shown.clone(), e164: String::new(), national: shown, kind: number.kind, area: number.area.clone() }
}

/// Whole milliseconds from `earlier` to `later`.
pub(crate) fn ms(earlier: Time, later: Time) -> u64 {
    later.since(earlier).as_millis() as u64
}
