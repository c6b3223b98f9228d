//! One behaviour each, as a caller, an agent or a carrier's engineer would notice it.
#![allow(clippy::unwrap_used)]

mod agents;
mod bots;
mod callbacks;
mod forecasts;
mod lookups;
mod parking;
mod queues;
mod reloads;
mod sent_on;
mod silence;
mod stage;
mod surveys;
mod transfers;
mod trunks;
mod voicemail;
