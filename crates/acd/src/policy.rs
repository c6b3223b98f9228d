//! What a queue may ask for beyond skills and levels: expressions, order of agents, sites, reserves, weight.

use crate::command::Skill;
use crate::need::Need;
use busyhour_model::{Rule, SkillId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Whose turn it is among agents who suit a call equally well. Equal turns: longest idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Ready for the longest time.
    #[default]
    LongestIdle,
    /// Whose last conversation of any kind ended first.
    LongestSinceContact,
    /// Whose last conversation the ACD gave ended first.
    LongestSinceCall,
    /// Whose last call of this very queue, after-call work included, ended first.
    LongestSinceQueueCall,
    /// Lowest share of time occupied (ringing, talking, after-call work), weighted exponentially over half an hour.
    LeastOccupied,
    /// Fewest calls taken since signing in.
    FewestCalls,
    /// Least time talked since signing in.
    LeastTalk,
    /// The next by id after the agent this queue rang last.
    RoundRobin,
    /// Always the lowest id.
    Linear,
    /// By lot; the weights of the agents are their chances.
    Random,
    /// Shortest mean handling time of this queue's calls, an agent with few of them taken to be near the queue's mean.
    Fastest,
    /// Best by the queue's [`Weights`]; levels count there, so `choice` is not asked.
    Weighted,
}

impl Order {
    /// It asks what each agent did with each queue's calls.
    pub(crate) fn looks_at_own(self) -> bool {
        matches!(self, Order::Fastest | Order::Weighted | Order::LongestSinceQueueCall)
    }

    /// What it is called in the reasons of an offer; the longest idle is called after the choice by skills.
    pub(crate) fn rule(self) -> Option<Rule> {
        Some(match self {
            Order::LongestIdle => return None,
            Order::LongestSinceContact => Rule::LongestSinceContact,
            Order::LongestSinceCall => Rule::LongestSinceCall,
            Order::LongestSinceQueueCall => Rule::LongestSinceQueueCall,
            Order::LeastOccupied => Rule::LeastOccupied,
            Order::FewestCalls => Rule::FewestCalls,
            Order::LeastTalk => Rule::LeastTalk,
            Order::RoundRobin => Rule::RoundRobin,
            Order::Linear => Rule::Linear,
            Order::Random => Rule::Random,
            Order::Fastest => Rule::Fastest,
            Order::Weighted => Rule::Weighted,
        })
    }
}

/// Keeps so many idle agents of a kind for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve<S = SkillId> {
    /// Agents whose skills meet this; each set of skills (and site) is a pool of its own.
    pub of: Need<S>,
    /// Of each pool so many idle agents are left alone.
    pub keep: u32,
}

/// Keeps agents of a kind for others as long as its own callers need not wait too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup<S = SkillId> {
    /// Agents whose skills meet this. They must have the skills the queue wants all the same.
    pub of: Need<S>,
    /// They take its calls while the next caller is foreseen to wait longer without them; until it is four fifths of this.
    pub wait: Duration,
}

/// The "dynamic queue": what counts how much when an agent is chosen by [`Order::Weighted`]. Each part is between 0 and 1;
/// the agent with the highest weighted mean is rung, of equal ones the longest idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// Mean level of the skills wanted, a hundredth each; 1 when none is wanted.
    pub skill: u32,
    /// Share of time not occupied, weighted exponentially over half an hour.
    pub load: u32,
    /// The agent's preference for the queue (`AgentSpec::prefers`), a hundredth a point.
    pub business: u32,
    /// Measured efficiency: the queue's mean handling time, over itself and the agent's own (as for [`Order::Fastest`]):
    /// 1/2 for the average agent, 2/3 for one twice as fast.
    pub efficiency: u32,
}

impl Default for Weights {
    fn default() -> Weights {
        Weights { skill: 25, load: 25, business: 25, efficiency: 25 }
    }
}

/// What becomes of an agent who lets a call ring or refuses it. Who cannot be reached is not ready at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoAnswer {
    /// Not ready after so many calls missed in a row; before that the agent stays ready, as the last in turn.
    pub misses_max: u32,
    /// Ready again by itself after so long; `None`: when the agent says so.
    pub pause: Option<Duration>,
}

impl Default for NoAnswer {
    fn default() -> NoAnswer {
        NoAnswer { misses_max: 1, pause: None }
    }
}

/// Where an agent works; 0 where nobody says.
pub type Site = u32;

/// What a queue may ask for besides: `Policy::default()` asks for nothing. `S` names a skill, `P` a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy<S = SkillId, P = Site> {
    /// Whose turn it is among agents who suit equally well.
    pub order: Order,
    /// Required besides the skills, from beginning to end: it is never relaxed.
    pub need: Option<Need<S>>,
    /// Agents who meet this come first, then sites, then levels as `choice` says.
    pub preferred: Option<Need<S>>,
    /// Sites in order of preference, each from so long a wait on; empty: anywhere.
    pub sites: Vec<(P, Duration)>,
    /// Idle agents left for others. Where several meet an agent the highest counts.
    pub reserve: Vec<Reserve<S>>,
    /// Agents who help only while the predicted wait is long. Where several meet an agent the shortest wait counts.
    pub backup: Vec<Backup<S>>,
    /// Ageing in percent: 200 gains points twice as fast.
    pub weight: u32,
    /// A call that is predicted to wait longer overflows (`Full`) when it comes.
    pub wait_predicted_max: Option<Duration>,
    /// For [`Order::Weighted`].
    pub weights: Weights,
    /// For agents who do not take its calls.
    pub no_answer: NoAnswer,
    /// Idle agents rung at once when a call looks for one, the first in turn first; whoever answers first has it. Who
    /// becomes free later takes another call.
    pub ring_max: u32,
}

impl<S, P> Default for Policy<S, P> {
    fn default() -> Policy<S, P> {
        Policy {
            order: Order::default(),
            need: None,
            preferred: None,
            sites: Vec::new(),
            reserve: Vec::new(),
            backup: Vec::new(),
            weight: 100,
            wait_predicted_max: None,
            weights: Weights::default(),
            no_answer: NoAnswer::default(),
            ring_max: 1,
        }
    }
}

impl<S, P> Policy<S, P> {
    /// The same about skills and sites named otherwise.
    pub fn map<T, Q>(&self, skill: &mut impl FnMut(&S) -> T, site: &mut impl FnMut(&P) -> Q) -> Policy<T, Q> {
        Policy {
            order: self.order,
            need: self.need.as_ref().map(|need| need.map(skill)),
            preferred: self.preferred.as_ref().map(|need| need.map(skill)),
            sites: self.sites.iter().map(|(name, after)| (site(name), *after)).collect(),
            reserve: self.reserve.iter().map(|r| Reserve { of: r.of.map(skill), keep: r.keep }).collect(),
            backup: self.backup.iter().map(|b| Backup { of: b.of.map(skill), wait: b.wait }).collect(),
            weight: self.weight,
            wait_predicted_max: self.wait_predicted_max,
            weights: self.weights,
            no_answer: self.no_answer,
            ring_max: self.ring_max,
        }
    }
}

impl Policy {
    /// Idle agents with these skills it must leave alone.
    pub(crate) fn keep(&self, skills: &[Skill]) -> u32 {
        self.reserve.iter().filter(|reserve| reserve.of.holds(skills)).map(|reserve| reserve.keep).max().unwrap_or(0)
    }

    /// Agents with these skills help beyond this predicted wait; `None`: always.
    pub(crate) fn helps_beyond(&self, skills: &[Skill]) -> Option<Duration> {
        self.backup.iter().filter(|backup| backup.of.holds(skills)).map(|backup| backup.wait).min()
    }

    /// Where this site stands and from which age on; `None` for never.
    pub(crate) fn site(&self, site: Site) -> Option<(usize, Duration)> {
        if self.sites.is_empty() {
            return Some((0, Duration::ZERO));
        }
        self.sites.iter().position(|s| s.0 == site).map(|at| (at, self.sites[at].1))
    }

    /// How many parts it has, of the largest of its lists and expressions.
    pub(crate) fn size(&self) -> usize {
        let kinds = self.reserve.iter().map(|reserve| &reserve.of).chain(self.backup.iter().map(|backup| &backup.of));
        let needs = self.need.iter().chain(&self.preferred).chain(kinds);
        needs.map(Need::size).chain([self.sites.len(), self.reserve.len(), self.backup.len()]).max().unwrap_or(0)
    }
}
