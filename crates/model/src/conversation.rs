//! Two parties' talk that is recorded.

use crate::{CallId, Name, Party, TapeId, Time};
use serde::{Deserialize, Serialize};

/// Whose talk a recording of two tracks is. The caller's side is left, the one called is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its recording, and its name.
    pub tape: TapeId,
    /// The call it is a part of.
    pub call: CallId,
    /// When the two could hear each other.
    pub began: Time,
    /// The caller's number, national; `anonymous` when withheld.
    pub from: Name,
    /// The dialled number, national.
    pub to: Name,
    /// Who is on the left.
    pub left: Party,
    /// Who is on the right.
    pub right: Party,
    /// The queue that brought them together.
    pub queue: Option<Name>,
    /// For how long it is kept: a name of the configuration.
    pub retention: Name,
}

/// What can be done with a conversation's recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// What is said is left out from now on; the time runs on.
    Paused,
    /// It is put in again.
    Resumed,
    /// Somebody listened to it.
    Played,
    /// It is kept whatever its retention says, for this reason: a case, a letter.
    Held(Name),
    /// It is held no more.
    Released,
    /// It is kept for this from now on.
    Retained(Name),
    /// It was removed.
    Removed,
}

/// A deed, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handled {
    /// The tape.
    pub tape: TapeId,
    /// What was done with it.
    pub deed: Deed,
    /// Who did it, as far as known; `retention`: its time was over.
    pub by: Name,
}

impl Deed {
    /// In a word, and which reason or retention.
    pub fn words(&self) -> (&'static str, &str) {
        match self {
            Deed::Paused => ("paused", ""),
            Deed::Resumed => ("resumed", ""),
            Deed::Played => ("played", ""),
            Deed::Held(reason) => ("held", reason),
            Deed::Released => ("released", ""),
            Deed::Retained(retention) => ("retained", retention),
            Deed::Removed => ("removed", ""),
        }
    }
}

impl Conversation {
    /// The agents in it.
    pub fn agents(&self) -> impl Iterator<Item = &Name> {
        [&self.left, &self.right].into_iter().filter_map(Party::agent)
    }
}
