//! A world in virtual time: callers, agents, wires, faults, laws. The feature `world` is for tests; a release has only the peers,
//! of whom the demo consists.

#[cfg(feature = "world")]
mod bots;
#[cfg(feature = "world")]
mod hiding;
#[cfg(feature = "world")]
mod laws;
#[cfg(feature = "world")]
mod network;
pub mod peer;
#[cfg(feature = "world")]
mod scenario;
#[cfg(feature = "world")]
mod silence;
#[cfg(feature = "world")]
mod supervision;
#[cfg(feature = "world")]
mod taper;
#[cfg(feature = "world")]
mod town;
#[cfg(feature = "world")]
mod world;

#[cfg(feature = "world")]
pub use {
    bots::Bots,
    network::Faults,
    scenario::{Deed, STORM, Scenario, Service, to_an_agent},
    supervision::Supervision,
    town::NUMBER,
    world::World,
};
