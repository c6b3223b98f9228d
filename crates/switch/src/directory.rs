//! Who and what has which id: agents, queues and skills, interned by name for as long as the switch lives.

use crate::setup::{AgentSetup, QueueSetup, Setup};
use busyhour_acd::{AgentSpec, Policy, QueueSpec, Skill};
use busyhour_model::{AgentId, Name, QueueId, SkillId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// By `AgentId`; `None` when removed from the configuration.
    agents: Vec<(Name, Option<AgentSetup>)>,
    /// By `QueueId`; `None` when removed.
    queues: Vec<(Name, Option<QueueSetup>)>,
    agent_ids: BTreeMap<Name, AgentId>,
    queue_ids: BTreeMap<Name, QueueId>,
    skill_ids: BTreeMap<Name, SkillId>,
}

impl Directory {
    /// Takes over a new configuration; a name keeps its id for ever.
    pub(crate) fn configure(&mut self, setup: &Setup) {
        for (_, agent) in &mut self.agents {
            *agent = None;
        }
        for (_, queue) in &mut self.queues {
            *queue = None;
        }
        for agent in &setup.agents {
            let id = intern(&mut self.agent_ids, &agent.number, |n| AgentId(n as u32));
            put(&mut self.agents, id.0 as usize, &agent.number, agent.clone());
            self.intern_skills(&agent.skills);
        }
        for queue in &setup.queues {
            let id = intern(&mut self.queue_ids, &queue.name, |n| QueueId(n as u32));
            put(&mut self.queues, id.0 as usize, &queue.name, queue.clone());
            self.intern_skills(&queue.required);
            queue.relax.iter().for_each(|(_, skills)| self.intern_skills(skills));
        }
    }

    fn intern_skills(&mut self, skills: &[(Name, u8)]) {
        for (name, _) in skills {
            intern(&mut self.skill_ids, name, |n| SkillId(n as u32));
        }
    }

    /// Skills by id; one nobody ever named gets an id nobody holds.
    pub(crate) fn skills(&mut self, skills: &[(Name, u8)]) -> Vec<Skill> {
        self.intern_skills(skills);
        skills.iter().map(|(name, level)| (self.skill_ids[name], *level)).collect()
    }

    pub(crate) fn agent_id(&self, number: &str) -> Option<AgentId> {
        self.agent_ids.get(number).copied().filter(|id| self.agents[id.0 as usize].1.is_some())
    }

    pub(crate) fn queue_id(&self, name: &str) -> Option<QueueId> {
        self.queue_ids.get(name).copied().filter(|id| self.queues[id.0 as usize].1.is_some())
    }

    pub(crate) fn agent(&self, id: AgentId) -> Option<&AgentSetup> {
        self.agents[id.0 as usize].1.as_ref()
    }

    pub(crate) fn agent_number(&self, id: AgentId) -> &Name {
        &self.agents[id.0 as usize].0
    }

    pub(crate) fn queue(&self, id: QueueId) -> Option<&QueueSetup> {
        self.queues[id.0 as usize].1.as_ref()
    }

    pub(crate) fn queue_name(&self, id: QueueId) -> &Name {
        &self.queues[id.0 as usize].0
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = (AgentId, &AgentSetup)> {
        self.agent_ids.values().filter_map(|&id| Some((id, self.agents[id.0 as usize].1.as_ref()?)))
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = (QueueId, &QueueSetup)> {
        self.queue_ids.values().filter_map(|&id| Some((id, self.queues[id.0 as usize].1.as_ref()?)))
    }

    /// Every agent as the ACD wants it.
    pub(crate) fn agent_specs(&mut self) -> Vec<AgentSpec> {
        let agents: Vec<_> = self.agents().map(|(id, a)| (id, a.skills.clone())).collect();
        agents.into_iter().map(|(id, skills)| AgentSpec::new(id, self.skills(&skills))).collect()
    }

    /// Every queue as the ACD wants it.
    pub(crate) fn queue_specs(&mut self) -> Vec<QueueSpec> {
        let queues: Vec<_> = self.queues().map(|(id, q)| (id, q.clone())).collect();
        queues.into_iter().map(|(id, queue)| self.queue_spec(id, &queue)).collect()
    }

    fn queue_spec(&mut self, id: QueueId, queue: &QueueSetup) -> QueueSpec {
        QueueSpec {
            id,
            required: self.skills(&queue.required),
            relax: queue.relax.iter().map(|(after, skills)| (*after, self.skills(skills))).collect(),
            priority: queue.priority,
            goal: queue.goal,
            choice: queue.choice,
            wait_max: queue.wait_max,
            waiting_max: queue.waiting_max,
            overflow_no_agents: queue.overflow_no_agents,
            wrap_up: queue.wrap_up,
            policy: Policy::default(),
        }
    }
}

fn intern<I: Copy>(ids: &mut BTreeMap<Name, I>, name: &Name, id: impl Fn(usize) -> I) -> I {
    let next = id(ids.len());
    *ids.entry(name.clone()).or_insert(next)
}

fn put<T>(all: &mut Vec<(Name, Option<T>)>, index: usize, name: &Name, value: T) {
    if index == all.len() {
        all.push((name.clone(), None));
    }
    all[index].1 = Some(value);
}
