//! Why a call went to an agent, and what decided it.

use crate::{AgentId, CallId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why this call went to this agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The rule that decided.
    pub rule: Rule,
    /// How long the call had waited.
    pub waited: Duration,
    /// Only a call that has waited so long may go to this agent: relaxed skills or a farther site. Zero: any call.
    #[serde(default)]
    pub from_age: Duration,
    /// Its score when chosen: base + rate * wait, in points.
    pub score: f64,
    /// How well the chosen agent suits the call; the best when the agent chose the call.
    pub rank: Rank,
    /// Agents who could have taken it at that moment.
    pub agents_idle: u32,
    /// Calls waiting that this agent could have taken.
    pub calls_waiting: u32,
    /// The runner-up agent or call, if there was one.
    pub runner_up: Option<Candidate>,
}

/// The rule by which a match was decided. The first three and those named after an order of agents: the call looked for
/// an agent, several or none being idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The agent with the fewest skills who suits it, then the longest idle.
    LeastSkilled,
    /// The agent with the highest level of the wanted skills, then the longest idle.
    MostSkilled,
    /// The agent idle for the longest time.
    #[default]
    LongestIdle,
    /// The agent whose last conversation of any kind ended first.
    LongestSinceContact,
    /// The agent whose last conversation the ACD gave ended first.
    LongestSinceCall,
    /// The agent whose last call of this queue was done with first.
    LongestSinceQueueCall,
    /// The agent with the lowest occupancy.
    LeastOccupied,
    /// The agent who took the fewest calls since signing in.
    FewestCalls,
    /// The agent who talked least since signing in.
    LeastTalk,
    /// The next agent after the one rung last.
    RoundRobin,
    /// The first agent in order.
    Linear,
    /// By lot.
    Random,
    /// The agent who handles such calls fastest.
    Fastest,
    /// The agent who suits best by the weights of skill, load, business and efficiency.
    Weighted,
    /// An agent became free and took the waiting call with the highest score.
    HighestScore,
    /// The call wanted this agent and nobody else.
    DirectAgent,
    /// The call wished for this agent: the last who served the caller, or one the dialplan names.
    PreferredAgent,
}

/// How well an agent suits a call, the lower the better: first whether the preferred skills are missing, then the site's
/// place in the order of preference, then the level by the queue's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rank(pub u64);

impl Rank {
    /// From its parts.
    pub fn new(preferred: bool, site: u16, level: u32) -> Rank {
        Rank(u64::from(!preferred) << 48 | u64::from(site) << 32 | u64::from(level))
    }

    /// The agent meets what the queue prefers.
    pub fn preferred(self) -> bool {
        self.0 >> 48 == 0
    }

    /// Place of the agent's site in the queue's order, from 0.
    pub fn site(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Least skilled: how many skills the agent has. Most skilled: 4,294,967,295 less the sum of the levels wanted.
    /// Weighted: millionths short of a perfect agent.
    pub fn level(self) -> u32 {
        self.0 as u32
    }
}

/// Somebody who was considered and not chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// Another idle agent, and how well that one suits.
    Agent(AgentId, Rank),
    /// Another waiting call, with its score.
    Call(CallId, f64),
}
