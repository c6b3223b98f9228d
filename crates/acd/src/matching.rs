//! The match itself: a call looks for an agent, an agent looks for a call.

use crate::acd::{Acd, CALLS_MAX, PERSONAL_MAX, SKILLS_MAX};
use crate::agent::{After, State, Work};
use crate::call::Call;
use crate::class::Front;
use crate::command::{AgentChoice, Decision, Denied, Enqueue};
use crate::queue::normalised;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, Candidate, DequeueReason, Name, QueueId, Why};
use std::cmp::Ordering;

/// The head of a class, as a candidate for an agent.
#[derive(Clone, Copy)]
struct Bid {
    score: f64,
    since: u64,
    seq: u64,
    call: Slot,
    class: Slot,
    min_age: u64,
}

impl Bid {
    /// Higher score first; at the same score who waits longer, then who came first.
    fn order(&self, other: &Bid) -> Ordering {
        other.score.total_cmp(&self.score).then((self.since, self.seq).cmp(&(other.since, other.seq)))
    }

    fn beats(&self, other: Option<Bid>) -> bool {
        other.is_none_or(|other| self.order(&other) == Ordering::Less)
    }
}

/// What an agent could take.
struct Bids {
    best: Option<Bid>,
    second: Option<Bid>,
    waiting: u32,
}

/// Whom a call could get.
struct Found {
    agent: AgentId,
    idle: u32,
    runner_up: Option<AgentId>,
}

impl Acd {
    pub(crate) fn enqueue(&mut self, wish: Enqueue, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let queue = self.known_queue(wish.queue)?.spec.id;
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
        let class = self.class_for(queue, wish.priority, normalised(wish.required))?;
        self.call_seq += 1;
        let seq = self.call_seq;
        self.classes[class].calls += 1;
        self.classes[class].used = seq;
        let since = wish.since.min(self.now);
        let call = Call { id: wish.call, since, seq, class, prev: NONE, next: NONE, direct: wish.agent, ringing: None };
        let slot = self.calls.insert(call);
        self.admit(slot, true, out);
        Ok(())
    }

    /// A call in no line, new or given back: an agent who is free, else a place in its line, else overflow.
    pub(crate) fn admit(&mut self, slot: Slot, new: bool, out: &mut Vec<Decision>) {
        if let Some((agent, why)) = self.seek_agent(slot, 1) {
            return self.offer(slot, agent, why, out);
        }
        let call = &self.calls.slab[slot];
        let queue = self.queue_ref(self.classes[call.class].queue);
        let (absent, crowded) = match call.direct {
            Some(agent) => {
                let agent = self.agent_ref(agent);
                (agent.state == State::SignedOut, agent.personal.len >= PERSONAL_MAX)
            }
            None => (self.fronts[call.class as usize].staffed_groups == 0, false),
        };
        let full = crowded || queue.spec.waiting_max.is_some_and(|max| queue.waiting >= max);
        let reason = match (absent && queue.spec.overflow_no_agents, full && new) {
            (true, _) => DequeueReason::NoAgents,
            (_, true) => DequeueReason::Full,
            _ => return self.link(slot),
        };
        let call = self.forget(slot).id;
        out.push(Decision::Overflow { call, reason });
    }

    /// The best idle agent for a call that is, or would be, the head of its line. `calls_waiting` is what that agent
    /// could take, this call included.
    fn seek_agent(&self, slot: Slot, calls_waiting: u32) -> Option<(AgentId, Why)> {
        let call = &self.calls.slab[slot];
        let front = &self.fronts[call.class as usize];
        let (rule, found) = match call.direct {
            Some(agent) => {
                let free = self.agent_ref(agent).state == State::Ready;
                (&self.rules.direct_agent, free.then_some(Found { agent, idle: 1, runner_up: None })?)
            }
            // Whoever fits this call would fit the head of its class, which waits: so nobody idle does.
            None if front.idle_groups == 0 || (front.since, front.seq) < (call.since.as_micros(), call.seq) => {
                return None;
            }
            None => (self.choice_rule(self.classes[call.class].queue), self.best_agent(call)?),
        };
        let why = Why {
            rule: rule.clone(),
            waited: self.now.since(call.since),
            score: front.score(self.now.as_micros(), call.since.as_micros()),
            agents_idle: found.idle,
            calls_waiting,
            runner_up: found.runner_up.map(Candidate::Agent),
        };
        Some((found.agent, why))
    }

    fn choice_rule(&self, queue: QueueId) -> &Name {
        match self.queue_ref(queue).spec.choice {
            AgentChoice::LeastSkilled => &self.rules.least_skilled,
            AgentChoice::MostSkilled => &self.rules.most_skilled,
            AgentChoice::LongestIdle => &self.rules.longest_idle,
        }
    }

    /// Best rank, then longest idle, among the groups that fit at the call's age.
    fn best_agent(&self, call: &Call) -> Option<Found> {
        let age = self.now.since(call.since).as_micros() as u64;
        let mut best: Option<((u32, u64), AgentId)> = None;
        let mut second = None;
        let mut count = 0;
        for edge in &self.classes[call.class].edges {
            let idle = &self.idle[edge.group as usize];
            if idle.count == 0 || age < edge.min_age {
                continue;
            }
            count += idle.count;
            let candidate = Some(((edge.rank, idle.seq), AgentId(idle.head)));
            if best.is_none() || candidate < best {
                (best, second) = (candidate, best);
            } else if second.is_none() || candidate < second {
                second = candidate;
            }
        }
        let ((rank, _), agent) = best?;
        let next = self.agent_ref(agent).next;
        if next != NONE {
            let candidate = Some(((rank, self.agent_ref(AgentId(next)).idle_seq), AgentId(next)));
            if second.is_none() || candidate < second {
                second = candidate;
            }
        }
        Some(Found { agent, idle: count, runner_up: second.map(|(_, agent)| agent) })
    }

    /// Offers the agent, who has no call in hand, the best call there is.
    pub(crate) fn seek_call(&mut self, agent: AgentId, out: &mut Vec<Decision>) -> bool {
        let seeker = self.agent_ref(agent);
        let personal = seeker.personal;
        let bids = self.bids(seeker.group);
        let (slot, rule, runner_up) = match (personal.head, bids.best) {
            (NONE, None) => return false,
            (NONE, Some(best)) => {
                let next = self.next_bid(&best).filter(|next| next.beats(bids.second));
                let second = next.or(bids.second);
                let runner_up = second.map(|bid| Candidate::Call(self.calls.slab[bid.call].id, bid.score));
                (best.call, &self.rules.highest_score, runner_up)
            }
            (head, _) => (head, &self.rules.direct_agent, None),
        };
        let call = &self.calls.slab[slot];
        let why = Why {
            rule: rule.clone(),
            waited: self.now.since(call.since),
            score: self.fronts[call.class as usize].score(self.now.as_micros(), call.since.as_micros()),
            agents_idle: 1,
            calls_waiting: bids.waiting + personal.len,
            runner_up,
        };
        self.unlink(slot);
        self.offer(slot, agent, why, out);
        true
    }

    /// The heads this group may serve now.
    fn bids(&self, group: Slot) -> Bids {
        let now = self.now.as_micros();
        let mut bids = Bids { best: None, second: None, waiting: 0 };
        for edge in &self.groups[group].edges {
            let front = &self.fronts[edge.class as usize];
            // An empty class has `since` at the end of time.
            if front.since.saturating_add(edge.min_age) > now {
                continue;
            }
            bids.waiting += front.waiting;
            let bid = front.bid(edge.class, edge.min_age, now);
            if bid.beats(bids.best) {
                (bids.best, bids.second) = (Some(bid), bids.best);
            } else if bid.beats(bids.second) {
                bids.second = Some(bid);
            }
        }
        bids
    }

    /// The call behind this head, if the same agent may take it.
    fn next_bid(&self, head: &Bid) -> Option<Bid> {
        let slot = self.calls.slab[head.call].next;
        if slot == NONE {
            return None;
        }
        let now = self.now.as_micros();
        let call = &self.calls.slab[slot];
        let since = call.since.as_micros();
        let score = self.fronts[head.class as usize].score(now, since);
        (since.saturating_add(head.min_age) <= now).then_some(Bid { score, since, seq: call.seq, call: slot, ..*head })
    }

    /// Matches heads of these classes to idle agents until none is left that fits, highest score first.
    pub(crate) fn settle(&mut self, classes: &[Slot], out: &mut Vec<Decision>) {
        loop {
            let now = self.now.as_micros();
            let mut best: Option<(Bid, AgentId)> = None;
            for &class in classes {
                let front = &self.fronts[class as usize];
                if front.head == NONE || front.idle_groups == 0 {
                    continue;
                }
                let bid = front.bid(class, 0, now);
                if bid.beats(best.map(|b| b.0))
                    && let Some(found) = self.best_agent(&self.calls.slab[front.head])
                {
                    best = Some((bid, found.agent));
                }
            }
            let Some((bid, agent)) = best else { return };
            let waiting = self.bids(self.agent_ref(agent).group).waiting;
            let (agent, why) = self.seek_agent(bid.call, waiting).expect("the search just found somebody");
            self.unlink(bid.call);
            self.offer(bid.call, agent, why, out);
        }
    }

    /// Rings the agent. The call is in no line.
    fn offer(&mut self, slot: Slot, agent: AgentId, why: Why, out: &mut Vec<Decision>) {
        let call = &mut self.calls.slab[slot];
        call.ringing = Some(agent);
        let id = call.id;
        let queue = self.classes[call.class].queue;
        let began = self.now;
        let entry = self.queue_mut(queue);
        entry.ringing += 1;
        let wrap_up = entry.spec.wrap_up;
        let work = Work { call: id, queue: Some(queue), began, wrap_up, after: After::Ready };
        self.enter(agent, State::Ringing(work), out);
        out.push(Decision::Offer { call: id, queue, agent, why });
    }

    /// Puts a call into its line.
    fn link(&mut self, slot: Slot) {
        let call = &self.calls.slab[slot];
        let (class, since) = (call.class, call.since);
        let queue = self.classes[class].queue;
        let entry = self.queue_mut(queue);
        entry.waiting += 1;
        let wait_max = entry.spec.wait_max;
        match self.calls.slab[slot].direct {
            Some(agent) => {
                let agent = self.agents[agent.0 as usize].as_mut().expect("direct calls name agents that exist");
                agent.personal.insert(&mut self.calls.slab, slot);
                if let Some(wait_max) = wait_max {
                    self.personal.set(slot, since + wait_max);
                }
            }
            None => {
                self.classes[class].line.insert(&mut self.calls.slab, slot);
                self.refresh(class);
            }
        }
    }

    /// Takes a waiting call out of its line.
    pub(crate) fn unlink(&mut self, slot: Slot) {
        let class = self.calls.slab[slot].class;
        let queue = self.classes[class].queue;
        self.queue_mut(queue).waiting -= 1;
        match self.calls.slab[slot].direct {
            Some(agent) => {
                let agent = self.agents[agent.0 as usize].as_mut().expect("direct calls name agents that exist");
                agent.personal.remove(&mut self.calls.slab, slot);
                self.personal.clear(slot);
            }
            None => {
                self.classes[class].line.remove(&mut self.calls.slab, slot);
                self.refresh(class);
            }
        }
    }

    /// Forgets a call that is in no line.
    pub(crate) fn forget(&mut self, slot: Slot) -> Call {
        let call = self.calls.remove(slot);
        self.classes[call.class].calls -= 1;
        call
    }

    /// The line of the class changed.
    fn refresh(&mut self, class: Slot) {
        let line = &self.classes[class].line;
        let front = &mut self.fronts[class as usize];
        front.waiting = line.len;
        if front.head == line.head {
            return;
        }
        front.head = line.head;
        if line.head == NONE {
            front.since = Front::EMPTY.since;
            return;
        }
        let head = &self.calls.slab[line.head];
        (front.since, front.seq) = (head.since.as_micros(), head.seq);
        self.arm(class);
    }

    /// Sets the alarm of a class to the next relaxation or overflow of its head, unless it rings before that anyway.
    pub(crate) fn arm(&mut self, class: Slot) {
        let Some(head) = self.classes[class].line.iter(&self.calls.slab).next() else { return };
        let since = head.1.since;
        let spec = &self.queue_ref(self.classes[class].queue).spec;
        let step = spec.relax.iter().map(|step| since + step.0).find(|&at| at > self.now);
        let overflow = spec.wait_max.map(|wait_max| since + wait_max);
        let Some(due) = step.into_iter().chain(overflow).min() else { return };
        if self.heads.at(class).is_none_or(|at| at > due) {
            self.heads.set(class, due);
        }
    }

    /// Sets the alarms of the calls of this queue on personal lists.
    pub(crate) fn time_personal_calls(&mut self, queue: QueueId) {
        let wait_max = self.queue_ref(queue).spec.wait_max;
        let waiting = self.calls.slab.iter().filter(|(_, call)| call.direct.is_some() && call.ringing.is_none());
        for (slot, call) in waiting.filter(|(_, call)| self.classes[call.class].queue == queue) {
            match wait_max {
                Some(wait_max) => self.personal.set(slot, call.since + wait_max),
                None => self.personal.clear(slot),
            }
        }
    }
}

impl Front {
    fn bid(&self, class: Slot, min_age: u64, now: u64) -> Bid {
        let score = self.score(now, self.since);
        Bid { score, since: self.since, seq: self.seq, call: self.head, class, min_age }
    }
}
