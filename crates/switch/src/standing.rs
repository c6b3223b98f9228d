//! Why an agent is or is not offered a call now, in names and words.

use crate::request::{Denied, Reply};
use crate::switch::Switch;
use busyhour_acd::{Obstacle, Whom};
use busyhour_model::{AgentState, CallId, Name};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What an agent is compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Towards {
    /// The next call of this queue that asks for nothing more than the queue does.
    Queue(Name),
    /// A call that waits or is offered.
    Call(CallId),
}

/// How an agent stands towards a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingRow {
    /// Agent number.
    pub agent: Name,
    /// Towards what.
    pub towards: Towards,
    /// Nothing is in the way.
    pub may_take: bool,
    /// From which wait of the call on; `None` for never.
    pub from_age: Option<Duration>,
    /// Idle agents who suit it better.
    pub better: u32,
    /// What is in the way.
    pub obstacles: Vec<ObstacleRow>,
    /// The same in words.
    pub says: Vec<String>,
}

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "obstacle", rename_all = "snake_case")]
pub enum ObstacleRow {
    /// The agent is not free.
    State {
        /// What the agent is doing.
        state: AgentState,
        /// Not-ready reason.
        reason: Option<Name>,
    },
    /// A skill is missing or too low.
    Skill {
        /// Which.
        skill: Name,
        /// At least.
        wanted: u8,
        /// The agent's; 0 for not at all.
        held: u8,
    },
    /// The queue's expression is not met.
    Need,
    /// The queue wants agents of other sites.
    Site,
    /// The agent helps only while the next caller is foreseen to wait long.
    Backup {
        /// Longer than this.
        beyond: Duration,
    },
    /// The call has not waited so long.
    Age {
        /// How long.
        from: Duration,
    },
    /// Agents like this one are kept for others.
    Reserve {
        /// Idle now.
        idle: u32,
        /// Kept.
        keep: u32,
    },
    /// The call waits for somebody else in person.
    Personal {
        /// Agent number.
        agent: Name,
    },
    /// The call is being offered to somebody else.
    Offered {
        /// Agent number.
        agent: Name,
    },
}

impl fmt::Display for ObstacleRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObstacleRow::State { state, reason: Some(reason) } => {
                write!(f, "the agent is {} ({reason})", doing(*state))
            }
            ObstacleRow::State { state, reason: None } => write!(f, "the agent is {}", doing(*state)),
            ObstacleRow::Skill { skill, wanted, held: 0 } => {
                write!(f, "{skill} {wanted} is required, the agent has none")
            }
            ObstacleRow::Skill { skill, wanted, held } => {
                write!(f, "{skill} {wanted} is required, the agent has {held}")
            }
            ObstacleRow::Need => write!(f, "the agent does not meet what the queue needs"),
            ObstacleRow::Site => write!(f, "the queue does not want agents of this site"),
            ObstacleRow::Backup { beyond } => {
                let beyond = beyond.as_secs_f64();
                write!(f, "the agent is a backup, for when the next caller is foreseen to wait more than {beyond} s")
            }
            ObstacleRow::Age { from } => {
                write!(f, "only calls that have waited {} s may go to this agent", from.as_secs_f64())
            }
            ObstacleRow::Reserve { idle, keep } => {
                write!(f, "agents with these skills are kept for other queues: {idle} idle, {keep} kept")
            }
            ObstacleRow::Personal { agent } => write!(f, "the call waits for agent {agent} in person"),
            ObstacleRow::Offered { agent } => write!(f, "the call is being offered to agent {agent}"),
        }
    }
}

fn doing(state: AgentState) -> &'static str {
    match state {
        AgentState::SignedOut => "signed out",
        AgentState::NotReady => "not ready",
        AgentState::Ready => "ready",
        AgentState::Ringing => "being rung",
        AgentState::Talking => "talking",
        AgentState::Hold => "holding a call",
        AgentState::WrapUp => "in after-call work",
    }
}

impl Switch {
    pub(crate) fn standing(&self, agent: Name, towards: Towards) -> Result<Reply, Denied> {
        let plant = &self.plant;
        let id = plant.directory.agent_id(&agent).ok_or_else(|| Denied::UnknownAgent(agent.clone()))?;
        let whom = match &towards {
            Towards::Call(call) => Whom::Call(*call),
            Towards::Queue(name) => {
                Whom::Next(plant.directory.queue_id(name).ok_or_else(|| Denied::UnknownQueue(name.clone()))?)
            }
        };
        let standing = plant.acd.suits(plant.now, id, whom).ok_or_else(|| match &towards {
            Towards::Call(call) => Denied::NotWaiting(*call),
            Towards::Queue(name) => Denied::UnknownQueue(name.clone()),
        })?;
        let reason = plant.acd.agent(id).and_then(|view| view.reason);
        let row = |obstacle| self.obstacle_row(obstacle, reason.as_ref());
        let obstacles: Vec<ObstacleRow> = standing.obstacles.into_iter().map(row).collect();
        let says = obstacles.iter().map(ToString::to_string).collect();
        let (may_take, from_age, better) = (obstacles.is_empty(), standing.from_age, standing.better);
        Ok(Reply::Standing(StandingRow { agent, towards, may_take, from_age, better, obstacles, says }))
    }

    fn obstacle_row(&self, obstacle: Obstacle, reason: Option<&Name>) -> ObstacleRow {
        let directory = &self.plant.directory;
        match obstacle {
            Obstacle::State(state) => ObstacleRow::State { state, reason: reason.cloned() },
            Obstacle::Skill { skill, wanted, held } => {
                ObstacleRow::Skill { skill: directory.skill_name(skill).clone(), wanted, held }
            }
            Obstacle::Need => ObstacleRow::Need,
            Obstacle::Site(_) => ObstacleRow::Site,
            Obstacle::Backup(beyond) => ObstacleRow::Backup { beyond },
            Obstacle::Age(from) => ObstacleRow::Age { from },
            Obstacle::Reserve { idle, keep } => ObstacleRow::Reserve { idle, keep },
            Obstacle::Personal(agent) => ObstacleRow::Personal { agent: directory.agent_number(agent).clone() },
            Obstacle::Offered(agent) => ObstacleRow::Offered { agent: directory.agent_number(agent).clone() },
        }
    }
}
