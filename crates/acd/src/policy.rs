//! What a queue may ask for beyond skills and levels: expressions, order of agents, sites, reserves, weight.

use crate::command::Skill;
use busyhour_model::{Rule, SkillId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A requirement: skills joined by and, or and not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// This skill at this level or above.
    Skill(SkillId, u8),
    /// All of these; holds when there are none.
    All(Vec<Need>),
    /// One of these; fails when there are none.
    Any(Vec<Need>),
    /// Not this.
    Not(Box<Need>),
}

impl Need {
    /// An agent with these skills, in order, meets it.
    pub fn holds(&self, skills: &[Skill]) -> bool {
        match self {
            Need::Skill(wanted, level) => {
                skills.binary_search_by_key(wanted, |s| s.0).is_ok_and(|at| skills[at].1 >= *level)
            }
            Need::All(needs) => needs.iter().all(|need| need.holds(skills)),
            Need::Any(needs) => needs.iter().any(|need| need.holds(skills)),
            Need::Not(need) => !need.holds(skills),
        }
    }

    /// How many skills and joints it has.
    pub(crate) fn size(&self) -> usize {
        let (mut open, mut size) = (vec![self], 0);
        while let Some(need) = open.pop() {
            size += 1;
            match need {
                Need::Skill(..) => {}
                Need::All(needs) | Need::Any(needs) => open.extend(needs),
                Need::Not(need) => open.push(need),
            }
        }
        size
    }
}

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
}

impl Order {
    /// What it is called in the reasons of an offer; the longest idle is called after the choice by skills.
    pub(crate) fn rule(self) -> Option<Rule> {
        Some(match self {
            Order::LongestIdle => return None,
            Order::LongestSinceContact => Rule::LongestSinceContact,
            Order::LongestSinceCall => Rule::LongestSinceCall,
            Order::LeastOccupied => Rule::LeastOccupied,
            Order::FewestCalls => Rule::FewestCalls,
            Order::LeastTalk => Rule::LeastTalk,
            Order::RoundRobin => Rule::RoundRobin,
            Order::Linear => Rule::Linear,
            Order::Random => Rule::Random,
            Order::Fastest => Rule::Fastest,
        })
    }
}

/// Keeps so many idle agents of a kind for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// Agents whose skills meet this; each set of skills (and site) is a pool of its own.
    pub of: Need,
    /// Of each pool so many idle agents are left alone.
    pub keep: u32,
}

/// Where an agent works; 0 where nobody says.
pub type Site = u32;

/// What a queue may ask for besides: `Policy::default()` asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Whose turn it is among agents who suit equally well.
    pub order: Order,
    /// Required besides the skills, from beginning to end: it is never relaxed.
    pub need: Option<Need>,
    /// Agents who meet this come first, then sites, then levels as `choice` says.
    pub preferred: Option<Need>,
    /// Sites in order of preference, each from so long a wait on; empty: anywhere.
    pub sites: Vec<(Site, Duration)>,
    /// Idle agents left for others. Where several meet an agent the highest counts.
    pub reserve: Vec<Reserve>,
    /// Ageing in percent: 200 gains points twice as fast.
    pub weight: u32,
    /// A call that is predicted to wait longer overflows (`Full`) when it comes.
    pub wait_predicted_max: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            order: Order::default(),
            need: None,
            preferred: None,
            sites: Vec::new(),
            reserve: Vec::new(),
            weight: 100,
            wait_predicted_max: None,
        }
    }
}

impl Policy {
    /// Idle agents with these skills it must leave alone.
    pub(crate) fn keep(&self, skills: &[Skill]) -> u32 {
        self.reserve.iter().filter(|reserve| reserve.of.holds(skills)).map(|reserve| reserve.keep).max().unwrap_or(0)
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
        let needs = self.need.iter().chain(&self.preferred).chain(self.reserve.iter().map(|reserve| &reserve.of));
        needs.map(Need::size).chain([self.sites.len(), self.reserve.len()]).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_say() {
        let has = |skill, level| Need::Skill(SkillId(skill), level);
        let held = [(SkillId(1), 2), (SkillId(5), 1)];
        let table = [
            (has(1, 2), true),
            (has(1, 3), false),
            (has(2, 1), false),
            (Need::All(vec![has(1, 1), has(5, 1)]), true),
            (Need::All(vec![has(1, 1), has(2, 1)]), false),
            (Need::All(vec![]), true),
            (Need::Any(vec![has(2, 1), has(5, 1)]), true),
            (Need::Any(vec![]), false),
            (Need::Not(has(2, 1).into()), true),
            (Need::All(vec![has(1, 1), Need::Not(has(5, 1).into())]), false),
        ];
        for (need, holds) in table {
            assert_eq!(need.holds(&held), holds, "{need:?}");
        }
        assert_eq!(Need::All(vec![has(1, 1), Need::Not(has(5, 1).into())]).size(), 4);
    }
}
