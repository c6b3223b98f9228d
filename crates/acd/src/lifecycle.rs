//! The life of an agent: every change of state passes through `enter`, which keeps lists and counts right.

use crate::acd::{Acd, micros, tell};
use crate::agent::{After, Agent, NO_QUEUE, Work};
use crate::command::{Decision, Denied};
use crate::group::Idle;
use crate::policy::NoAnswer;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, AgentState, CallId, DequeueReason, Name, OfferOutcome, Time};
use std::time::Duration;

impl Acd {
    pub(crate) fn sign_in(
        &mut self,
        agent: AgentId,
        not_ready: Option<Name>,
        out: &mut Vec<Decision>,
    ) -> Result<(), Denied> {
        if self.known_agent(agent)?.state != AgentState::SignedOut {
            return self.wrong_state(agent);
        }
        match not_ready {
            Some(reason) => self.be_not_ready(agent, reason, out),
            None => self.become_ready(agent, out),
        }
        Ok(())
    }

    pub(crate) fn sign_out(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        match self.known_agent(agent)?.state {
            AgentState::SignedOut => return self.wrong_state(agent),
            AgentState::Talking => self.plan(agent, After::SignedOut, None),
            AgentState::Ringing => {
                let slot = self.withdraw(agent, out);
                self.depart(agent, slot, out);
            }
            _ => self.depart(agent, None, out),
        }
        Ok(())
    }

    /// Stops an offer; returns its call when nobody else is rung for it: it is in no line then.
    fn withdraw(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> Option<Slot> {
        let Work { call, slot, .. } = self.agent_ref(agent).work;
        out.push(Decision::Withdraw { call, agent });
        self.take_back(slot, agent).then_some(slot)
    }

    pub(crate) fn ready(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        match self.known_agent(agent)?.state {
            AgentState::SignedOut => return self.wrong_state(agent),
            AgentState::Ready => {}
            AgentState::Talking | AgentState::Hold | AgentState::Ringing => self.plan(agent, After::Ready, None),
            AgentState::NotReady | AgentState::WrapUp => self.become_ready(agent, out),
        }
        Ok(())
    }

    pub(crate) fn not_ready(&mut self, agent: AgentId, reason: Name, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let known = self.known_agent(agent)?;
        match known.state {
            AgentState::SignedOut => return self.wrong_state(agent),
            AgentState::Talking | AgentState::Ringing => self.plan(agent, After::NotReady, Some(reason)),
            AgentState::NotReady if known.reason.as_ref() == Some(&reason) => {}
            _ => self.be_not_ready(agent, reason, out),
        }
        Ok(())
    }

    pub(crate) fn force_not_ready(
        &mut self,
        agent: AgentId,
        reason: Name,
        out: &mut Vec<Decision>,
    ) -> Result<(), Denied> {
        if self.known_agent(agent)?.state != AgentState::Ringing {
            return self.not_ready(agent, reason, out);
        }
        let slot = self.withdraw(agent, out);
        self.be_not_ready(agent, reason, out);
        if let Some(slot) = slot {
            self.admit(slot, false, out);
        }
        Ok(())
    }

    pub(crate) fn rest_for(&mut self, agent: AgentId, pause: Duration) -> Result<(), Denied> {
        if self.known_agent(agent)?.state != AgentState::NotReady {
            return self.wrong_state(agent);
        }
        self.pauses.set(agent.0, self.now + pause);
        self.wake = self.wake.min(self.now + pause);
        Ok(())
    }

    pub(crate) fn extend_wrap_up(&mut self, agent: AgentId, by: Duration) -> Result<(), Denied> {
        if self.known_agent(agent)?.state != AgentState::WrapUp {
            return self.wrong_state(agent);
        }
        let until = self.wrap_ups.at(agent.0).expect("after-call work has its end");
        self.wrap_ups.set(agent.0, until + by);
        Ok(())
    }

    fn plan(&mut self, agent: AgentId, after: After, reason: Option<Name>) {
        let planning = self.agent_mut(agent);
        (planning.after, planning.reason) = (after, reason);
    }

    fn be_not_ready(&mut self, agent: AgentId, reason: Name, out: &mut Vec<Decision>) {
        self.agent_mut(agent).reason = Some(reason);
        self.rest(agent, out);
    }

    /// Not ready, for the reason given; who wished for this agent waits no longer.
    fn rest(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        self.enter(agent, AgentState::NotReady, out);
        self.release_wishes(agent, out);
    }

    pub(crate) fn accepted(&mut self, call: CallId, agent: AgentId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let slot = self.offered(call, agent)?;
        let others = match self.take_back(slot, agent) {
            true => Vec::new(),
            false => self.take_back_all(slot),
        };
        self.forget(slot, false);
        self.go_on(agent, AgentState::Talking, out);
        self.withdraw_all(call, others, out);
        Ok(())
    }

    pub(crate) fn declined(
        &mut self,
        call: CallId,
        agent: AgentId,
        outcome: OfferOutcome,
        out: &mut Vec<Decision>,
    ) -> Result<(), Denied> {
        let slot = self.offered(call, agent)?;
        let reason = match outcome {
            OfferOutcome::NoAnswer => &self.reasons.no_answer,
            OfferOutcome::Refused => &self.reasons.refused,
            OfferOutcome::Unreachable => &self.reasons.unreachable,
            OfferOutcome::Abandoned => return self.leave(call, out),
            OfferOutcome::Answered | OfferOutcome::Withdrawn => return self.wrong_state(agent),
        };
        let reason = reason.clone();
        let queue = self.lanes[self.calls.slab[slot].class as usize].queue;
        let NoAnswer { misses_max, pause } = self.queue_ref(queue).spec.policy.no_answer;
        let missed = outcome != OfferOutcome::Unreachable;
        let over = self.take_back(slot, agent);
        if missed && !self.agent_mut(agent).merit.miss(misses_max) {
            if over {
                self.admit(slot, false, out);
            }
            self.resume(agent, out);
            return Ok(());
        }
        self.be_not_ready(agent, reason, out);
        if let Some(pause) = pause.filter(|_| missed) {
            self.pauses.set(agent.0, self.now + pause);
            self.wake = self.wake.min(self.now + pause);
        }
        if over {
            self.admit(slot, false, out);
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self, call: CallId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let slot = self.calls.find(call).ok_or(Denied::UnknownCall(call))?;
        if self.calls.slab[slot].ringing().is_none() {
            self.unlink(slot);
            self.forget(slot, true);
            return Ok(());
        }
        let rung = self.take_back_all(slot);
        self.forget(slot, true);
        for agent in rung {
            self.let_go(agent, out);
        }
        Ok(())
    }

    pub(crate) fn released(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let known = self.known_agent(agent)?;
        if known.state != AgentState::Talking {
            return self.wrong_state(agent);
        }
        if known.work.wrap_up == 0 || known.after == After::SignedOut {
            self.resume(agent, out);
        } else {
            let until = self.now + Duration::from_micros(known.work.wrap_up);
            self.go_on(agent, AgentState::WrapUp, out);
            self.wrap_ups.set(agent.0, until);
            self.wake = self.wake.min(until);
        }
        Ok(())
    }

    pub(crate) fn occupy(&mut self, agent: AgentId, call: CallId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        // From after-call work it goes back to after-call work; otherwise to where it was.
        let known = self.known_agent(agent)?;
        let (wrap_up, after) = match known.state {
            AgentState::Ready => (0, After::Ready),
            AgentState::NotReady => (0, After::NotReady),
            AgentState::WrapUp => (known.work.wrap_up, known.after),
            _ => return self.wrong_state(agent),
        };
        self.enter(agent, AgentState::Talking, out);
        let began = self.now;
        let entered = self.agent_mut(agent);
        entered.work = Work { call, slot: NONE, queue: NO_QUEUE, began, wrap_up };
        entered.after = after;
        Ok(())
    }

    pub(crate) fn moved(&mut self, agent: AgentId, call: CallId) -> Result<(), Denied> {
        if self.known_agent(agent)?.state != AgentState::Talking {
            return self.wrong_state(agent);
        }
        self.agent_mut(agent).work.call = call;
        Ok(())
    }

    pub(crate) fn end_wrap_up(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        if self.agent_ref(agent).state == AgentState::WrapUp {
            self.resume(agent, out);
        }
    }

    pub(crate) fn resume(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        match self.agent_ref(agent).after {
            After::Ready => self.become_ready(agent, out),
            After::NotReady => self.rest(agent, out),
            After::SignedOut => self.depart(agent, None, out),
        }
    }

    /// Free from now on.
    pub(crate) fn become_ready(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        self.idle_seq += 1;
        self.agent_mut(agent).idle_seq = self.idle_seq;
        self.seek_or_idle(agent, out);
    }

    pub(crate) fn seek_or_idle(&mut self, agent: AgentId, out: &mut Vec<Decision>) {
        if !self.seek_call(agent, out) {
            self.enter(agent, AgentState::Ready, out);
        }
    }

    /// Signs out; the call that was being offered looks for somebody else, and calls nobody is left for overflow.
    fn depart(&mut self, agent: AgentId, offered: Option<Slot>, out: &mut Vec<Decision>) {
        self.enter(agent, AgentState::SignedOut, out);
        if let Some(slot) = offered {
            self.admit(slot, false, out);
        }
        self.release_wishes(agent, out);
        let group = &self.groups[self.agent_ref(agent).group];
        let classes: Vec<Slot> = match group.signed_in {
            0 => group.classes().collect(),
            _ => Vec::new(),
        };
        let mut calls = self.stranded(&classes);
        calls.extend(self.personal_of(agent));
        self.overflow(calls, DequeueReason::NoAgents, out);
    }

    /// Calls that wait for this agent in queues that do not let them wait for somebody absent.
    fn personal_of(&self, agent: AgentId) -> Vec<Slot> {
        let line = self.agent_ref(agent).personal.iter(&self.calls.slab);
        let impatient =
            line.filter(|(_, call)| self.queue_ref(self.lanes[call.class as usize].queue).spec.overflow_no_agents);
        impatient.map(|(slot, _)| slot).collect()
    }

    /// The slot of the call that is being offered to this agent.
    fn offered(&self, call: CallId, agent: AgentId) -> Result<Slot, Denied> {
        let known = self.known_agent(agent);
        if let Ok(Agent { state: AgentState::Ringing, work, .. }) = known
            && work.call == call
        {
            return Ok(work.slot);
        }
        self.calls.find(call).ok_or(Denied::UnknownCall(call))?;
        Err(Denied::WrongState { agent, state: known?.state })
    }

    fn wrong_state<T>(&self, agent: AgentId) -> Result<T, Denied> {
        Err(Denied::WrongState { agent, state: self.agent_ref(agent).state })
    }

    /// The same call in the next state: no list and no count changes.
    fn go_on(&mut self, agent: AgentId, state: AgentState, out: &mut Vec<Decision>) {
        let now = self.now;
        let entered = self.agent_mut(agent);
        let (was, work) = ((entered.state, entered.since, entered.work.queue), entered.work);
        (entered.state, entered.since) = (state, now);
        entered.merit.learn(now, was, state);
        if was.0 == AgentState::Talking {
            self.learn_talk(&work, was.1);
        }
        tell(out, || Decision::Agent { agent, state, reason: None });
    }

    /// The one place where an agent's state changes, but for `go_on`.
    pub(crate) fn enter(&mut self, agent: AgentId, to: AgentState, out: &mut Vec<Decision>) {
        let now = self.now;
        let entered = self.agent_mut(agent);
        let from = std::mem::replace(&mut entered.state, to);
        let was = (from, entered.since, entered.work.queue);
        entered.since = now;
        entered.merit.learn(now, was, to);
        let reason = entered.not_ready().cloned();
        tell(out, || Decision::Agent { agent, state: to, reason });
        if matches!(from, AgentState::Talking | AgentState::WrapUp) {
            let work = entered.work;
            if from == AgentState::Talking {
                self.learn_talk(&work, was.1);
            }
            if from == AgentState::WrapUp {
                self.wrap_ups.clear(agent.0);
            }
            self.learn_handling(agent, &work);
        }
        if from == AgentState::NotReady {
            self.pauses.clear(agent.0);
        }
        self.shift(agent, from, to);
    }

    /// The conversation that began then is over.
    fn learn_talk(&mut self, work: &Work, began: Time) {
        if let Some(Some(queue)) = self.queues.get_mut(work.queue.0 as usize) {
            queue.habits.talked(micros(began, work.began), micros(self.now, began));
        }
    }

    /// The call is over and its after-call work too: counts how long that took, when the ACD gave it.
    fn learn_handling(&mut self, agent: AgentId, work: &Work) {
        let seconds = self.now.since(work.began).as_secs_f64();
        if let Some(Some(queue)) = self.queues.get_mut(work.queue.0 as usize) {
            queue.handling.learn(seconds);
            if queue.spec.policy.order.looks_at_own() {
                self.learn_own(agent, work.queue, seconds);
            }
        }
    }

    /// Takes the agent out of the lists and counts of the group.
    pub(crate) fn leave_group(&mut self, agent: AgentId) {
        let kind = self.agent_ref(agent).state;
        self.shift(agent, kind, AgentState::SignedOut);
        let group = self.agent_ref(agent).group;
        self.groups[group].members -= 1;
    }

    /// Puts the agent into the lists and counts of the group.
    pub(crate) fn join_group(&mut self, agent: AgentId) {
        let (kind, group) = (self.agent_ref(agent).state, self.agent_ref(agent).group);
        self.groups[group].members += 1;
        self.shift(agent, AgentState::SignedOut, kind);
    }

    /// Moves the agent between the lists and counts of the group that go with these states.
    fn shift(&mut self, agent: AgentId, from: AgentState, to: AgentState) {
        if from == AgentState::Ready {
            self.idle_remove(agent);
        }
        if to == AgentState::Ready {
            self.idle_insert(agent);
        }
        let counted = |state| matches!(state, AgentState::SignedOut | AgentState::NotReady);
        if !counted(from) && !counted(to) {
            return;
        }
        let slot = self.agent_ref(agent).group;
        let group = &mut self.groups[slot];
        group.not_ready -= u32::from(from == AgentState::NotReady);
        group.not_ready += u32::from(to == AgentState::NotReady);
        match (from == AgentState::SignedOut, to == AgentState::SignedOut) {
            (true, false) => group.signed_in += 1,
            (false, true) => group.signed_in -= 1,
            _ => return,
        }
        let (staffed, absent) = (to != AgentState::SignedOut && group.signed_in == 1, group.signed_in == 0);
        if !staffed && !absent {
            return;
        }
        for class in group.classes() {
            let lane = &mut self.lanes[class as usize];
            lane.staffed_groups += u32::from(staffed);
            lane.staffed_groups -= u32::from(absent);
        }
    }

    /// In order of `idle_seq`: who becomes idle goes to the end, who comes back from an offer near the head.
    fn idle_insert(&mut self, agent: AgentId) {
        let Agent { group, idle_seq, .. } = *self.agent_ref(agent);
        let idle = self.idle[group as usize];
        let back = idle.seq < idle_seq;
        let (mut prev, mut next) = if back { (self.groups[group].tail, NONE) } else { (NONE, idle.head) };
        while prev != NONE && self.agent_ref(AgentId(prev)).idle_seq > idle_seq {
            next = prev;
            prev = self.agent_ref(AgentId(prev)).prev;
        }
        let entered = self.agent_mut(agent);
        (entered.prev, entered.next) = (prev, next);
        match next {
            NONE => self.groups[group].tail = agent.0,
            _ => self.agent_mut(AgentId(next)).prev = agent.0,
        }
        match prev {
            NONE => (self.idle[group as usize].head, self.idle[group as usize].seq) = (agent.0, idle_seq),
            _ => self.agent_mut(AgentId(prev)).next = agent.0,
        }
        self.idle[group as usize].count += 1;
        if idle.count == 0 {
            for class in self.groups[group].classes() {
                self.lanes[class as usize].idle_groups += 1;
            }
        }
    }

    fn idle_remove(&mut self, agent: AgentId) {
        let Agent { group, prev, next, .. } = *self.agent_ref(agent);
        match next {
            NONE => self.groups[group].tail = prev,
            _ => self.agent_mut(AgentId(next)).prev = prev,
        }
        match prev {
            NONE => {
                let seq = if next == NONE { Idle::NOBODY.seq } else { self.agent_ref(AgentId(next)).idle_seq };
                (self.idle[group as usize].head, self.idle[group as usize].seq) = (next, seq);
            }
            _ => self.agent_mut(AgentId(prev)).next = next,
        }
        self.idle[group as usize].count -= 1;
        if self.idle[group as usize].count == 0 {
            for class in self.groups[group].classes() {
                self.lanes[class as usize].idle_groups -= 1;
            }
        }
    }
}
