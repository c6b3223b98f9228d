//! What happened: call records, counts per quarter of an hour and queue, agent times. All of it folded from facts.

mod agent;
mod explain;
mod fold;
mod mos;
mod open;
mod ratio;
mod record;
mod sample;
mod satisfaction;
mod slot;
mod traffic;

pub use agent::AgentTimes;
pub use explain::{Language, Line, explain};
pub use fold::{Imbalance, Ledger, OPEN_CALLS_MAX, Stay};
pub use ratio::Ratio;
pub use record::{
    CallRecord, LegRecord, NodeVisit, OfferRecord, Prediction, QueueVisit, Recording, Transfer, VisitEnd,
};
pub use sample::sample;
pub use satisfaction::{Answer, Survey, SurveyEnd, Surveys};
pub use slot::{Callbacks, Counts, SLOT_SECS, SLOTS_MAX, Slot, THRESHOLDS_S, Total};
pub use traffic::{Bound, Delays, Traffic, TrafficRow, legs_at_trunks};
