//! The class graph: who may serve whom, kept compiled while queues, classes and agents come and go.

use crate::acd::{Acd, CLASSES_MAX, QUEUES_MAX, SKILLS_MAX, STEPS_MAX};
use crate::agent::Agent;
use crate::call::Line;
use crate::class::{self, Class, Front, Lane, ToGroup};
use crate::command::{AgentSpec, Decision, Denied, QueueSpec, Skill};
use crate::forecast::Outlook;
use crate::group::{Group, Idle, Profile, preferences};
use crate::habits::Habits;
use crate::queue::{Handling, Queue, normalised};
use crate::rung::RING_MAX;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, AgentState, CallId, DequeueReason, QueueId};

impl Acd {
    pub(crate) fn set_queue(&mut self, spec: QueueSpec, out: &mut Vec<Decision>) -> Result<(), Denied> {
        limit("queue id", spec.id.0 as usize, QUEUES_MAX - 1)?;
        limit("relaxation steps", spec.relax.len(), STEPS_MAX)?;
        limit("skills", spec.required.len(), SKILLS_MAX)?;
        limit("agents rung at once", spec.policy.ring_max as usize, RING_MAX as usize)?;
        limit("parts of a policy", spec.policy.size(), SKILLS_MAX)?;
        for (_, required) in &spec.relax {
            limit("skills", required.len(), SKILLS_MAX)?;
        }
        let (id, index) = (spec.id, spec.id.0 as usize);
        let spec = in_order(spec);
        if self.known_queue(id).is_err() {
            return self.add_queue(spec);
        }
        if self.queues[index].as_ref().is_some_and(|queue| queue.spec == spec) {
            return Ok(());
        }
        self.queue_mut(id).spec = spec;
        let classes: Vec<Slot> = self.queue_ref(id).classes.iter().map(|c| c.1).collect();
        for &class in &classes {
            self.disconnect_class(class);
            self.connect_class(class);
            self.arm(class);
        }
        self.settle(&classes, out);
        self.time_personal_calls(id);
        let stranded = self.stranded(&classes).into_iter().chain(self.stranded_personal(id)).collect();
        self.overflow(stranded, DequeueReason::NoAgents, out);
        Ok(())
    }

    fn add_queue(&mut self, spec: QueueSpec) -> Result<(), Denied> {
        let (id, index) = (spec.id, spec.id.0 as usize);
        self.make_room_for_class()?;
        if self.queues.len() <= index {
            self.queues.resize(index + 1, None);
        }
        let (handling, habits, last) = (Handling::default(), Habits::new(self.now), u32::MAX);
        self.queues[index] =
            Some(Queue { spec, plain: NONE, classes: Vec::new(), waiting: 0, ringing: 0, handling, habits, last });
        let plain = self.add_class(id, 0, Vec::new(), 0);
        self.queue_mut(id).plain = plain;
        Ok(())
    }

    pub(crate) fn remove_queue(&mut self, id: QueueId) -> Result<(), Denied> {
        let queue = self.known_queue(id)?;
        if queue.classes.iter().any(|&(_, class)| self.lanes[class as usize].calls > 0) {
            return Err(Denied::NotEmpty(id));
        }
        for (_, class) in queue.classes.clone() {
            self.remove_class(class);
        }
        self.queues[id.0 as usize] = None;
        self.owns.retain(|&(_, queue), _| queue != id);
        Ok(())
    }

    /// The class of such calls, made when it is new.
    pub(crate) fn class_for(&mut self, id: QueueId, priority: i32, extra: Vec<Skill>) -> Result<Slot, Denied> {
        let queue = self.queue_ref(id);
        if priority == 0 && extra.is_empty() {
            return Ok(queue.plain);
        }
        if let Ok(at) = self.class_at(queue, priority, &extra) {
            return Ok(queue.classes[at].1);
        }
        self.make_room_for_class()?;
        let at = self.class_at(self.queue_ref(id), priority, &extra).unwrap_or_else(|at| at);
        Ok(self.add_class(id, priority, extra, at))
    }

    /// The class of such calls, when there is one.
    pub(crate) fn known_class(&self, id: QueueId, priority: i32, extra: &[Skill]) -> Option<Slot> {
        let queue = self.known_queue(id).ok()?;
        self.class_at(queue, priority, extra).ok().map(|at| queue.classes[at].1)
    }

    /// Where such calls have their class among those of the queue, or would have.
    fn class_at(&self, queue: &Queue, priority: i32, extra: &[Skill]) -> Result<usize, usize> {
        queue.classes.binary_search_by(|&(of, slot)| {
            of.cmp(&priority).then_with(|| self.classes[slot].extra.as_slice().cmp(extra))
        })
    }

    /// When all classes are taken, forgets the one not asked for the longest of those without calls.
    fn make_room_for_class(&mut self) -> Result<(), Denied> {
        if self.classes.len() < CLASSES_MAX {
            return Ok(());
        }
        let unused = self.classes.iter().map(|(slot, _)| (slot, &self.lanes[slot as usize]));
        let unused = unused.filter(|&(slot, lane)| lane.calls == 0 && self.queue_ref(lane.queue).plain != slot);
        let oldest = unused.map(|(slot, lane)| (lane.used, slot)).min();
        let (_, slot) = oldest.ok_or(Denied::Limit { what: "call classes", max: CLASSES_MAX })?;
        self.remove_class(slot);
        Ok(())
    }

    fn add_class(&mut self, queue: QueueId, priority: i32, extra: Vec<Skill>, at: usize) -> Slot {
        let used = self.call_seq;
        let slot = self.classes.insert(Class { priority, extra, edges: Vec::new(), outlook: Outlook::default() });
        let head = CallId(0);
        let lane = Lane {
            queue,
            line: Line::EMPTY,
            base: 0.0,
            head,
            calls: 0,
            idle_groups: 0,
            staffed_groups: 0,
            timed: false,
            used,
        };
        if self.fronts.len() <= slot as usize {
            self.fronts.push(Front::EMPTY);
            self.lanes.push(lane);
        }
        self.fronts[slot as usize] = Front::EMPTY;
        self.lanes[slot as usize] = lane;
        self.queue_mut(queue).classes.insert(at, (priority, slot));
        self.connect_class(slot);
        slot
    }

    fn remove_class(&mut self, slot: Slot) {
        self.disconnect_class(slot);
        self.heads.clear(slot);
        self.classes.remove(slot);
        self.queue_mut(self.lanes[slot as usize].queue).classes.retain(|c| c.1 != slot);
    }

    /// Compiles the edges of one class.
    pub(crate) fn connect_class(&mut self, slot: Slot) {
        let class = &self.classes[slot];
        let queue = self.lanes[slot as usize].queue;
        let spec = &self.queue_ref(queue).spec;
        let timed = spec.wait_max.is_some() || class::steps(spec).next().is_some();
        let mut edges: Vec<ToGroup> = Vec::new();
        for (group, members) in self.groups.iter() {
            let fit = class::fit(spec, class, &members.profile);
            edges.extend(fit.map(|fit| ToGroup::new(group, fit)));
        }
        edges.sort_unstable_by_key(|e| (e.rank, e.group));
        let (base, rate) = class::ageing(spec, class.priority);
        let (front, lane) = (&mut self.fronts[slot as usize], &mut self.lanes[slot as usize]);
        (lane.base, front.rate) = (base, rate);
        front.base = if front.head == NONE { Front::EMPTY.base } else { base };
        (lane.idle_groups, lane.staffed_groups, lane.timed) = (0, 0, timed);
        for edge in &edges {
            let group = &mut self.groups[edge.group];
            group.connect(slot, queue, edge.fit());
            lane.idle_groups += u32::from(self.idle[edge.group as usize].count > 0);
            lane.staffed_groups += u32::from(group.signed_in > 0);
        }
        self.classes[slot].edges = edges;
    }

    pub(crate) fn disconnect_class(&mut self, slot: Slot) {
        for edge in std::mem::take(&mut self.classes[slot].edges) {
            self.groups[edge.group].disconnect(slot);
        }
    }

    pub(crate) fn set_agent(&mut self, spec: AgentSpec, out: &mut Vec<Decision>) -> Result<(), Denied> {
        limit("agent id", spec.id.0 as usize, crate::AGENTS_MAX - 1)?;
        limit("skills", spec.skills.len(), SKILLS_MAX)?;
        limit("expiry dates", spec.expires.len(), SKILLS_MAX)?;
        limit("preferred queues", spec.prefers.len(), SKILLS_MAX)?;
        let (id, index) = (spec.id, spec.id.0 as usize);
        let skills = self.unexpired(id, normalised(spec.skills), spec.expires);
        let profile = Profile { skills, site: spec.site, prefers: preferences(spec.prefers) };
        if self.known_agent(id).is_ok() {
            self.agent_mut(id).merit.weight = spec.weight;
            self.regroup(id, profile, out);
            return Ok(());
        }
        let group = self.group_for(profile);
        if self.agents.len() <= index {
            self.agents.resize(index + 1, None);
        }
        self.agents[index] = Some(Agent::new(id, group, spec.weight, self.now));
        self.groups[group].members += 1;
        Ok(())
    }

    /// The agent has this profile from now on.
    pub(crate) fn regroup(&mut self, id: AgentId, profile: Profile, out: &mut Vec<Decision>) {
        let group = self.group_for(profile);
        let Agent { group: old, state, .. } = *self.agent_ref(id);
        if old == group {
            return;
        }
        self.leave_group(id);
        self.agent_mut(id).group = group;
        self.join_group(id);
        if state == AgentState::Ready {
            self.seek_call(id, out);
        }
        let classes: Vec<Slot> = self.groups[old].classes().collect();
        self.drop_group_if_empty(old);
        self.overflow(self.stranded(&classes), DequeueReason::NoAgents, out);
    }

    pub(crate) fn remove_agent(&mut self, id: AgentId, out: &mut Vec<Decision>) -> Result<(), Denied> {
        let agent = self.known_agent(id)?;
        if agent.state != AgentState::SignedOut {
            return Err(Denied::WrongState { agent: id, state: agent.state });
        }
        let group = agent.group;
        let calls = agent.personal.iter(&self.calls.slab).map(|(slot, _)| slot).collect();
        self.overflow(calls, DequeueReason::NoAgents, out);
        self.groups[group].members -= 1;
        self.agents[id.0 as usize] = None;
        self.forget_owns(id);
        self.forget_expiries(id);
        self.drop_group_if_empty(group);
        Ok(())
    }

    /// The group of agents with this profile, made when it is new.
    fn group_for(&mut self, profile: Profile) -> Slot {
        if let Some(&slot) = self.group_of.get(&profile) {
            return slot;
        }
        let slot = self.groups.insert(Group::new(profile.clone()));
        if self.idle.len() <= slot as usize {
            self.idle.push(Idle::NOBODY);
        }
        self.idle[slot as usize] = Idle::NOBODY;
        self.connect_group(slot);
        self.group_of.insert(profile, slot);
        slot
    }

    /// Compiles the edges of one group, which has nobody signed in yet.
    fn connect_group(&mut self, slot: Slot) {
        let profile = &self.groups[slot].profile;
        let mut edges: Vec<(Slot, ToGroup)> = Vec::new();
        for (class, calls) in self.classes.iter() {
            let spec = &self.queue_ref(self.lanes[class as usize].queue).spec;
            let fit = class::fit(spec, calls, profile);
            edges.extend(fit.map(|fit| (class, ToGroup::new(slot, fit))));
        }
        for &(class, edge) in &edges {
            let ranked = &mut self.classes[class].edges;
            let at = ranked.partition_point(|e| (e.rank, e.group) < (edge.rank, slot));
            ranked.insert(at, edge);
            let queue = self.lanes[class as usize].queue;
            self.groups[slot].connect(class, queue, edge.fit());
        }
    }

    fn drop_group_if_empty(&mut self, slot: Slot) {
        if self.groups[slot].members > 0 {
            return;
        }
        let group = self.groups.remove(slot);
        self.group_of.remove(&group.profile);
        for class in group.classes() {
            self.classes[class].edges.retain(|e| e.group != slot);
        }
    }

    /// Calls of these classes that nobody signed in may ever take, where that is a reason to overflow.
    pub(crate) fn stranded(&self, classes: &[Slot]) -> Vec<Slot> {
        let stranded = classes.iter().filter(|&&slot| {
            self.lanes[slot as usize].staffed_groups == 0
                && self.queue_ref(self.lanes[slot as usize].queue).spec.overflow_no_agents
        });
        let calls = stranded.flat_map(|&slot| self.lanes[slot as usize].line.iter(&self.calls.slab));
        calls.map(|(slot, _)| slot).collect()
    }

    /// Calls of this queue on personal lists of agents who are signed out, where that is a reason to overflow.
    fn stranded_personal(&self, queue: QueueId) -> Vec<Slot> {
        if !self.queue_ref(queue).spec.overflow_no_agents {
            return Vec::new();
        }
        let absent = self.agents.iter().flatten().filter(|agent| agent.state == AgentState::SignedOut);
        let calls = absent.flat_map(|agent| agent.personal.iter(&self.calls.slab));
        calls.filter(|(_, call)| self.lanes[call.class as usize].queue == queue).map(|(slot, _)| slot).collect()
    }
}

fn limit(what: &'static str, count: usize, max: usize) -> Result<(), Denied> {
    if count > max { Err(Denied::Limit { what, max }) } else { Ok(()) }
}

/// Skills sorted, each once; steps by time.
fn in_order(mut spec: QueueSpec) -> QueueSpec {
    spec.required = normalised(spec.required);
    spec.relax.sort_by_key(|step| step.0);
    for (_, required) in &mut spec.relax {
        *required = normalised(std::mem::take(required));
    }
    spec
}
