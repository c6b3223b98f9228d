//! The match itself: a call looks for an agent, an agent looks for a call.

use crate::acd::{Acd, CALLS_MAX, PERSONAL_MAX, SKILLS_MAX, micros, tell};
use crate::agent::{After, Work};
use crate::bid::Bid;
use crate::call::Call;
use crate::class::{self, Front};
use crate::command::{Decision, Denied, Enqueue};
use crate::policy::Order;
use crate::queue::normalised;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, AgentState, CallId, Candidate, DequeueReason, Rank, Rule, Why};
use std::cmp::Ordering;
use std::time::Duration;

/// Whom a call could get.
struct Found {
    agent: AgentId,
    rank: Rank,
    idle: u32,
    runner_up: Option<Candidate>,
}

impl Acd {
    pub(crate) fn enqueue(&mut self, wish: Enqueue, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let queue = wish.queue;
        let plain = self.known_queue(queue)?.plain;
        if self.calls.find(wish.call).is_some() {
            return Err(Denied::AlreadyQueued(wish.call));
        }
        if let Some(agent) = wish.agent {
            self.known_agent(agent)?;
        }
        if wish.required.len() > SKILLS_MAX {
            return Err(Denied::Limit { what: "skills", max: SKILLS_MAX });
        }
        if self.calls.len() >= CALLS_MAX {
            return Err(Denied::Limit { what: "calls", max: CALLS_MAX });
        }
        let class = match wish.priority == 0 && wish.required.is_empty() {
            true => plain,
            false => self.class_for(queue, wish.priority, normalised(wish.required))?,
        };
        self.call_seq += 1;
        let seq = self.call_seq;
        let lane = &mut self.lanes[class as usize];
        lane.calls += 1;
        lane.used = seq;
        let since = wish.since.min(self.now);
        let wished = wish.prefer.filter(|_| wish.agent.is_none()).and_then(|prefer| self.wished(prefer));
        let call = Call::new(wish.call, since, seq, class, wish.agent.or(wished.map(|wished| wished.0)));
        let now = self.now;
        let new = since == now;
        if new {
            self.queue_mut(queue).habits.arrived(now);
        }
        let slot = self.calls.insert(call);
        if let Some((_, until)) = wished {
            self.wishes.insert(slot, until);
        }
        self.admit(slot, new, out);
        Ok(())
    }

    /// A call in no line, new or one that had a place before: an agent who is free, else a place in its line, else
    /// overflow. Who had a place is never one too many.
    pub(crate) fn admit(&mut self, slot: Slot, new: bool, out: &mut Vec<Decision>) {
        if !self.wishes.is_empty() {
            self.drop_vain_wish(slot);
        }
        if let Some((agent, why)) = self.seek_agent(slot, 1) {
            self.offer(slot, agent, why, out);
            return self.ring_others(slot, 1, out);
        }
        let call = &self.calls.slab[slot];
        let queue = self.queue_ref(self.lanes[call.class as usize].queue);
        let (absent, crowded) = match call.direct {
            Some(agent) => {
                let agent = self.agent_ref(agent);
                (agent.state == AgentState::SignedOut, agent.personal.len >= PERSONAL_MAX)
            }
            None => (self.lanes[call.class as usize].staffed_groups == 0, false),
        };
        let full = crowded || queue.spec.waiting_max.is_some_and(|max| queue.waiting >= max);
        let full = full || (new && self.would_wait_too_long(call));
        let reason = match (absent && queue.spec.overflow_no_agents, full && new) {
            (true, _) => DequeueReason::NoAgents,
            (_, true) => DequeueReason::Full,
            _ => return self.link(slot),
        };
        let call = self.forget(slot, false);
        out.push(Decision::Overflow { call, reason });
    }

    /// The best idle agent for a call that is, or would be, the head of its line. `calls_waiting` is what that agent
    /// could take, this call included.
    #[inline(always)]
    pub(crate) fn seek_agent(&self, slot: Slot, calls_waiting: u32) -> Option<(AgentId, Why)> {
        let call = &self.calls.slab[slot];
        let (rule, found) = match call.direct {
            Some(agent) => {
                let free = self.agent_ref(agent).state == AgentState::Ready;
                let rank = Rank::default();
                (self.personal_rule(slot), free.then_some(Found { agent, rank, idle: 1, runner_up: None })?)
            }
            // Whoever fits this call would fit the head of its class, which waits: so nobody idle does.
            None if self.lanes[call.class as usize].idle_groups == 0 || self.has_before(call) => return None,
            None => (self.queue_ref(self.lanes[call.class as usize].queue).spec.rule(), self.best_agent(call)?),
        };
        let why = Why {
            rule,
            waited: self.now.since(call.since),
            score: self.score(call, self.now),
            rank: found.rank,
            agents_idle: found.idle,
            calls_waiting,
            runner_up: found.runner_up,
            from_age: self.least_age(call, self.agent_ref(found.agent).group),
        };
        Some((found.agent, why))
    }

    /// Somebody of its class waits who comes before this call.
    fn has_before(&self, call: &Call) -> bool {
        let front = &self.fronts[call.class as usize];
        match front.since.cmp(&call.since.as_micros()) {
            Ordering::Equal => self.calls.slab[front.head].seq < call.seq,
            order => order == Ordering::Less,
        }
    }

    /// Somebody is idle for a call that is in no line.
    pub(crate) fn has_agent_for(&self, call: &Call) -> bool {
        self.lanes[call.class as usize].idle_groups > 0 && !self.has_before(call) && self.best_agent(call).is_some()
    }

    /// Best rank, then whose turn it is, among the groups that fit at the call's age.
    fn best_agent(&self, call: &Call) -> Option<Found> {
        match self.queue_ref(self.lanes[call.class as usize].queue).spec.policy.order {
            Order::LongestIdle => self.longest_idle(call),
            order => self.best_by(order, call),
        }
    }

    /// All idle agents who fit, by their turn.
    fn best_by(&self, order: Order, call: &Call) -> Option<Found> {
        let age = micros(self.now, call.since);
        let nobody = ((u64::MAX, u64::MAX, u64::MAX), NONE);
        let (mut best, mut second, mut count) = (nobody, nobody, 0);
        for edge in &self.classes[call.class].edges {
            let idle = &self.idle[edge.group as usize];
            if age < edge.min_age || idle.count <= edge.keep {
                continue;
            }
            count += idle.count;
            let mut at = idle.head;
            while at != NONE {
                let agent = self.agent_ref(AgentId(at));
                let rank = match order {
                    Order::Weighted => edge.rank | u64::from(self.shortfall(agent.id, call)),
                    _ => edge.rank,
                };
                let candidate = ((rank, self.turn_by(order, agent.id, call), agent.idle_seq), at);
                if candidate < best {
                    (best, second) = (candidate, best);
                } else if candidate < second {
                    second = candidate;
                }
                at = agent.next;
            }
        }
        let ((rank, ..), agent) = best;
        let runner_up = (second.1 != NONE).then_some(Candidate::Agent(AgentId(second.1), Rank(second.0.0)));
        (agent != NONE).then_some(Found { agent: AgentId(agent), rank: Rank(rank), idle: count, runner_up })
    }

    /// The heads of the idle lists say it.
    fn longest_idle(&self, call: &Call) -> Option<Found> {
        let age = micros(self.now, call.since);
        let nobody = (u128::MAX, NONE);
        let (mut best, mut second, mut count) = (nobody, nobody, 0);
        for edge in &self.classes[call.class].edges {
            if age < edge.min_age {
                continue;
            }
            let idle = &self.idle[edge.group as usize];
            // A group with too few idle comes last. No branch of its own: it would be a guess.
            let vacant = u64::from(idle.count <= edge.keep).wrapping_neg();
            let candidate = (turn(edge.rank | vacant, idle.seq | vacant), idle.head | vacant as u32);
            count += idle.count & !(vacant as u32);
            if candidate.0 < second.0 {
                if candidate.0 < best.0 {
                    (best, second) = (candidate, best);
                } else {
                    second = candidate;
                }
            }
        }
        let (key, agent) = best;
        if agent == NONE {
            return None;
        }
        let next = self.agent_ref(AgentId(agent)).next;
        let rank = (key >> u64::BITS) as u64;
        if next != NONE {
            second = second.min((turn(rank, self.agent_ref(AgentId(next)).idle_seq), next));
        }
        let behind = Rank((second.0 >> u64::BITS) as u64);
        let runner_up = (second.1 != NONE).then_some(Candidate::Agent(AgentId(second.1), behind));
        Some(Found { agent: AgentId(agent), rank: Rank(rank), idle: count, runner_up })
    }

    /// Offers the agent, who has no call in hand, the best call there is.
    pub(crate) fn seek_call(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> bool {
        let seeker = self.agent_ref(agent);
        let personal = seeker.personal;
        let others = self.idle[seeker.group as usize].count - u32::from(seeker.state == AgentState::Ready);
        let bids = self.bids(seeker.group, others);
        let (slot, rule, runner_up) = match (personal.head, bids.best.call) {
            (NONE, NONE) => return false,
            (NONE, best) => (best, Rule::HighestScore, self.next_best(seeker.group, &bids)),
            (head, _) => (head, self.personal_rule(head), None),
        };
        let call = &self.calls.slab[slot];
        let score = match rule {
            Rule::HighestScore => bids.best.score,
            _ => self.score(call, self.now),
        };
        let why = Why {
            rule,
            waited: self.now.since(call.since),
            score,
            rank: Rank::default(),
            agents_idle: 1,
            calls_waiting: bids.waiting + personal.len,
            runner_up,
            from_age: self.least_age(call, self.agent_ref(agent).group),
        };
        self.unlink(slot);
        self.offer(slot, agent, why, out);
        true
    }

    /// From which wait on agents of this group may take this call. Zero for one it wants in person.
    fn least_age(&self, call: &Call, group: Slot) -> Duration {
        let min_age = || self.groups[group].terms(call.class).0;
        Duration::from_micros(if call.direct.is_some() { 0 } else { min_age() })
    }

    /// Matches heads of these classes to idle agents until none is left that fits, highest score first.
    pub(crate) fn settle(&mut self, classes: &[Slot], out: &mut Vec<Decision>) {
        loop {
            let now = self.now.as_micros();
            let mut best: Option<(Bid, AgentId)> = None;
            for &class in classes {
                let front = &self.fronts[class as usize];
                if front.head == NONE || self.lanes[class as usize].idle_groups == 0 {
                    continue;
                }
                let bid = front.bid(class, now);
                if best.is_none_or(|(best, _)| bid.beats(&best, &self.calls.slab))
                    && let Some(found) = self.best_agent(&self.calls.slab[front.head])
                {
                    best = Some((bid, found.agent));
                }
            }
            let Some((bid, agent)) = best else { return };
            let group = self.agent_ref(agent).group;
            let waiting = self.bids(group, self.idle[group as usize].count - 1).waiting;
            let (agent, why) = self.seek_agent(bid.call, waiting).expect("the search just found somebody");
            self.unlink(bid.call);
            self.offer(bid.call, agent, why, out);
            self.ring_others(bid.call, waiting, out);
        }
    }

    /// Rings the agent. The call is in no line.
    #[inline(always)]
    pub(crate) fn offer(&mut self, slot: Slot, agent: AgentId, why: Why, out: &mut Vec<Decision>) {
        let call = &self.calls.slab[slot];
        let id = call.id;
        let queue = self.lanes[call.class as usize].queue;
        let began = self.now;
        let entry = self.queue_mut(queue);
        entry.last = agent.0;
        let wrap_up = entry.spec.wrap_up.as_micros() as u64;
        self.enter(agent, AgentState::Ringing, out);
        self.ring(slot, agent);
        let rung = self.agent_mut(agent);
        rung.work = Work { call: id, slot, queue, began, wrap_up };
        (rung.after, rung.reason) = (After::Ready, None);
        tell(out, || Decision::Offer { call: id, queue, agent, why });
    }

    /// Puts a call into its line.
    fn link(&mut self, slot: Slot) {
        let class = self.calls.slab[slot].class;
        let queue = self.lanes[class as usize].queue;
        self.queue_mut(queue).waiting += 1;
        match self.calls.slab[slot].direct {
            Some(agent) => {
                let agent = self.agents[agent.0 as usize].as_mut().expect("direct calls name agents that exist");
                agent.personal.insert(&mut self.calls.slab, slot);
                self.time_personal_call(slot);
            }
            None => {
                self.lanes[class as usize].line.insert(&mut self.calls.slab, slot);
                self.refresh(class);
            }
        }
    }

    /// Takes a waiting call out of its line.
    pub(crate) fn unlink(&mut self, slot: Slot) {
        let class = self.calls.slab[slot].class;
        let queue = self.lanes[class as usize].queue;
        self.queue_mut(queue).waiting -= 1;
        match self.calls.slab[slot].direct {
            Some(agent) => {
                let agent = self.agents[agent.0 as usize].as_mut().expect("direct calls name agents that exist");
                agent.personal.remove(&mut self.calls.slab, slot);
                self.personal.clear(slot);
            }
            None => {
                self.lanes[class as usize].line.remove(&mut self.calls.slab, slot);
                self.refresh(class);
            }
        }
    }

    /// Forgets a call that is in no line.
    pub(crate) fn forget(&mut self, slot: Slot, gave_up: bool) -> CallId {
        if !self.wishes.is_empty() {
            self.wishes.remove(&slot);
        }
        let Call { id, since, class, .. } = self.calls.slab[slot];
        self.calls.remove(id, slot);
        let micros = micros(self.now, since);
        let lane = &mut self.lanes[class as usize];
        lane.calls -= 1;
        let queue = lane.queue;
        self.queue_mut(queue).habits.waited(micros, gave_up);
        id
    }

    /// The line of the class changed.
    fn refresh(&mut self, class: Slot) {
        let lane = &mut self.lanes[class as usize];
        let front = &mut self.fronts[class as usize];
        front.waiting = lane.line.len;
        if front.head == lane.line.head {
            return;
        }
        front.head = lane.line.head;
        if front.head == NONE {
            (front.since, front.base) = (Front::EMPTY.since, Front::EMPTY.base);
            return;
        }
        let head = &self.calls.slab[front.head];
        lane.head = head.id;
        (front.since, front.base) = (head.since.as_micros(), lane.base);
        if self.lanes[class as usize].timed {
            self.arm(class);
        }
    }

    /// Sets the alarm of a class to the next relaxation or overflow of its head, unless it rings before that anyway.
    pub(crate) fn arm(&mut self, class: Slot) {
        let Some(head) = self.lanes[class as usize].line.iter(&self.calls.slab).next() else { return };
        let since = head.1.since;
        let spec = &self.queue_ref(self.lanes[class as usize].queue).spec;
        let step = class::steps(spec).map(|step| since + step).filter(|&at| at > self.now).min();
        let overflow = spec.wait_max.map(|wait_max| since + wait_max);
        let Some(due) = step.into_iter().chain(overflow).min() else { return };
        if self.heads.at(class).is_none_or(|at| at > due) {
            self.heads.set(class, due);
            self.wake = self.wake.min(due);
        }
    }
}

/// Whose turn it is: the lower the sooner.
fn turn(rank: u64, idle_seq: u64) -> u128 {
    u128::from(rank) << u64::BITS | u128::from(idle_seq)
}
