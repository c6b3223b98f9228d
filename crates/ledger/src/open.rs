//! A call going on: its record so far, and what is running.

use crate::fold::Stay;
use crate::mos;
use crate::record::{STORY_MAX, ms};
use crate::slot::Slots;
use crate::{AgentTimes, CallRecord, Counts, LegRecord, NodeVisit, OfferRecord, QueueVisit, Recording, Slot, VisitEnd};
use crate::{Answer, Survey, SurveyEnd, Transfer};
use busyhour_model::{
    Briefing, Cause, DequeueReason, Entrance, FaxHeard, LegId, Name, OfferOutcome, Party, StreamStats, Time, Unheard,
    What,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A call going on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) record: CallRecord,
    spell: Option<Spell>,
    talk: Duration,
    hold: Duration,
    pub(crate) stays: Vec<Stay>,
}

/// One stretch of talking with one partner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spell {
    marked: Time,
    talk: Duration,
    hold: Duration,
    holding: Vec<LegId>,
}

impl Open {
    pub(crate) fn new(record: CallRecord) -> Open {
        Open { record, spell: None, talk: Duration::ZERO, hold: Duration::ZERO, stays: Vec::new() }
    }

    pub(crate) fn apply(&mut self, at: Time, what: &What, slots: &mut Slots, agents: &mut BTreeMap<Name, AgentTimes>) {
        let record = &mut self.record;
        match what {
            What::TrialBegan { by, .. } => record.trial = Some(by.clone()),
            What::Answered { .. } => {
                record.answered.get_or_insert(at);
                if let Some(leg) = record.legs.first_mut() {
                    leg.answered.get_or_insert(at);
                }
            }
            What::NodeEntered { plan, node, .. } => {
                record.plan = Some(plan.clone());
                let visit = NodeVisit { node: node.clone(), at };
                record.dropped += push(&mut record.nodes, visit, |_| true);
            }
            What::Identified { withheld, headers, .. } => {
                (record.withheld, record.headers) = (*withheld, headers.clone());
            }
            What::SurveyBegun { .. } | What::Surveyed { .. } | What::SurveyEnded { .. } => self.survey(at, what, slots),
            What::IvrLeft { plan, outcome, .. } => {
                (record.plan, record.outcome) = (Some(plan.clone()), Some(outcome.clone()));
            }
            What::LegOpened { leg, party, .. } => {
                let leg = leg_record(at, *leg, party);
                record.dropped += push(&mut record.legs, leg, |l| l.ended.is_some() && l.answered.is_none());
            }
            What::LegRang { leg, .. }
            | What::LegAnswered { leg, .. }
            | What::LegEnded { leg, .. }
            | What::FaxHeard(FaxHeard { leg, .. })
            | What::Unheard(Unheard { leg, .. })
            | What::LegLeft { leg, .. } => self.leg_fact(at, *leg, what),
            What::Talked(talked) => record.talk.add(&talked.talk),
            What::LegJoined { leg, party, answered, .. } => {
                let leg = LegRecord { answered: answered.then_some(at), joined: true, ..leg_record(at, *leg, party) };
                record.dropped += push(&mut record.legs, leg, |l| l.ended.is_some() && l.answered.is_none());
            }
            What::Connected { party, queue, .. } => self.connected(at, party, queue.as_ref(), slots, agents),
            What::Held { leg, on, .. } => self.held(at, *leg, *on),
            What::Disconnected { .. } => self.end_spell(at, slots),
            What::CallbackAsked { callback, queue, .. } => {
                record.callback = Some(*callback);
                self.called_back(at, queue, slots);
            }
            What::Recorded { tape, name, file, ms, gap_ms, sha256, .. } => {
                let (tape, name, file) = (*tape, name.clone(), file.clone());
                let recording = Recording { tape, name, file, ms: *ms, gap_ms: *gap_ms, sha256: sha256.clone() };
                record.dropped += push(&mut record.recordings, recording, |_| true);
            }
            What::Discarded { tape, .. } => record.recordings.retain(|recording| recording.tape != *tape),
            What::Transferred { party, to, .. } => {
                let transfer = Transfer { at, from: party.clone(), to: to.clone() };
                record.dropped += push(&mut record.transfers, transfer, |_| true);
                if let Some(slot) = self.answered_slot() {
                    slots.at(&slot).transferred += 1;
                }
            }
            what => self.queue_fact(at, what, slots),
        }
    }

    fn leg_fact(&mut self, at: Time, leg: LegId, what: &What) {
        let Some(leg) = self.record.legs.iter_mut().find(|known| known.leg == leg) else { return };
        match what {
            What::LegRang { .. } => {
                leg.rang.get_or_insert(at);
            }
            What::LegAnswered { .. } => {
                leg.answered.get_or_insert(at);
            }
            What::LegEnded { status, stats, release, .. } => {
                (leg.ended, leg.status, leg.stats, leg.release) = (Some(at), *status, *stats, *release);
                (leg.mos_in, leg.mos_out) = (mos::incoming(stats), mos::outgoing(stats));
            }
            What::FaxHeard(heard) => leg.fax = Some(heard.tone),
            What::Unheard(unheard) => leg.unheard = Some(unheard.why),
            What::LegLeft { .. } => (leg.ended, leg.status) = (Some(at), 200),
            _ => {}
        }
    }

    fn survey(&mut self, at: Time, what: &What, slots: &mut Slots) {
        let slot = self.answered_slot();
        let mut counts = slot.as_ref().map(|slot| &mut slots.at(slot).surveys);
        let last = self.record.surveys.last_mut();
        match (what, last) {
            (What::SurveyBegun { survey, .. }, last) => {
                last.into_iter().for_each(|last| last.finish(at, SurveyEnd::CutShort));
                counts.iter_mut().for_each(|counts| counts.invited += 1);
                let answered = self.record.visits.iter().rev().find(|v| v.end == Some(VisitEnd::Answered));
                let (queue, agent) = (answered.map(|visit| visit.queue.clone()), self.record.agent.clone());
                let (survey, answers) = (survey.clone(), Vec::new());
                let survey = Survey { survey, begun: at, ended: at, end: None, agent, queue, answers };
                self.record.dropped += push(&mut self.record.surveys, survey, |_| true);
            }
            (What::Surveyed { question, key, score, satisfied, .. }, Some(survey)) => {
                if let Some((counts, satisfied)) = counts.as_mut().zip(*satisfied) {
                    counts.rate(*score, satisfied);
                }
                let (question, key, score, satisfied) = (question.clone(), *key, *score, *satisfied);
                let answer = Answer { at, question, key, score, satisfied };
                self.record.dropped += push(&mut survey.answers, answer, |_| true);
            }
            (What::SurveyEnded { complete, .. }, Some(survey)) => {
                survey.finish(at, if *complete { SurveyEnd::Complete } else { SurveyEnd::NoAnswer });
            }
            _ => {}
        }
    }

    fn queue_fact(&mut self, at: Time, what: &What, slots: &mut Slots) {
        match what {
            What::Enqueued { queue, priority, ahead, since, entrance, tier, wait, .. } => {
                let (entrance, since, priority, ahead) = (*entrance, *since, *priority, *ahead);
                let tier = tier.clone();
                let mut visit = QueueVisit { entrance, since, priority, ahead, tier, ..QueueVisit::new(at, queue) };
                wait.inspect(|&wait| visit.predict(at, wait, false));
                self.enqueued(at, visit, slots);
            }
            What::Announced { wait: Some(wait), .. } => {
                if let Some(visit) = self.record.visit() {
                    visit.predict(at, *wait, true);
                }
            }
            What::Offered { queue, agent, why, runner_up, .. } => {
                let offer = OfferRecord {
                    queue: queue.clone(),
                    agent: agent.clone(),
                    offered: at,
                    ended: None,
                    briefed_ms: 0,
                    outcome: None,
                    why: *why,
                    runner_up: runner_up.clone(),
                };
                self.record.dropped += push(&mut self.record.offers, offer, |o| o.outcome.is_some());
            }
            What::Briefed(Briefing { agent, took, .. }) => {
                let mut offers = self.record.offers.iter_mut().rev();
                if let Some(offer) = offers.find(|o| o.agent == *agent && o.outcome.is_none()) {
                    offer.briefed_ms = took.as_millis() as u64;
                }
            }
            What::OfferEnded { agent, outcome, .. } => self.offer_ended(at, agent, *outcome, slots),
            What::Dequeued { reason: DequeueReason::Left, .. } => {
                if let Some(visit) = self.record.visit() {
                    visit.out = Some(at);
                }
            }
            What::Dequeued { queue, reason, .. } => {
                let end = VisitEnd::from(*reason);
                // A queue that refuses at once may say so without having taken the call first: it was offered all the same.
                if matches!(end, VisitEnd::Full | VisitEnd::NoAgents | VisitEnd::Closed)
                    && self.record.visit().is_none()
                {
                    self.enqueued(at, QueueVisit::new(at, queue), slots);
                }
                self.end_visit(at, end, slots);
            }
            _ => {}
        }
    }

    /// Begins a stay, or goes on with the one the caller comes back to: that is one call offered, not two.
    fn enqueued(&mut self, at: Time, visit: QueueVisit, slots: &mut Slots) {
        if visit.is_callback() && self.record.visit().is_some() {
            // Lined up anew after the customer was not reached: the same stay.
            return;
        }
        self.end_visit(at, VisitEnd::Left, slots);
        self.record.queue = Some(visit.queue.clone());
        let mut out = self.record.visits.iter_mut().filter(|v| v.out.is_some() && v.end.is_none());
        if visit.entrance == Entrance::Returned
            && let Some(former) = out.find(|v| v.queue == visit.queue)
        {
            // What was told to one who then went elsewhere is no prediction any more.
            (former.out, former.predicted) = (None, visit.predicted);
            return;
        }
        let counts = slots.at(&Slot::of(at, &visit.queue));
        if visit.is_callback() {
            counts.callbacks.asked += 1;
            self.stays.push(Stay::Promised(visit.queue.clone()));
            self.record.visits.push(visit);
            return;
        }
        counts.offered += 1;
        match visit.entrance {
            Entrance::First | Entrance::Callback => {}
            Entrance::Resumed => counts.resumed += 1,
            Entrance::Returned | Entrance::Transferred | Entrance::PhoneLost => counts.returned += 1,
        }
        self.stays.push(Stay::Began(visit.queue.clone()));
        self.record.dropped += push(&mut self.record.visits, visit, |v| v.end.is_some_and(|e| e != VisitEnd::Answered));
    }

    /// The stay the caller had there, and left for this, ends by it.
    fn called_back(&mut self, at: Time, queue: &Name, slots: &mut Slots) {
        let left = |visit: &&mut QueueVisit| visit.end.is_none() && visit.queue == *queue;
        if let Some(visit) = self.record.visits.iter_mut().rev().find(left) {
            let left = visit.out.unwrap_or(at);
            end_stay(visit, left, VisitEnd::Callback, slots, &mut self.stays);
        }
    }

    fn offer_ended(&mut self, at: Time, agent: &Name, outcome: OfferOutcome, slots: &mut Slots) {
        let mut offers = self.record.offers.iter_mut().rev();
        if let Some(offer) = offers.find(|o| o.agent == *agent && o.outcome.is_none()) {
            (offer.ended, offer.outcome) = (Some(at), Some(outcome));
            // Of several phones that rang at once, the one answered counts.
            self.record.ring_ms += offer.rang_ms().filter(|_| outcome != OfferOutcome::Withdrawn).unwrap_or_default();
        }
        match outcome {
            // Of a call-back only the customer's answer ends the wait.
            OfferOutcome::Answered if self.record.visit().is_some_and(|visit| visit.is_callback()) => {}
            OfferOutcome::Answered => self.end_visit(at, VisitEnd::Answered, slots),
            OfferOutcome::Abandoned => self.end_visit(at, VisitEnd::AbandonedRinging, slots),
            OfferOutcome::NoAnswer | OfferOutcome::Refused | OfferOutcome::Unreachable | OfferOutcome::Withdrawn => {}
        }
    }

    fn end_visit(&mut self, at: Time, end: VisitEnd, slots: &mut Slots) {
        let Some(visit) = self.record.visit() else { return };
        let wait_ms = ms(visit.entered, at);
        let callback = visit.is_callback();
        let counts = end_stay(visit, at, end, slots, &mut self.stays);
        if end == VisitEnd::Answered {
            let record = &mut self.record;
            record.customer_wait_ms.get_or_insert(ms(record.arrived, at));
            record.queue_wait_ms.get_or_insert(wait_ms);
            if !callback {
                let ringing = record.offers.last().map_or(0, |o| o.rang_ms().unwrap_or_else(|| ms(o.offered, at)));
                counts.ring.add(ringing);
            }
        }
    }

    fn connected(
        &mut self,
        at: Time,
        party: &Party,
        queue: Option<&Name>,
        slots: &mut Slots,
        agents: &mut BTreeMap<Name, AgentTimes>,
    ) {
        self.end_spell(at, slots);
        self.spell = Some(Spell { marked: at, ..Spell::default() });
        let Party::Agent(agent) = party else { return };
        self.record.agent = Some(agent.clone());
        if queue.is_some() {
            self.end_visit(at, VisitEnd::Answered, slots);
        }
        self.record.customer_wait_ms.get_or_insert(ms(self.record.arrived, at));
        if let (Some(times), Some(slot)) = (agents.get_mut(agent), self.answered_slot()) {
            times.served = Some(slot);
        }
    }

    fn held(&mut self, at: Time, leg: LegId, on: bool) {
        let Some(spell) = &mut self.spell else { return };
        spell.mark(at);
        spell.holding.retain(|l| *l != leg);
        if on && spell.holding.len() < STORY_MAX {
            spell.holding.push(leg);
        }
    }

    fn end_spell(&mut self, at: Time, slots: &mut Slots) {
        let Some(mut spell) = self.spell.take() else { return };
        spell.mark(at);
        self.talk += spell.talk;
        self.hold += spell.hold;
        if let Some(slot) = self.answered_slot() {
            let counts = slots.at(&slot);
            counts.talk.add(spell.talk.as_millis() as u64);
            counts.hold.add(spell.hold.as_millis() as u64);
            counts.held += u64::from(!spell.hold.is_zero());
        }
    }

    fn answered_slot(&self) -> Option<Slot> {
        let answered = self.record.visits.iter().rev().find(|v| v.end == Some(VisitEnd::Answered))?;
        (!answered.is_callback()).then(|| Slot::of(answered.entered, &answered.queue))
    }

    pub(crate) fn finish(&mut self, at: Time, cause: Cause, slots: &mut Slots) {
        self.end_spell(at, slots);
        let gave_up = matches!(cause, Cause::CallerHungUp | Cause::CallerCancelled | Cause::PeerVanished);
        let ringing = self.record.offers.last().is_some_and(|o| o.outcome.is_none());
        let end = match (gave_up, ringing) {
            _ if cause == Cause::CallbackFailed => VisitEnd::Unreached,
            _ if cause == Cause::CallbackExpired => VisitEnd::Expired,
            (true, true) => VisitEnd::AbandonedRinging,
            (true, false) => VisitEnd::AbandonedWaiting,
            (false, _) => VisitEnd::Refused,
        };
        self.end_visit(at, end, slots);
        let record = &mut self.record;
        for visit in record.visits.iter_mut().filter(|visit| visit.end.is_none()) {
            let left = visit.out.unwrap_or(at);
            end_stay(visit, left, VisitEnd::Left, slots, &mut self.stays);
        }
        for offer in record.offers.iter_mut().filter(|o| o.outcome.is_none()) {
            (offer.ended, offer.outcome) = (Some(at), Some(OfferOutcome::Abandoned));
            record.ring_ms += ms(offer.offered, at);
        }
        for survey in &mut record.surveys {
            survey.finish(at, SurveyEnd::CutShort);
        }
        for leg in &mut record.legs {
            leg.ended.get_or_insert(at);
        }
        (record.ended, record.cause) = (at, cause);
        (record.talk_ms, record.hold_ms) = (self.talk.as_millis() as u64, self.hold.as_millis() as u64);
    }
}

impl Spell {
    fn mark(&mut self, at: Time) {
        let span = at.since(self.marked);
        *(if self.holding.is_empty() { &mut self.talk } else { &mut self.hold }) += span;
        self.marked = self.marked.max(at);
    }
}

/// Ends a stay and counts it.
fn end_stay<'s>(
    visit: &mut QueueVisit,
    at: Time,
    end: VisitEnd,
    slots: &'s mut Slots,
    stays: &mut Vec<Stay>,
) -> &'s mut Counts {
    visit.finish(at, end);
    let counts = slots.at(&Slot::of(visit.entered, &visit.queue));
    match visit.is_callback() {
        true => counts.callbacks.end(end),
        false => counts.end(end, visit.wait_ms()),
    }
    stays.push(Stay::Ended(visit.clone()));
    counts
}

pub(crate) fn leg_record(at: Time, leg: LegId, party: &Party) -> LegRecord {
    LegRecord {
        leg,
        side: party.side(),
        party: party.clone(),
        opened: at,
        rang: None,
        answered: None,
        joined: false,
        ended: None,
        status: 0,
        stats: StreamStats::default(),
        mos_in: None,
        mos_out: None,
        fax: None,
        unheard: None,
        release: None,
    }
}

/// Appends, dropping the first spare entry after the head when the list is full; says how many were dropped.
fn push<T>(list: &mut Vec<T>, item: T, spare: impl Fn(&T) -> bool) -> u32 {
    let full = list.len() >= STORY_MAX;
    if full {
        let victim = 1 + list[1..].iter().position(spare).unwrap_or_default();
        list.remove(victim);
    }
    list.push(item);
    u32::from(full)
}
