//! An agent: one state, in which a second call cannot be said.

use crate::call::Line;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, AgentState, CallId, Name, QueueId, Time};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An agent. The index of the arena is the agent's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) group: Slot,
    pub(crate) state: State,
    pub(crate) since: Time,
    /// Order of becoming idle: lower is idle longer. Kept while an offer is out, so a caller who gives up costs no turn.
    pub(crate) idle_seq: u64,
    /// Neighbours in the idle list of the group.
    pub(crate) prev: Slot,
    pub(crate) next: Slot,
    /// Calls that want this agent and nobody else.
    pub(crate) personal: Line,
}

/// What an agent is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    SignedOut,
    NotReady(Name),
    Ready,
    Ringing(Work),
    Talking(Work),
    /// Until the agent's alarm rings.
    WrapUp(Work),
}

/// The one call in hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) call: CallId,
    /// Its slot while it is being offered: nobody has to look it up.
    pub(crate) slot: Slot,
    /// Where it waited; `None` for calls the ACD did not give.
    pub(crate) queue: Option<QueueId>,
    /// When it was offered.
    pub(crate) began: Time,
    /// After-call work that follows.
    pub(crate) wrap_up: Duration,
    pub(crate) after: After,
}

/// What the agent asked for, to come after the call in hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum After {
    Ready,
    NotReady(Name),
    SignedOut,
}

impl Agent {
    pub(crate) fn new(id: AgentId, group: Slot, now: Time) -> Agent {
        Agent {
            id,
            group,
            state: State::SignedOut,
            since: now,
            idle_seq: 0,
            prev: NONE,
            next: NONE,
            personal: Line::EMPTY,
        }
    }
}

impl State {
    pub(crate) fn kind(&self) -> AgentState {
        match self {
            State::SignedOut => AgentState::SignedOut,
            State::NotReady(_) => AgentState::NotReady,
            State::Ready => AgentState::Ready,
            State::Ringing(_) => AgentState::Ringing,
            State::Talking(_) => AgentState::Talking,
            State::WrapUp(_) => AgentState::WrapUp,
        }
    }

    pub(crate) fn reason(&self) -> Option<&Name> {
        match self {
            State::NotReady(reason) => Some(reason),
            _ => None,
        }
    }

    /// The call offered or talked to.
    pub(crate) fn call(&self) -> Option<CallId> {
        match self {
            State::Ringing(work) | State::Talking(work) => Some(work.call),
            _ => None,
        }
    }
}
