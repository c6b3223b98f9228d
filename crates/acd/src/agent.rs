//! An agent: one state and at most one call in hand.

use crate::call::Line;
use crate::merit::Merit;
use crate::slab::{NONE, Slot};
use busyhour_model::{AgentId, AgentState, CallId, Name, QueueId, Time};
use serde::{Deserialize, Serialize};

/// An agent. The index of the arena is the agent's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) group: Slot,
    pub(crate) state: AgentState,
    /// What comes after the call in hand.
    pub(crate) after: After,
    /// Why not ready: now, or after the call in hand.
    pub(crate) reason: Option<Name>,
    pub(crate) since: Time,
    /// Order of becoming idle: lower is idle longer. Kept while an offer is out, so a caller who gives up costs no turn.
    pub(crate) idle_seq: u64,
    /// Neighbours in the idle list of the group.
    pub(crate) prev: Slot,
    pub(crate) next: Slot,
    /// Calls that want this agent and nobody else.
    pub(crate) personal: Line,
    /// Says something while ringing, talking and in after-call work.
    pub(crate) work: Work,
    pub(crate) merit: Merit,
}

/// The one call in hand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) call: CallId,
    /// Its slot while it is being offered: nobody has to look it up.
    pub(crate) slot: Slot,
    /// Where it waited; `NO_QUEUE` for calls the ACD did not give.
    pub(crate) queue: QueueId,
    /// When it was offered.
    pub(crate) began: Time,
    /// Microseconds of after-call work that follow.
    pub(crate) wrap_up: u64,
}

/// Where calls waited that the ACD did not give.
pub(crate) const NO_QUEUE: QueueId = QueueId(u32::MAX);

/// What the agent asked for, to come after the call in hand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum After {
    Ready,
    NotReady,
    SignedOut,
}

impl Agent {
    pub(crate) fn new(id: AgentId, group: Slot, weight: u32, now: Time) -> Agent {
        Agent {
            id,
            group,
            state: AgentState::SignedOut,
            after: After::Ready,
            reason: None,
            since: now,
            idle_seq: 0,
            prev: NONE,
            next: NONE,
            personal: Line::EMPTY,
            work: Work { call: CallId(0), slot: NONE, queue: NO_QUEUE, began: now, wrap_up: 0 },
            merit: Merit::new(weight),
        }
    }

    /// The call offered or talked to.
    pub(crate) fn call(&self) -> Option<CallId> {
        matches!(self.state, AgentState::Ringing | AgentState::Talking).then_some(self.work.call)
    }

    /// Has a call, or still work after it.
    pub(crate) fn is_busy(&self) -> bool {
        self.call().is_some() || self.state == AgentState::WrapUp
    }

    /// Why not ready, when that is the state.
    pub(crate) fn not_ready(&self) -> Option<&Name> {
        self.reason.as_ref().filter(|_| self.state == AgentState::NotReady)
    }
}
