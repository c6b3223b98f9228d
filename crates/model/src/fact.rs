//! What happened: past tense, serialisable, never changed. Records, metrics and boards are folds over these.

use crate::Time;
use serde::{Deserialize, Serialize};

mod subject;
mod what;

pub use what::What;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// When.
    pub at: Time,
    /// What.
    #[serde(flatten)]
    pub what: What,
}
