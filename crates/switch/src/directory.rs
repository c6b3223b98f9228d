//! Who and what has which id: agents, queues and skills, interned by name for as long as the switch lives.

use crate::setup::{AgentSetup, QueueSetup};
use busyhour_acd::{AgentSpec, Policy, QueueSpec, Site, Skill};
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
    /// Numbers of agents, by their aliases.
    aliases: BTreeMap<Name, Name>,
    queue_ids: BTreeMap<Name, QueueId>,
    skill_ids: BTreeMap<Name, SkillId>,
    /// From 1 on: 0 is nowhere in particular.
    site_ids: BTreeMap<Name, Site>,
}

impl Directory {
    /// Takes over a new configuration; a name keeps its id for ever.
    pub(crate) fn configure(&mut self, agents: &[AgentSetup], queues: &[QueueSetup]) {
        for (_, agent) in &mut self.agents {
            *agent = None;
        }
        for (_, queue) in &mut self.queues {
            *queue = None;
        }
        self.aliases.clear();
        for agent in agents {
            self.put_agent(agent);
        }
        for queue in queues {
            self.put_queue(queue);
        }
    }

    fn put_agent(&mut self, agent: &AgentSetup) -> AgentId {
        let id = intern(&mut self.agent_ids, &agent.number, |n| AgentId(n as u32));
        put(&mut self.agents, id.0 as usize, &agent.number, agent.clone());
        self.aliases.retain(|_, of| *of != agent.number);
        self.aliases.extend(agent.aliases_to_number());
        self.intern_skills(&agent.skills);
        id
    }

    fn put_queue(&mut self, queue: &QueueSetup) -> QueueId {
        let id = intern(&mut self.queue_ids, &queue.name, |n| QueueId(n as u32));
        put(&mut self.queues, id.0 as usize, &queue.name, queue.clone());
        self.intern_skills(&queue.required);
        queue.relax.iter().for_each(|(_, skills)| self.intern_skills(skills));
        id
    }

    /// Takes over one agent, as the ACD wants it.
    pub(crate) fn change_agent(&mut self, agent: &AgentSetup) -> AgentSpec {
        let id = self.put_agent(agent);
        self.agent_spec(id, agent)
    }

    /// Takes over one queue, as the ACD wants it.
    pub(crate) fn change_queue(&mut self, queue: &QueueSetup) -> QueueSpec {
        let id = self.put_queue(queue);
        self.queue_spec(id, queue)
    }

    /// From now on nobody has this number.
    pub(crate) fn remove_agent(&mut self, id: AgentId) {
        let (number, agent) = &mut self.agents[id.0 as usize];
        *agent = None;
        self.aliases.retain(|_, of| of != number);
    }

    fn intern_skills(&mut self, skills: &[(Name, u8)]) {
        for (name, _) in skills {
            skill(&mut self.skill_ids, name);
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

    /// The number of the agent who is called so, by number or alias.
    pub(crate) fn agent_called(&self, said: &str) -> Option<&Name> {
        let number = self.agent_id(said).map(|id| self.agent_number(id));
        number.or_else(|| self.aliases.get(said))
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

    /// A skill the ACD was told of; its name was interned for that.
    pub(crate) fn skill_name(&self, id: SkillId) -> &Name {
        let found = self.skill_ids.iter().find(|(_, skill)| **skill == id);
        found.expect("the ACD knows skills only from here").0
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = (AgentId, &AgentSetup)> {
        self.agent_ids.values().filter_map(|&id| Some((id, self.agents[id.0 as usize].1.as_ref()?)))
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = (QueueId, &QueueSetup)> {
        self.queue_ids.values().filter_map(|&id| Some((id, self.queues[id.0 as usize].1.as_ref()?)))
    }

    /// Every agent as the ACD wants it.
    pub(crate) fn agent_specs(&mut self) -> Vec<AgentSpec> {
        let agents: Vec<_> = self.agents().map(|(id, agent)| (id, agent.clone())).collect();
        agents.into_iter().map(|(id, agent)| self.agent_spec(id, &agent)).collect()
    }

    fn agent_spec(&mut self, id: AgentId, agent: &AgentSetup) -> AgentSpec {
        AgentSpec {
            site: agent.site.as_ref().map_or(0, |name| site(&mut self.site_ids, name)),
            weight: agent.weight,
            expires: agent.expires.iter().map(|(name, at)| (skill(&mut self.skill_ids, name), *at)).collect(),
            prefers: agent.prefers.iter().filter_map(|(name, p)| Some((self.queue_id(name)?, *p))).collect(),
            ..AgentSpec::new(id, self.skills(&agent.skills))
        }
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
            policy: self.policy(&queue.policy),
        }
    }

    fn policy(&mut self, policy: &Policy<Name, Name>) -> Policy {
        let (skill_ids, site_ids) = (&mut self.skill_ids, &mut self.site_ids);
        policy.map(&mut |name| skill(skill_ids, name), &mut |name| site(site_ids, name))
    }
}

fn skill(ids: &mut BTreeMap<Name, SkillId>, name: &Name) -> SkillId {
    intern(ids, name, |n| SkillId(n as u32))
}

fn site(ids: &mut BTreeMap<Name, Site>, name: &Name) -> Site {
    intern(ids, name, |n| n as Site + 1)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use busyhour_acd::{AgentChoice, Backup, Need, NoAnswer, Order, Reserve, Weights};
    use busyhour_model::Time;
    use std::time::Duration;

    const WEIGHTS: Weights = Weights { skill: 40, load: 30, business: 10, efficiency: 20 };
    const NO_ANSWER: NoAnswer = NoAnswer { misses_max: 3, pause: Some(Duration::from_secs(30)) };

    /// Every key of a queue and an agent, by name.
    fn directory() -> Directory {
        let need = |text: &str| Need::parse(text, &mut |name, _| Name::from(name)).unwrap();
        let second = Duration::from_secs;
        let policy = Policy {
            order: Order::LeastOccupied,
            need: Some(need("mandarin>=2 and not trainee")),
            preferred: Some(need("card")),
            sites: vec![("shanghai".into(), Duration::ZERO), ("chengdu".into(), second(20))],
            reserve: vec![Reserve { of: need("vip"), keep: 2 }],
            backup: vec![Backup { of: need("vip"), wait: second(60) }],
            weight: 150,
            wait_predicted_max: Some(second(600)),
            weights: WEIGHTS,
            no_answer: NO_ANSWER,
            ring_max: 3,
        };
        let queue = QueueSetup {
            required: vec![("card".into(), 2)],
            relax: vec![(second(30), vec![("mandarin".into(), 1)])],
            priority: 7,
            goal: second(30),
            choice: AgentChoice::MostSkilled,
            wait_max: Some(second(300)),
            waiting_max: Some(20),
            overflow_no_agents: true,
            wrap_up: second(9),
            policy,
            ..QueueSetup::new("cards".into())
        };
        let agent = AgentSetup {
            skills: vec![("card".into(), 3), ("vip".into(), 1)],
            site: Some("chengdu".into()),
            weight: 5,
            expires: vec![("vip".into(), Time::from_secs(99))],
            prefers: vec![("cards".into(), 50), ("gone".into(), 9)],
            ..AgentSetup::new("1001".into())
        };
        let mut directory = Directory::default();
        directory.configure(&[agent, AgentSetup::new("1002".into())], &[queue]);
        directory
    }

    #[test]
    fn the_acd_is_told_everything_by_id() {
        let mut directory = directory();
        let [queue]: [QueueSpec; 1] = directory.queue_specs().try_into().unwrap();
        let agents = directory.agent_specs();
        let (id, at) = (directory.skill_ids.clone(), directory.site_ids.clone());
        let has = |name: &str, level| Need::Skill(id[name], level);
        let second = Duration::from_secs;
        let expected = QueueSpec {
            id: QueueId(0),
            required: vec![(id["card"], 2)],
            relax: vec![(second(30), vec![(id["mandarin"], 1)])],
            priority: 7,
            goal: second(30),
            choice: AgentChoice::MostSkilled,
            wait_max: Some(second(300)),
            waiting_max: Some(20),
            overflow_no_agents: true,
            wrap_up: second(9),
            policy: Policy {
                order: Order::LeastOccupied,
                need: Some(Need::All(vec![has("mandarin", 2), Need::Not(has("trainee", 1).into())])),
                preferred: Some(has("card", 1)),
                sites: vec![(at["shanghai"], Duration::ZERO), (at["chengdu"], second(20))],
                reserve: vec![Reserve { of: has("vip", 1), keep: 2 }],
                backup: vec![Backup { of: has("vip", 1), wait: second(60) }],
                weight: 150,
                wait_predicted_max: Some(second(600)),
                weights: WEIGHTS,
                no_answer: NO_ANSWER,
                ring_max: 3,
            },
        };
        assert_eq!(queue, expected);
        let skills = vec![(id["card"], 3), (id["vip"], 1)];
        let expected = AgentSpec {
            site: at["chengdu"],
            weight: 5,
            expires: vec![(id["vip"], Time::from_secs(99))],
            prefers: vec![(QueueId(0), 50)],
            ..AgentSpec::new(AgentId(0), skills)
        };
        assert_eq!(agents[0], expected);
        assert_eq!(agents[1], AgentSpec::new(AgentId(1), Vec::new()));
        assert!(at.values().all(|&site| site > 0), "0 is nowhere in particular");
    }
}
