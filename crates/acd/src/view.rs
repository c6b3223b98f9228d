//! What a board shows: agents, queues and calls as they stand.

use crate::acd::Acd;
use crate::agent::{After, Agent};
use crate::command::{AgentView, QueueView};
use crate::queue::Queue;
use busyhour_model::{AgentId, CallId, QueueId, Time};
use serde::{Deserialize, Serialize};

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Queues.
    pub queues: usize,
    /// Agents, signed in or not.
    pub agents: usize,
    /// Different skill sets of agents.
    pub groups: usize,
    /// Different requirements of calls.
    pub classes: usize,
    /// Calls waiting, not those being offered.
    pub waiting: usize,
    /// Calls being offered.
    pub ringing: usize,
}

impl Acd {
    /// One agent.
    pub fn agent(&self, id: AgentId) -> Option<AgentView> {
        self.known_agent(id).ok().map(view)
    }

    /// All agents, by id.
    pub fn agents(&self) -> impl Iterator<Item = AgentView> {
        self.agents.iter().flatten().map(view)
    }

    /// One queue.
    pub fn queue(&self, id: QueueId) -> Option<QueueView> {
        self.known_queue(id).ok().map(|queue| self.view_queue(queue))
    }

    /// All queues, by id.
    pub fn queues(&self) -> impl Iterator<Item = QueueView> {
        self.queues.iter().flatten().map(|queue| self.view_queue(queue))
    }

    /// All calls that wait or are offered, with their queue and the agent they are offered to. In no useful order.
    pub fn waiting(&self) -> impl Iterator<Item = (CallId, QueueId, Option<AgentId>)> {
        self.calls.slab.iter().map(|(_, call)| (call.id, self.lanes[call.class as usize].queue, call.ringing()))
    }

    /// Calls waiting in this queue, those for one agent in person included; 0 when there is no such queue.
    pub fn waiting_in(&self, queue: QueueId) -> u32 {
        self.known_queue(queue).map_or(0, |queue| queue.waiting)
    }

    /// How much there is of everything.
    pub fn counts(&self) -> Counts {
        let ringing = self.queues.iter().flatten().map(|queue| queue.ringing as usize).sum();
        Counts {
            queues: self.queues.iter().flatten().count(),
            agents: self.agents.iter().flatten().count(),
            groups: self.groups.len(),
            classes: self.classes.len(),
            waiting: self.calls.len() - ringing,
            ringing,
        }
    }

    /// Agents count when they have the skills of the queue, relaxed as far as they may be.
    fn view_queue(&self, queue: &Queue) -> QueueView {
        let fitting = || self.classes[queue.plain].edges.iter();
        let heads = || queue.classes.iter().map(|&(_, class)| &self.fronts[class as usize]);
        let in_line = heads().filter(|front| front.waiting > 0).map(|front| Time::from_micros(front.since));
        // Mostly nobody waits for one agent, and there are many agents to ask.
        let in_person = queue.waiting > heads().map(|front| front.waiting).sum();
        let agents = if in_person { &self.agents[..] } else { &[] };
        let personal = agents.iter().flatten().flat_map(|agent| agent.personal.iter(&self.calls.slab));
        let direct = personal.filter(|(_, call)| self.lanes[call.class as usize].queue == queue.spec.id);
        QueueView {
            queue: queue.spec.id,
            waiting: queue.waiting,
            ringing: queue.ringing,
            oldest: in_line.chain(direct.map(|(_, call)| call.since)).min(),
            agents_signed_in: fitting().map(|edge| self.groups[edge.group].signed_in).sum(),
            agents_ready: fitting().map(|edge| self.idle[edge.group as usize].count).sum(),
        }
    }
}

fn view(agent: &Agent) -> AgentView {
    AgentView {
        agent: agent.id,
        state: agent.state,
        since: agent.since,
        reason: agent.not_ready().cloned(),
        call: agent.call(),
        leaves: agent.is_busy() && agent.after != After::Ready,
    }
}
