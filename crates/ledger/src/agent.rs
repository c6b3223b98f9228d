//! How agents spent their time: intervals that tile it without gap or overlap (law S5).

use crate::Slot;
use busyhour_model::{AgentState, Name, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Not-ready reasons told apart per agent; further ones count as `other`.
const REASONS_MAX: usize = 32;

/// One agent's time by state since the first fact about that agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentTimes {
    /// State now.
    pub state: AgentState,
    /// Since when.
    pub since: Time,
    /// Not-ready reason now.
    pub reason: Option<Name>,
    /// The first fact.
    pub first: Time,
    /// Finished time by state.
    pub spent: BTreeMap<AgentState, Duration>,
    /// Finished not-ready time by reason.
    pub not_ready: BTreeMap<Name, Duration>,
    /// Where the call served last was counted, for its wrap-up.
    pub(crate) served: Option<Slot>,
}

impl AgentTimes {
    pub(crate) fn new(at: Time) -> AgentTimes {
        AgentTimes {
            state: AgentState::SignedOut,
            since: at,
            reason: None,
            first: at,
            spent: BTreeMap::new(),
            not_ready: BTreeMap::new(),
            served: None,
        }
    }

    /// Enters a state; returns the finished one and how long it lasted.
    pub(crate) fn enter(&mut self, at: Time, state: AgentState, reason: Option<Name>) -> (AgentState, Duration) {
        let span = at.since(self.since);
        *self.spent.entry(self.state).or_default() += span;
        if self.state == AgentState::NotReady {
            let reason = self.reason.take().unwrap_or_else(|| "other".into());
            let room = self.not_ready.contains_key(&reason) || self.not_ready.len() < REASONS_MAX;
            *self.not_ready.entry(if room { reason } else { "other".into() }).or_default() += span;
        }
        let finished = (self.state, span);
        (self.state, self.since, self.reason) = (state, self.since.max(at), reason);
        finished
    }

    /// Time in `state` until `now`, the running interval included.
    pub fn total(&self, now: Time, state: AgentState) -> Duration {
        let running = if self.state == state { now.since(self.since) } else { Duration::ZERO };
        self.spent.get(&state).copied().unwrap_or_default() + running
    }
}
