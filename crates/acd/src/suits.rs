//! How an agent stands towards a call: whether it may be offered, and what is in the way.

use crate::acd::Acd;
use crate::ahead::Whom;
use crate::call::Call;
use crate::class::{self, Fit};
use crate::command::Skill;
use crate::policy::Site;
use crate::slab::Slot;
use busyhour_model::{AgentId, AgentState, QueueId, Rank, SkillId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One reason why an agent is not offered a call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The agent is not free.
    State(AgentState),
    /// The level held, 0 for not at all, is below the one wanted.
    Skill {
        /// Which.
        skill: SkillId,
        /// At least.
        wanted: u8,
        /// The agent's.
        held: u8,
    },
    /// The agent does not meet the queue's expression.
    Need,
    /// The queue wants agents of other sites.
    Site(Site),
    /// A backup: helps only while the next caller is foreseen to wait longer than this.
    Backup(Duration),
    /// Only calls that have waited so long; this one has not.
    Age(Duration),
    /// So many of the agents like this one are idle, and so many of them are kept for others.
    Reserve {
        /// Idle, this one included.
        idle: u32,
        /// Kept.
        keep: u32,
    },
    /// The call wants this other agent and nobody else.
    Personal(AgentId),
    /// The call is being offered to this agent.
    Offered(AgentId),
}

/// How an agent stands towards a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// From which wait on the agent may take it; `None` for never.
    pub from_age: Option<Duration>,
    /// How well the agent suits it.
    pub rank: Option<Rank>,
    /// Idle agents who suit it better.
    pub better: u32,
    /// What is in the way now; nothing: it may be offered.
    pub obstacles: Vec<Obstacle>,
}

impl Acd {
    /// How the agent stands towards a call that waits or is offered, or towards the next one that asks for nothing more
    /// than the queue does. `None` when there is no such agent, call or queue.
    pub fn suits(&self, now: Time, agent: AgentId, whom: Whom) -> Option<Standing> {
        let state = self.known_agent(agent).ok()?.state;
        let (class, call) = self.asked(whom)?;
        let mut obstacles = Vec::new();
        let busy = (state != AgentState::Ready).then_some(Obstacle::State(state));
        let rings = |call: &Call| state == AgentState::Ringing && self.agent_ref(agent).call() == Some(call.id);
        match call.map(|call| (call.ringing(), call.direct)) {
            Some((Some(_), _)) if call.is_some_and(rings) => return Some(Standing::in_person(None)),
            Some((None, Some(wanted))) if wanted == agent => return Some(Standing::in_person(busy)),
            Some((Some(rung), _)) => obstacles.push(Obstacle::Offered(rung)),
            Some((None, Some(wanted))) => obstacles.push(Obstacle::Personal(wanted)),
            _ => {}
        }
        obstacles.extend(busy);
        let age = call.map_or(Duration::ZERO, |call| now.max(self.now).since(call.since));
        let fit = self.fit_of(agent, class);
        self.unfit(agent, class, fit, age, &mut obstacles);
        let edges = self.classes[class].edges.iter();
        let before =
            |rank| edges.filter(|edge| edge.rank < rank).map(|edge| self.idle[edge.group as usize].count).sum();
        Some(Standing {
            from_age: fit.map(|fit| Duration::from_micros(fit.min_age)),
            rank: fit.map(|fit| Rank(fit.rank)),
            better: fit.map_or(0, |fit| before(fit.rank)),
            obstacles,
        })
    }

    /// The class asked for, and the call if there is one.
    fn asked(&self, whom: Whom) -> Option<(Slot, Option<&Call>)> {
        match whom {
            Whom::Next(queue) => Some((self.known_queue(queue).ok()?.plain, None)),
            Whom::Call(call) => {
                let call = &self.calls.slab[self.calls.find(call)?];
                Some((call.class, Some(call)))
            }
        }
    }

    fn fit_of(&self, agent: AgentId, class: Slot) -> Option<Fit> {
        let group = &self.groups[self.agent_ref(agent).group];
        class::fit(&self.queue_ref(self.queue_of(class)).spec, &self.classes[class], &group.profile)
    }

    fn queue_of(&self, class: Slot) -> QueueId {
        self.lanes[class as usize].queue
    }

    /// What skills, site, age and reserve have against the agent.
    fn unfit(&self, agent: AgentId, class: Slot, fit: Option<Fit>, age: Duration, obstacles: &mut Vec<Obstacle>) {
        let slot = self.agent_ref(agent).group;
        let group = &self.groups[slot];
        let spec = &self.queue_ref(self.queue_of(class)).spec;
        let from = fit.map(|fit| Duration::from_micros(fit.min_age));
        if from.is_none_or(|from| from > age) {
            obstacles.extend(lacks(&group.profile.skills, spec.required.iter().chain(&self.classes[class].extra)));
            if spec.policy.need.as_ref().is_some_and(|need| !need.holds(&group.profile.skills)) {
                obstacles.push(Obstacle::Need);
            }
            if spec.policy.site(group.profile.site).is_none() {
                obstacles.push(Obstacle::Site(group.profile.site));
            }
            let strain = self.classes[class].outlook.strain;
            let beyond = spec.policy.helps_beyond(&group.profile.skills).filter(|&wait| strain <= wait);
            obstacles.extend(beyond.map(Obstacle::Backup));
            obstacles.extend(from.map(Obstacle::Age));
        }
        let idle = self.idle[slot as usize].count;
        let ready = self.agent_ref(agent).state == AgentState::Ready;
        obstacles
            .extend(fit.filter(|fit| ready && idle <= fit.keep).map(|fit| Obstacle::Reserve { idle, keep: fit.keep }));
    }
}

impl Standing {
    /// Towards a call that is the agent's own.
    fn in_person(busy: Option<Obstacle>) -> Standing {
        let obstacles = busy.into_iter().collect();
        Standing { from_age: Some(Duration::ZERO), rank: Some(Rank::default()), better: 0, obstacles }
    }
}

/// The skills wanted that are not held at their level.
fn lacks<'a>(held: &'a [Skill], wanted: impl Iterator<Item = &'a Skill> + 'a) -> impl Iterator<Item = Obstacle> + 'a {
    wanted.filter_map(|&(skill, wanted)| {
        let held = held.iter().find(|s| s.0 == skill).map_or(0, |s| s.1);
        (held < wanted).then_some(Obstacle::Skill { skill, wanted, held })
    })
}
