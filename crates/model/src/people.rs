//! Who has to do with a talk beside caller and partner: supervisors, guests; and what its agent is told before.

use crate::{CallId, LegId, Name, Party, Voice};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A supervisor hears a call, and is heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitoring {
    /// The call.
    pub call: CallId,
    /// Who: an agent's number.
    pub by: Name,
    /// Who hears the supervisor; `None`: it hears the call no more.
    pub voice: Option<Voice>,
}

/// A further party of a talk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// The call.
    pub call: CallId,
    /// Its leg.
    pub leg: LegId,
    /// Who.
    pub party: Party,
}

/// A supervisor has a call instead of its agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    /// The call.
    pub call: CallId,
    /// The supervisor: an agent's number.
    pub by: Name,
    /// The agent.
    pub from: Name,
}

/// What an agent was told of a caller, who waited on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Briefing {
    /// The call.
    pub call: CallId,
    /// Agent number.
    pub agent: Name,
    /// How long it took.
    pub took: Duration,
}
