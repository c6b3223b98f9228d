//! The agents rung for one call, linked through the agents themselves in the order they were rung.

use crate::acd::Acd;
use crate::agent::After;
use crate::command::Decision;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, CallId};

/// Agents of one call rung at once.
pub const RING_MAX: u32 = 16;

impl Acd {
    /// The agents this call rings.
    pub(crate) fn rung(&self, slot: Slot) -> impl Iterator<Item = AgentId> {
        let mut next = self.calls.slab[slot].ringing();
        std::iter::from_fn(move || {
            let agent = next?;
            let beside = self.agent_ref(agent).next;
            next = (beside != NONE).then_some(AgentId(beside));
            Some(agent)
        })
    }

    /// The agent rings for this call, alone or beside others.
    pub(crate) fn ring(&mut self, slot: Slot, agent: AgentId) {
        self.agent_mut(agent).next = NONE;
        if let Some(last) = self.rung(slot).last() {
            self.agent_mut(last).next = agent.0;
            return;
        }
        let call = &mut self.calls.slab[slot];
        call.ring(Some(agent));
        let queue = self.lanes[call.class as usize].queue;
        self.queue_mut(queue).ringing += 1;
    }

    /// The agent rings no more; true when nobody does: the call is in no line then.
    pub(crate) fn take_back(&mut self, slot: Slot, agent: AgentId) -> bool {
        let beside = self.agent_ref(agent).next;
        let before = self.rung(slot).take_while(|&rung| rung != agent).last();
        let call = &mut self.calls.slab[slot];
        match before {
            Some(before) => self.agent_mut(before).next = beside,
            None => call.ring((beside != NONE).then_some(AgentId(beside))),
        }
        let call = &self.calls.slab[slot];
        let over = call.ringing().is_none();
        let queue = self.lanes[call.class as usize].queue;
        self.queue_mut(queue).ringing -= u32::from(over);
        over
    }

    /// Nobody rings for this call any more; returns who did.
    pub(crate) fn take_back_all(&mut self, slot: Slot) -> Vec<AgentId> {
        let rung: Vec<AgentId> = self.rung(slot).collect();
        for &agent in &rung {
            self.take_back(slot, agent);
        }
        rung
    }

    /// Agents rung in vain for a call that another took: it was no contact, so they keep their turn.
    pub(crate) fn withdraw_all(&mut self, call: CallId, rung: Vec<AgentId>, out: &mut Vec<Decision>) {
        for agent in rung {
            out.push(Decision::Withdraw { call, agent });
            self.let_go(agent, out);
        }
    }

    /// The agent rings no more and has missed nothing.
    pub(crate) fn let_go(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        match self.agent_ref(agent).after {
            After::Ready => self.seek_or_idle(agent, out),
            _ => self.resume(agent, out),
        }
    }

    /// Rings further idle agents for a call that rings one, as many as its queue wants.
    pub(crate) fn ring_others(&mut self, slot: Slot, calls_waiting: u32, out: &mut Vec<Decision>) {
        let queue = self.lanes[self.calls.slab[slot].class as usize].queue;
        for _ in 1..self.queue_ref(queue).spec.policy.ring_max {
            let Some((agent, why)) = self.seek_agent(slot, calls_waiting) else { return };
            self.offer(slot, agent, why, out);
        }
    }
}
