//! The laws: what is true after every command, in tests, in the simulator and in debug builds.

use crate::acd::Acd;
use crate::agent::Agent;
use crate::call::{Call, Line};
use crate::class::{self, Front, ToGroup};
use crate::slab::{NONE, Slot};
use crate::wish::is_at_work;
use busyhour_model::AgentState as State;

impl Acd {
    /// All laws, by a walk over everything.
    ///
    /// # Panics
    /// When one is broken, saying which.
    pub fn check(&self) {
        if let Err(broken) = self.laws() {
            panic!("{broken}");
        }
    }

    fn laws(&self) -> Result<(), String> {
        self.nobody_waits_beside_a_free_agent()?;
        self.every_offer_has_two_ends()?;
        self.lines_hold_each_waiting_call_once()?;
        self.groups_count_right()?;
        self.edges_are_as_compiled_anew()?;
        self.alarms_ring_in_time()
    }

    fn nobody_waits_beside_a_free_agent(&self) -> Result<(), String> {
        let now = self.now.as_micros();
        for (slot, _) in self.classes.iter() {
            let front = &self.fronts[slot as usize];
            for edge in &self.classes[slot].edges {
                let fits = front.since.saturating_add(edge.min_age) <= now;
                law(!fits || self.idle[edge.group as usize].count <= edge.keep, || {
                    format!("class {slot} waits beside idle agents of group {}", edge.group)
                })?;
            }
        }
        for agent in self.agents.iter().flatten() {
            let idle = agent.state == State::Ready;
            law(!idle || agent.personal.len == 0, || format!("{} is idle while called in person", agent.id))?;
        }
        Ok(())
    }

    fn every_offer_has_two_ends(&self) -> Result<(), String> {
        for (slot, call) in self.calls.slab.iter() {
            law(self.calls.find(call.id) == Some(slot), || format!("{} cannot be found", call.id))?;
            for agent in self.rung(slot) {
                let rung = self
                    .known_agent(agent)
                    .is_ok_and(|a| a.state == State::Ringing && a.work.call == call.id && a.work.slot == slot);
                law(rung, || format!("{} is offered to {agent}, who does not ring", call.id))?;
            }
        }
        for agent in self.agents.iter().flatten() {
            if agent.state != State::Ringing {
                continue;
            }
            let slot = self.calls.find(agent.work.call);
            let rings = slot.is_some_and(|slot| self.rung(slot).filter(|&rung| rung == agent.id).count() == 1);
            law(rings, || format!("{} rings for nothing", agent.id))?;
        }
        Ok(())
    }

    fn lines_hold_each_waiting_call_once(&self) -> Result<(), String> {
        let mut in_line = 0;
        for (slot, _) in self.classes.iter() {
            let class = &self.lanes[slot as usize];
            in_line += self.walk(&class.line, |call| call.class == slot && call.direct.is_none())?;
            let front = &self.fronts[slot as usize];
            let head = class.line.iter(&self.calls.slab).next().map(|(_, call)| call.since.as_micros());
            let right = match head {
                Some(head) => front.since == head,
                None => front.since == u64::MAX,
            };
            let named = front.head == NONE || self.calls.slab[front.head].id == class.head;
            law(right && named && front.head == class.line.head && front.waiting == class.line.len, || {
                format!("front {slot}")
            })?;
            let calls = self.calls.slab.iter().filter(|(_, call)| call.class == slot).count();
            law(calls == class.calls as usize, || format!("class {slot} counts {} calls of {calls}", class.calls))?;
        }
        for agent in self.agents.iter().flatten() {
            in_line += self.walk(&agent.personal, |call| call.direct == Some(agent.id))?;
        }
        let of = |queue, ringing: bool| {
            let calls = self.calls.slab.iter().filter(move |(_, c)| c.ringing().is_some() == ringing);
            calls.filter(|(_, c)| self.lanes[c.class as usize].queue == queue).count() as u32
        };
        for queue in self.queues.iter().flatten() {
            let right = (of(queue.spec.id, false), of(queue.spec.id, true)) == (queue.waiting, queue.ringing);
            law(right, || format!("{} counts its calls wrong", queue.spec.id))?;
        }
        let waiting = self.calls.slab.iter().filter(|(_, call)| call.ringing().is_none()).count();
        law(in_line == waiting, || format!("{in_line} calls in lines, {waiting} waiting"))
    }

    fn walk(&self, line: &Line, belongs: impl Fn(&Call) -> bool) -> Result<usize, String> {
        let (mut count, mut prev, mut order) = (0, NONE, None);
        for (slot, call) in line.iter(&self.calls.slab) {
            let right = belongs(call) && call.ringing().is_none() && call.prev == prev && order < Some(call.order());
            law(right, || format!("{} stands wrong in its line", call.id))?;
            (count, prev, order) = (count + 1, slot, Some(call.order()));
        }
        law(count == line.len as usize, || format!("a line of {count} says {}", line.len))?;
        Ok(count)
    }

    fn groups_count_right(&self) -> Result<(), String> {
        let of = |slot: Slot, is: fn(&State) -> bool| {
            let members = self.agents.iter().flatten().filter(move |agent| agent.group == slot);
            members.filter(|agent| is(&agent.state)).count() as u32
        };
        for (slot, group) in self.groups.iter() {
            let right = group.members == of(slot, |_| true)
                && group.members > 0
                && group.signed_in == of(slot, |state| *state != State::SignedOut)
                && group.not_ready == of(slot, |state| *state == State::NotReady)
                && self.idle[slot as usize].count == of(slot, |state| *state == State::Ready)
                && self.group_of.get(&group.profile) == Some(&slot);
            law(right, || format!("group {slot} counts its members wrong"))?;
            self.walk_idle(slot)?;
        }
        law(self.group_of.len() == self.groups.len(), || "two groups with the same profile".into())
    }

    fn walk_idle(&self, group: Slot) -> Result<(), String> {
        let idle = &self.idle[group as usize];
        let (mut at, mut prev, mut count, mut seq) = (idle.head, NONE, 0, 0);
        while at != NONE {
            let agent: &Agent = self.agents[at as usize].as_ref().ok_or("a stranger is idle")?;
            let right =
                agent.group == group && agent.state == State::Ready && agent.prev == prev && agent.idle_seq > seq;
            law(right, || format!("{} stands wrong in the idle list", agent.id))?;
            (prev, at, count, seq) = (at, agent.next, count + 1, agent.idle_seq);
        }
        let first = self.agents.get(idle.head as usize).and_then(Option::as_ref).map_or(u64::MAX, |a| a.idle_seq);
        law(count == idle.count && prev == self.groups[group].tail && idle.seq == first, || {
            format!("idle list {group}")
        })
    }

    fn edges_are_as_compiled_anew(&self) -> Result<(), String> {
        for (slot, class) in self.classes.iter() {
            let spec = &self.queue_ref(self.lanes[slot as usize].queue).spec;
            let front = &self.fronts[slot as usize];
            let base = self.lanes[slot as usize].base;
            law((base, front.rate) == class::ageing(spec, class.priority), || format!("ageing of class {slot}"))?;
            let shown = if front.head == NONE { Front::EMPTY.base } else { base };
            law(front.base == shown, || format!("head start of class {slot}"))?;
            let (mut edges, mut idle, mut staffed) = (0, 0, 0);
            for (group, members) in self.groups.iter() {
                let fit = class::fit(spec, class, &members.profile);
                let own = class.edges.iter().find(|e| e.group == group).map(ToGroup::fit);
                let later = members.later.iter().map(|e| (e.class, (e.min_age, e.keep, e.points)));
                let at_once = members.at_once.iter().map(|&c| (c, (0, 0, 0.0)));
                let theirs = at_once.chain(later).find(|e| e.0 == slot).map(|e| e.1);
                let points = f64::from(members.profile.points(spec.id));
                law(own == fit && theirs == fit.map(|f| (f.min_age, f.keep, points)), || {
                    format!("edge of class {slot} and group {group}")
                })?;
                edges += usize::from(fit.is_some());
                idle += u32::from(fit.is_some() && self.idle[group as usize].count > 0);
                staffed += u32::from(fit.is_some() && members.signed_in > 0);
            }
            law(edges == class.edges.len() && class.edges.is_sorted_by_key(|e| e.rank), || format!("edges of {slot}"))?;
            let lane = &self.lanes[slot as usize];
            law((idle, staffed) == (lane.idle_groups, lane.staffed_groups), || format!("counts of class {slot}"))?;
        }
        Ok(())
    }

    fn alarms_ring_in_time(&self) -> Result<(), String> {
        for agent in self.agents.iter().flatten() {
            let wraps = agent.state == State::WrapUp;
            law(self.wrap_ups.at(agent.id.0).is_some() == wraps, || format!("{} has no end of wrap-up", agent.id))?;
            let lapse = self.expiries.get(&agent.id).map(|expires| expires[0].1);
            let rests = agent.state == State::NotReady;
            law(self.pauses.at(agent.id.0).is_none() || rests, || format!("{} has a pause to end", agent.id))?;
            law(self.lapses.at(agent.id.0) == lapse, || format!("{} keeps a skill too long", agent.id))?;
        }
        for (slot, call) in self.calls.slab.iter().filter(|(_, call)| call.ringing().is_none()) {
            let spec = &self.queue_ref(self.lanes[call.class as usize].queue).spec;
            let overflow = spec.wait_max.map(|wait_max| call.since + wait_max);
            let alarm = if call.direct.is_some() { self.personal.at(slot) } else { self.heads.at(call.class) };
            law(overflow.is_none_or(|due| alarm.is_some_and(|at| at <= due)), || format!("{} may wait on", call.id))?;
            let step = class::steps(spec).map(|step| call.since + step).filter(|&at| at > self.now).min();
            let timed = slot != self.lanes[call.class as usize].line.head
                || step.is_none_or(|due| alarm.is_some_and(|at| at <= due));
            law(timed, || format!("{} would be relaxed late", call.id))?;
        }
        for (&slot, &until) in &self.wishes {
            let call = &self.calls.slab[slot];
            let waits = call.ringing().is_none();
            let comes = call.direct.is_some_and(|agent| !waits || is_at_work(self.agent_ref(agent).state));
            law(comes, || format!("{} wishes for somebody who is gone", call.id))?;
            let timed = self.personal.at(slot).is_some_and(|at| at <= until);
            law(timed || !waits, || format!("{} wishes on", call.id))?;
        }
        law(self.poll_timeout().is_none_or(|due| self.wake <= due), || "nobody would wake up".into())?;
        let due = self.poll_timeout().is_some_and(|due| due <= self.now);
        law(!due, || "something is overdue".into())
    }
}

fn law(holds: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(broken()) }
}
