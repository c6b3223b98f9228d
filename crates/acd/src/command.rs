//! What the layer above tells the ACD, and its verdicts.

use crate::forecast::Foreseen;
use crate::policy::{Policy, Site};
use busyhour_model::{
    AgentId, AgentState, CallId, DequeueReason, Name, OfferOutcome, QueueId, Rule, SkillId, Time, Why,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A skill and the level held (agent) or the least level wanted (queue, call). 1 is the lowest; 0 never occurs.
pub type Skill = (SkillId, u8);

/// How an agent is chosen among the idle ones who may take a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentChoice {
    /// Fewest skills first, then longest idle: keeps generalists free.
    #[default]
    LeastSkilled,
    /// Highest level of the wanted skills first, then longest idle.
    MostSkilled,
    /// Longest idle, whatever the level.
    LongestIdle,
}

/// A queue: what its calls need and how long they may wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueSpec {
    /// Which.
    pub id: QueueId,
    /// All of these are required.
    pub required: Vec<Skill>,
    /// After having waited so long, these are required instead. Rising times.
    pub relax: Vec<(Duration, Vec<Skill>)>,
    /// Head start in points; a call gains 100 points per `goal` waited.
    pub priority: i32,
    /// Service goal: the ageing rate is 100 points / goal.
    pub goal: Duration,
    /// Which agent.
    pub choice: AgentChoice,
    /// A call that waited so long overflows (`TimedOut`).
    pub wait_max: Option<Duration>,
    /// A call that would be one more than this overflows (`Full`).
    pub waiting_max: Option<u32>,
    /// Overflow (`NoAgents`) when nobody eligible is signed in.
    pub overflow_no_agents: bool,
    /// After-call work of its calls; zero for none.
    pub wrap_up: Duration,
    /// What else it asks for.
    #[serde(default)]
    pub policy: Policy,
}

impl QueueSpec {
    /// The rule by which one of its calls chooses among idle agents.
    pub fn rule(&self) -> Rule {
        self.policy.order.rule().unwrap_or(match self.choice {
            AgentChoice::LeastSkilled => Rule::LeastSkilled,
            AgentChoice::MostSkilled => Rule::MostSkilled,
            AgentChoice::LongestIdle => Rule::LongestIdle,
        })
    }
}

/// An agent as the matcher sees one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSpec {
    /// Who.
    pub id: AgentId,
    /// Skills and levels, each skill once.
    pub skills: Vec<Skill>,
    /// Where; queues may prefer sites.
    #[serde(default)]
    pub site: Site,
    /// Chances in a lot (`Order::Random`); 0 counts as 1.
    #[serde(default)]
    pub weight: u32,
    /// Skills held only until then.
    #[serde(default)]
    pub expires: Vec<(SkillId, Time)>,
    /// Points by which this agent prefers calls of a queue, or puts them last.
    #[serde(default)]
    pub prefers: Vec<(QueueId, i32)>,
}

impl AgentSpec {
    /// An agent with these skills, at no site in particular.
    pub fn new(id: AgentId, skills: Vec<Skill>) -> AgentSpec {
        AgentSpec { id, skills, site: 0, weight: 1, expires: Vec::new(), prefers: Vec::new() }
    }
}

/// A call that wants an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueue {
    /// Which.
    pub call: CallId,
    /// Where.
    pub queue: QueueId,
    /// Required in addition to the queue's (language, product).
    pub required: Vec<Skill>,
    /// Added to the queue's head start, points.
    pub priority: i32,
    /// Since when it counts as waiting, not later than now. Before now: it had its place before and is not refused as
    /// one too many.
    pub since: Time,
    /// Only this agent (keyed-in agent number): waits on the agent's personal list.
    pub agent: Option<AgentId>,
    /// First of all this agent, if nobody else is asked for.
    #[serde(default)]
    pub prefer: Option<Prefer>,
}

/// A wish for an agent: the last who served the caller, the one in charge of the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefer {
    /// Who. Whether the skills fit is not asked.
    pub agent: AgentId,
    /// While this agent is busy the call waits for nobody else, so long from now; then, or when the agent goes away, for
    /// anybody. Zero: only if free at once.
    pub patience: Duration,
}

/// What the layer above tells the ACD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Define or change a queue; waiting calls keep their place.
    SetQueue(Box<QueueSpec>),
    /// Forget an empty queue.
    RemoveQueue {
        /// Which.
        queue: QueueId,
    },
    /// Define or change an agent; effective at once, skills that have expired left out.
    SetAgent(AgentSpec),
    /// Forget an agent who is signed out.
    RemoveAgent {
        /// Who.
        agent: AgentId,
    },
    /// Signed out -> ready, or not ready with a reason.
    SignIn {
        /// Who.
        agent: AgentId,
        /// `None`: ready.
        not_ready: Option<Name>,
    },
    /// Any state -> signed out; with a call in hand, when it ends.
    SignOut {
        /// Who.
        agent: AgentId,
    },
    /// Not ready or wrap-up -> ready; in a call: ready after it.
    Ready {
        /// Who.
        agent: AgentId,
    },
    /// -> not ready; in a call or ringing: not ready after it.
    NotReady {
        /// Who.
        agent: AgentId,
        /// Why.
        reason: Name,
    },
    /// A call begins to wait.
    Enqueue(Enqueue),
    /// A call gives up, waiting or being offered; the agent is freed at once.
    Leave {
        /// Which.
        call: CallId,
    },
    /// The offered agent took the call.
    Accepted {
        /// Which.
        call: CallId,
        /// Who.
        agent: AgentId,
    },
    /// The offered agent did not: the call is again at the head of its class, with its original time.
    Declined {
        /// Which.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// How; no answer, refused and unreachable make the agent not ready with that reason.
        outcome: OfferOutcome,
    },
    /// The agent's call ended -> wrap-up, then what was asked for meanwhile.
    Released {
        /// Who.
        agent: AgentId,
    },
    /// The agent is in a call the ACD did not give (own outbound, consult): idle or not ready -> talking.
    Occupy {
        /// Who.
        agent: AgentId,
        /// Which.
        call: CallId,
    },
    /// The agent's call goes on as another one: passed on to by it, or made beside it.
    Moved {
        /// Who, talking.
        agent: AgentId,
        /// Which from now on.
        call: CallId,
    },
    /// Time passed: wrap-up ends, relaxation, overflow. Due when `poll_timeout` says.
    Tick,
    /// As `NotReady`, but an offer is withdrawn at once: a supervisor stops somebody who does not answer.
    ForceNotReady {
        /// Who.
        agent: AgentId,
        /// Why.
        reason: Name,
    },
    /// After-call work ends so much later.
    ExtendWrapUp {
        /// Who.
        agent: AgentId,
        /// By how much.
        by: Duration,
    },
    /// How long the next callers wait, as [`Acd::foresee`](crate::Acd::foresee) found. It replaces all earlier forecasts.
    Foresee {
        /// Of each class somebody waits in.
        classes: Vec<Foreseen>,
    },
    /// Who is not ready is ready again by itself after so long.
    Rest {
        /// Who.
        agent: AgentId,
        /// How long.
        pause: Duration,
    },
}

/// The ACD's verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Decision {
    /// Ring this agent for this call.
    Offer {
        /// Which.
        call: CallId,
        /// Where it waited.
        queue: QueueId,
        /// Who.
        agent: AgentId,
        /// Why.
        why: Why,
    },
    /// Stop ringing this agent: signed out or removed meanwhile. The call waits again at the head of its class.
    Withdraw {
        /// Which.
        call: CallId,
        /// Who.
        agent: AgentId,
    },
    /// The call waits no longer and the ACD has forgotten it.
    Overflow {
        /// Which.
        call: CallId,
        /// Why.
        reason: DequeueReason,
    },
    /// An agent entered a state.
    Agent {
        /// Who.
        agent: AgentId,
        /// Which.
        state: AgentState,
        /// Not-ready reason.
        reason: Option<Name>,
    },
}

/// Why a command was not carried out; nothing changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No such agent.
    #[error("no agent {0}")]
    UnknownAgent(AgentId),
    /// No such queue.
    #[error("no queue {0}")]
    UnknownQueue(QueueId),
    /// No such call here.
    #[error("no call {0}")]
    UnknownCall(CallId),
    /// The call waits or is offered already.
    #[error("call {0} is queued already")]
    AlreadyQueued(CallId),
    /// The agent's state does not allow it.
    #[error("agent {agent} is {state:?}")]
    WrongState {
        /// Who.
        agent: AgentId,
        /// In which state.
        state: AgentState,
    },
    /// The queue still has calls.
    #[error("queue {0} has calls waiting")]
    NotEmpty(QueueId),
    /// A named maximum is reached.
    #[error("no more than {max} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
}

/// Where a waiting call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Calls that would be served before it as things are.
    pub ahead: u32,
    /// Predicted further wait; `None` when nothing can be said.
    pub wait: Option<Duration>,
}

/// One agent, for a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// Who.
    pub agent: AgentId,
    /// State.
    pub state: AgentState,
    /// Since when.
    pub since: Time,
    /// Not-ready reason.
    pub reason: Option<Name>,
    /// The call offered or talked to.
    pub call: Option<CallId>,
    /// Is not ready, or signed out, after the call in hand or the work after it.
    pub leaves: bool,
}

/// One queue, for a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueView {
    /// Which.
    pub queue: QueueId,
    /// Calls waiting (not those being offered).
    pub waiting: u32,
    /// Calls being offered.
    pub ringing: u32,
    /// Since when the oldest waits.
    pub oldest: Option<Time>,
    /// Agents who could take its calls, signed in.
    pub agents_signed_in: u32,
    /// Of those, idle.
    pub agents_ready: u32,
}
