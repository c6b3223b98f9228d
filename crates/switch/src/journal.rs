//! The one ordered journal: what the ACD was told and what happened, as it happened.

use busyhour_model::{Fact, Time};
use serde::{Deserialize, Serialize};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// The ACD was told this, then.
    Command(Time, busyhour_acd::Command),
    /// This happened.
    Fact(Fact),
}
