//! Calls that want one agent in person: for good, or as a wish given up after a time.

use crate::acd::{Acd, PERSONAL_MAX};
use crate::command::{Decision, Prefer};
use crate::slab::Slot;
use busyhour_model::{AgentId, AgentState, QueueId, Rule, Time};

impl Acd {
    /// Whom a new call waits for instead of anybody, and until when: an agent who is free, or soon will be.
    pub(crate) fn wished(&self, prefer: Prefer) -> Option<(AgentId, Time)> {
        let state = self.known_agent(prefer.agent).ok()?.state;
        let soon = is_at_work(state) && !prefer.patience.is_zero();
        (state == AgentState::Ready || soon).then_some((prefer.agent, self.now + prefer.patience))
    }

    /// A call in no line that wishes for somebody who is gone, or whom too many want, is anybody's.
    pub(crate) fn drop_vain_wish(&mut self, slot: Slot) {
        if !self.wishes.contains_key(&slot) {
            return;
        }
        let agent = self.calls.slab[slot].direct.map(|agent| self.agent_ref(agent));
        let comes = |state| state == AgentState::Ready || is_at_work(state);
        if agent.is_none_or(|agent| !comes(agent.state) || agent.personal.len >= PERSONAL_MAX) {
            self.wishes.remove(&slot);
            self.calls.slab[slot].direct = None;
        }
    }

    /// Nobody waits for this agent any more who only wished to.
    pub(crate) fn release_wishes(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        if self.wishes.is_empty() {
            return;
        }
        let line = self.agent_ref(agent).personal.iter(&self.calls.slab);
        let wishing: Vec<Slot> = line.map(|(slot, _)| slot).filter(|slot| self.wishes.contains_key(slot)).collect();
        self.release(wishing, out);
    }

    /// Wishes that end now are given up; returns the calls on personal lists that have waited as long as they may.
    pub(crate) fn give_up_wishes(&mut self, out: &mut Vec<Decision>) -> Vec<Slot> {
        let (mut late, mut wishing) = (Vec::new(), Vec::new());
        while let Some(slot) = self.personal.pop_due(self.now) {
            match self.overflow_at(slot).is_some_and(|at| at <= self.now) {
                true => late.push(slot),
                false => wishing.push(slot),
            }
        }
        self.release(wishing, out);
        late
    }

    /// These calls are anybody's from now on, first come first.
    fn release(&mut self, mut wishing: Vec<Slot>, out: &mut Vec<Decision>) {
        wishing.sort_unstable_by_key(|&slot| self.calls.slab[slot].seq);
        for slot in wishing {
            self.unlink(slot);
            self.wishes.remove(&slot);
            self.calls.slab[slot].direct = None;
            self.admit(slot, false, out);
        }
    }

    /// Why an agent is rung for a call that wants this agent.
    pub(crate) fn personal_rule(&self, slot: Slot) -> Rule {
        if self.wishes.contains_key(&slot) { Rule::PreferredAgent } else { Rule::DirectAgent }
    }

    /// When a call has waited as long as its queue allows.
    fn overflow_at(&self, slot: Slot) -> Option<Time> {
        let call = &self.calls.slab[slot];
        let wait_max = self.queue_ref(self.lanes[call.class as usize].queue).spec.wait_max;
        wait_max.map(|wait_max| call.since + wait_max)
    }

    /// Sets the alarm of a call on a personal list.
    pub(crate) fn time_personal_call(&mut self, slot: Slot) {
        match self.overflow_at(slot).into_iter().chain(self.wishes.get(&slot).copied()).min() {
            Some(due) => {
                self.personal.set(slot, due);
                self.wake = self.wake.min(due);
            }
            None => self.personal.clear(slot),
        }
    }

    /// Sets the alarms of the calls of this queue on personal lists.
    pub(crate) fn time_personal_calls(&mut self, queue: QueueId) {
        let waiting = self.calls.slab.iter().filter(|(_, call)| call.direct.is_some() && call.ringing().is_none());
        let of_queue = waiting.filter(|(_, call)| self.lanes[call.class as usize].queue == queue);
        for slot in of_queue.map(|(slot, _)| slot).collect::<Vec<_>>() {
            self.time_personal_call(slot);
        }
    }
}

/// Has a call in hand or has just had one.
pub(crate) fn is_at_work(state: AgentState) -> bool {
    matches!(state, AgentState::Ringing | AgentState::Talking | AgentState::WrapUp)
}
