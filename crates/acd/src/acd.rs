//! The machine: its state, what it is told and when it wants to be woken.

use crate::agent::Agent;
use crate::alarm::Alarms;
use crate::call::{Call, Calls};
use crate::class::{self, Class, Front, Lane};
use crate::command::{Command, Decision, Denied};
use crate::group::{Group, Idle, Profile};
use crate::merit::Own;
use crate::queue::Queue;
use crate::slab::{Slab, Slot};
use busyhour_model::{AgentId, DequeueReason, Name, QueueId, SkillId, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Agent ids are below this: they are interned, so this many agents.
pub const AGENTS_MAX: usize = 1 << 18;
/// Queue ids are below this.
pub const QUEUES_MAX: usize = 1 << 12;
/// Different requirements at once.
pub const CLASSES_MAX: usize = 1 << 13;
/// Calls waiting or being offered at once.
pub const CALLS_MAX: usize = 1 << 18;
/// Calls that wait for one agent in person; the next overflows as `Full`.
pub const PERSONAL_MAX: u32 = 100;
/// Skills of one agent, queue, relaxation step or call.
pub const SKILLS_MAX: usize = 64;
/// Relaxation steps of a queue.
pub const STEPS_MAX: usize = 16;

/// Later than everything.
const NEVER: Time = Time::from_micros(u64::MAX);

/// Which call gets which agent. Plain data: clone it to look ahead, write it out and read it back in mid-call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acd {
    /// For choices by lot.
    pub(crate) seed: u64,
    pub(crate) now: Time,
    /// By id.
    pub(crate) queues: Vec<Option<Queue>>,
    /// By id.
    pub(crate) agents: Vec<Option<Agent>>,
    /// Handling times by agent and queue, of queues that want the fastest.
    pub(crate) owns: BTreeMap<(AgentId, QueueId), Own>,
    pub(crate) groups: Slab<Group>,
    pub(crate) group_of: BTreeMap<Profile, Slot>,
    /// By group.
    pub(crate) idle: Vec<Idle>,
    pub(crate) classes: Slab<Class>,
    /// By class.
    pub(crate) fronts: Vec<Front>,
    /// By class.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) calls: Calls,
    /// Ends of skills still held, the next first, of agents who have such.
    pub(crate) expiries: BTreeMap<AgentId, Vec<(SkillId, Time)>>,
    /// The first of these, by agent.
    pub(crate) lapses: Alarms,
    /// Ends of after-call work, by agent.
    pub(crate) wrap_ups: Alarms,
    /// Ends of being not ready after a call missed, by agent.
    pub(crate) pauses: Alarms,
    /// Next relaxation or overflow of the head, by class. May ring early, never late.
    pub(crate) heads: Alarms,
    /// Overflow of calls on personal lists or the end of their wish, by call.
    pub(crate) personal: Alarms,
    /// Calls that wish for an agent, and how long they wait for nobody else.
    pub(crate) wishes: BTreeMap<Slot, Time>,
    /// Nothing is due before this.
    pub(crate) wake: Time,
    /// Classes of which something is foreseen.
    pub(crate) foreseen: u32,
    pub(crate) call_seq: u64,
    pub(crate) idle_seq: u64,
    pub(crate) reasons: Reasons,
}

/// Why agents are made not ready, made once: an offer must not allocate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reasons {
    pub(crate) no_answer: Name,
    pub(crate) refused: Name,
    pub(crate) unreachable: Name,
}

/// From then to now; a `Duration` would divide and multiply.
#[inline]
pub(crate) fn micros(now: Time, then: Time) -> u64 {
    now.as_micros().saturating_sub(then.as_micros())
}

/// Appends a verdict, made where it belongs: pushed, it would be copied whole, with all the room an offer needs.
#[inline]
pub(crate) fn tell(out: &mut Vec<Decision>, decision: impl FnOnce() -> Decision) {
    out.extend(std::iter::once_with(decision));
}

impl Acd {
    /// An empty one. The seed is for choices by lot; same seed and same commands, same decisions.
    pub fn new(seed: u64) -> Acd {
        Acd {
            seed,
            now: Time::ZERO,
            queues: Vec::new(),
            agents: Vec::new(),
            owns: BTreeMap::new(),
            groups: Slab::new(),
            group_of: BTreeMap::new(),
            idle: Vec::new(),
            classes: Slab::new(),
            fronts: Vec::new(),
            lanes: Vec::new(),
            calls: Calls::new(),
            expiries: BTreeMap::new(),
            lapses: Alarms::default(),
            wrap_ups: Alarms::default(),
            pauses: Alarms::default(),
            heads: Alarms::default(),
            personal: Alarms::default(),
            wishes: BTreeMap::new(),
            wake: NEVER,
            foreseen: 0,
            call_seq: 0,
            idle_seq: 0,
            reasons: Reasons {
                no_answer: "no_answer".into(),
                refused: "refused".into(),
                unreachable: "unreachable".into(),
            },
        }
    }

    /// Carries out one command and appends the verdicts, in order.
    ///
    /// What was due before `now` happens first, each at its own time, exactly as if `Tick` had come punctually: those
    /// verdicts are appended even when the command itself is denied. A `now` in the past counts as the latest seen.
    pub fn apply(&mut self, now: Time, command: Command, out: &mut Vec<Decision>) -> Result<(), Denied> {
        self.advance(now, out);
        let done = self.execute(command, out);
        self.advance(now, out);
        done
    }

    /// When `Tick` is due. It may turn out that nothing happens then.
    pub fn poll_timeout(&self) -> Option<Time> {
        let alarms = [&self.lapses, &self.wrap_ups, &self.pauses, &self.heads, &self.personal];
        alarms.into_iter().filter_map(Alarms::next).min()
    }

    fn execute(&mut self, command: Command, out: &mut Vec<Decision>) -> Result<(), Denied> {
        match command {
            Command::SetQueue(spec) => self.set_queue(*spec, out),
            Command::RemoveQueue { queue } => self.remove_queue(queue),
            Command::SetAgent(spec) => self.set_agent(spec, out),
            Command::RemoveAgent { agent } => self.remove_agent(agent, out),
            Command::SignIn { agent, not_ready } => self.sign_in(agent, not_ready, out),
            Command::SignOut { agent } => self.sign_out(agent, out),
            Command::Ready { agent } => self.ready(agent, out),
            Command::NotReady { agent, reason } => self.not_ready(agent, reason, out),
            Command::Enqueue(wish) => self.enqueue(wish, out),
            Command::Leave { call } => self.leave(call, out),
            Command::Accepted { call, agent } => self.accepted(call, agent, out),
            Command::Declined { call, agent, outcome } => self.declined(call, agent, outcome, out),
            Command::Released { agent } => self.released(agent, out),
            Command::Occupy { agent, call } => self.occupy(agent, call, out),
            Command::Moved { agent, call } => self.moved(agent, call),
            Command::Tick => Ok(()),
            Command::ForceNotReady { agent, reason } => self.force_not_ready(agent, reason, out),
            Command::ExtendWrapUp { agent, by } => self.extend_wrap_up(agent, by),
            Command::Foresee { classes } => self.take_forecasts(classes, out),
            Command::Rest { agent, pause } => self.rest_for(agent, pause),
        }
    }

    /// Lets everything happen that is due up to `now`, each at its own time.
    #[inline]
    fn advance(&mut self, now: Time, out: &mut Vec<Decision>) {
        let now = now.max(self.now);
        if self.wake <= now {
            self.catch_up(now, out);
        }
        self.now = now;
    }

    #[cold]
    fn catch_up(&mut self, now: Time, out: &mut Vec<Decision>) {
        while let Some(due) = self.poll_timeout().filter(|&due| due <= now) {
            self.now = self.now.max(due);
            self.fire(out);
        }
        self.wake = self.poll_timeout().unwrap_or(NEVER);
    }

    /// At one moment: skills expire, after-call work and pauses end, wishes are given up, then requirements are relaxed,
    /// then calls overflow.
    fn fire(&mut self, out: &mut Vec<Decision>) {
        while let Some(agent) = self.lapses.pop_due(self.now) {
            self.lapse(AgentId(agent), out);
        }
        while let Some(agent) = self.wrap_ups.pop_due(self.now) {
            self.end_wrap_up(AgentId(agent), out);
        }
        while let Some(agent) = self.pauses.pop_due(self.now) {
            self.become_ready(AgentId(agent), out);
        }
        let mut late = self.give_up_wishes(out);
        let mut due = Vec::new();
        while let Some(class) = self.heads.pop_due(self.now) {
            due.push(class);
        }
        self.settle(&due, out);
        for &class in &due {
            late.extend(self.overdue(class));
        }
        self.overflow(late, DequeueReason::TimedOut, out);
        for class in due {
            self.arm(class);
        }
    }

    /// Calls of the class that have waited as long as they may.
    fn overdue(&self, class: Slot) -> Vec<Slot> {
        let lane = &self.lanes[class as usize];
        let Some(wait_max) = self.queue_ref(lane.queue).spec.wait_max else { return Vec::new() };
        let due = |call: &Call| call.since + wait_max <= self.now;
        lane.line.iter(&self.calls.slab).take_while(|(_, call)| due(call)).map(|(slot, _)| slot).collect()
    }

    /// Forgets these calls, first come first.
    pub(crate) fn overflow(&mut self, mut calls: Vec<Slot>, reason: DequeueReason, out: &mut Vec<Decision>) {
        calls.sort_unstable_by_key(|&slot| self.calls.slab[slot].seq);
        for slot in calls {
            self.unlink(slot);
            let call = self.forget(slot, false);
            out.push(Decision::Overflow { call, reason });
        }
    }

    /// Points of a call, in line or not.
    pub(crate) fn score(&self, call: &Call, now: Time) -> f64 {
        let (base, rate) = (self.lanes[call.class as usize].base, self.fronts[call.class as usize].rate);
        class::points(base, rate, now.as_micros(), call.since.as_micros())
    }

    /// A queue that is known to exist because a class or call names it.
    pub(crate) fn queue_ref(&self, id: QueueId) -> &Queue {
        self.queues[id.0 as usize].as_ref().expect("classes and calls belong to queues that exist")
    }

    pub(crate) fn queue_mut(&mut self, id: QueueId) -> &mut Queue {
        self.queues[id.0 as usize].as_mut().expect("classes and calls belong to queues that exist")
    }

    /// An agent who is known to exist because a list or a checked command names one.
    pub(crate) fn agent_ref(&self, id: AgentId) -> &Agent {
        self.agents[id.0 as usize].as_ref().expect("lists and checked commands name agents that exist")
    }

    pub(crate) fn agent_mut(&mut self, id: AgentId) -> &mut Agent {
        self.agents[id.0 as usize].as_mut().expect("lists and checked commands name agents that exist")
    }

    /// An agent somebody outside named.
    pub(crate) fn known_agent(&self, id: AgentId) -> Result<&Agent, Denied> {
        self.agents.get(id.0 as usize).and_then(Option::as_ref).ok_or(Denied::UnknownAgent(id))
    }

    /// A queue somebody outside named.
    pub(crate) fn known_queue(&self, id: QueueId) -> Result<&Queue, Denied> {
        self.queues.get(id.0 as usize).and_then(Option::as_ref).ok_or(Denied::UnknownQueue(id))
    }
}
